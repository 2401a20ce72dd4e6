"""``rigline policy`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rigline.cli import app

POLICY = """
name = "mine"
version = 1
calibrated = false
review_below = 0.5
[[stages.orient]]
evidence = "margin"
good = 1.0
bad = 0.0
reason = "the lead is only {value:.0%}"
"""

STRICT = """
[[rules]]
stage = "validate"
evidence = "errors"
above = 0
verdict = "reject"
reason = "{value:.0f} rules are broken"
[[overrides]]
creator = "studio-*"
review_below = 0.9
[[priorities]]
confidence_below = 0.1
priority = 7
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RIGLINE_POLICY", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", *(str(a) for a in arguments)])


def policy_file(folder: Path, name: str = "mine.toml", text: str = POLICY) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def report_file(
    path: Path, margin: float | None, errors: int = 0, verdict: str = "accept", **changes: Any
) -> Path:
    def stage(**evidence: float | None) -> dict[str, Any]:
        plain = {"seconds": 0.1, "reused": False, "model": None, "confidence": None}
        return {**plain, "evidence": evidence}

    report = {
        "schema_version": 1, "pipeline": "p", "pipeline_version": 1,
        "asset": {"name": path.name, "sha256": f"{len(path.name):064d}", "bytes": 1},
        "stages": {"orient": stage(margin=margin), "validate": stage(errors=errors)},
        "joints": {}, "policy": {"name": "mine", "version": 0},
        "validation": {
            "preset": "development", "as_of": "2026-01-01", "errors": 0, "warnings": 0, "rules": [],
        },
        "confidence": margin or 0.0, "calibrated": False, "verdict": verdict,
        "reasons": [], "warnings": [], **changes,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report), "utf-8")
    return path


def test_show_tells_everything_that_a_policy_says(tmp_path: Path) -> None:
    result = run("show", policy_file(tmp_path, text=POLICY + STRICT))
    assert result.exit_code == 0, result.output
    for said in (
        "mine 1, not calibrated: review below 0.5", "the lead is only {value:.0%}",
        "above 0", "reject", "studio-*", "0.9", "0.1", "7",
    ):  # fmt: skip
        assert said in result.stdout


def test_show_takes_the_policy_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("show").stdout.startswith("default ")
    monkeypatch.setenv("RIGLINE_POLICY", str(policy_file(tmp_path)))
    assert run("show").stdout.startswith("mine 1")
    assert run("show", "default").stdout.startswith("default ")


def test_show_as_json_is_the_policy(tmp_path: Path) -> None:
    shown = json.loads(run("show", policy_file(tmp_path, text=POLICY + STRICT), "--json").stdout)
    assert shown["rules"][0]["above"] == 0
    assert "below" not in shown["rules"][0]


def test_diff_tells_what_changed(tmp_path: Path) -> None:
    changed = POLICY.replace("version = 1", "version = 2").replace("good = 1.0", "good = 0.8")
    old, new = policy_file(tmp_path), policy_file(tmp_path, "new.toml", changed + STRICT)
    result = run("diff", old, new)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "policy version 1 2" in lines
    assert "stages.orient.margin good 1 0.8" in lines
    assert any(line.startswith("rules.validate.errors added - above 0") for line in lines)
    entries = json.loads(run("diff", old, new, "--json").stdout)
    assert {"entry": "policy", "field": "version", "before": 1, "after": 2} in entries
    assert {e["entry"] for e in entries if e["field"] is None} == {
        "rules.validate.errors", "overrides creator=studio-*", "priorities confidence_below=0.1",
    }  # fmt: skip
    assert result.stderr == ""


def test_diff_of_equals_and_of_unversioned_changes(tmp_path: Path) -> None:
    old = policy_file(tmp_path)
    same = run("diff", old, old)
    assert (same.exit_code, same.stdout) == (0, "The policies say the same.\n")
    assert json.loads(run("diff", old, old, "--json").stdout) == []
    unversioned = run("diff", old, policy_file(tmp_path, "new.toml", POLICY + STRICT))
    assert "raise the version" in unversioned.stderr


def test_simulate_counts_verdicts_and_lists_changed_jobs(tmp_path: Path) -> None:
    report_file(tmp_path / "jobs/fine.report.json", 0.9)
    report_file(tmp_path / "jobs/deep/doubtful.report.json", 0.3)
    broken = report_file(tmp_path / "jobs/broken.report.json", 0.9, errors=2)
    candidate = policy_file(tmp_path, text=POLICY + STRICT)
    result = run("simulate", candidate, tmp_path / "jobs", broken)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "accept 3 1" in lines
    assert "review 0 1" in lines
    assert "reject 0 1" in lines
    assert "2 of 3 verdicts would change" in lines
    assert any("doubtful" in n and "orient: the lead is only 30%" in n for n in lines)
    assert not any("fine.report.json" in line for line in lines)


def test_simulate_as_json(tmp_path: Path) -> None:
    report_file(tmp_path / "jobs/a.report.json", 0.05, verdict="review")
    report_file(tmp_path / "jobs/bb.report.json", 0.05, audit=True)
    candidate = policy_file(tmp_path, text=POLICY + STRICT)
    told = json.loads(run("simulate", candidate, tmp_path / "jobs", "--json").stdout)
    assert told["policy"] == {"name": "mine", "version": 1}
    assert told["before"] == {"accept": 1, "review": 1, "reject": 0, "audit": 1}
    assert told["after"] == {"accept": 0, "review": 2, "reject": 0, "audit": 0}
    (changed,) = told["changed"]
    assert changed["report"].endswith("bb.report.json")
    assert changed["after"]["flagged"] == ["orient"]
    assert changed["after"]["priority"] == 7
    assert told["failed"] == {}


def test_simulate_for_a_creator_uses_its_override(tmp_path: Path) -> None:
    report = report_file(tmp_path / "a.report.json", 0.8)
    candidate = policy_file(tmp_path, text=POLICY + STRICT)
    assert "0 of 1" in run("simulate", candidate, report).stdout
    assert "1 of 1" in run("simulate", candidate, report, "--creator", "studio-a").stdout


def test_a_measure_that_was_not_finite_stays_hopeless(tmp_path: Path) -> None:
    report = report_file(tmp_path / "a.report.json", None, verdict="review")
    result = run("simulate", policy_file(tmp_path), report)
    assert result.exit_code == 0, result.output
    assert "0 of 1" in result.stdout


def test_reports_that_cannot_be_judged_are_told_and_stop_no_other(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    report_file(jobs / "fine.report.json", 0.9)
    report_file(jobs / "lacking.report.json", 0.9, stages={
        "orient": {"seconds": 0, "reused": True, "model": None, "evidence": {}, "confidence": 1},
    })  # fmt: skip
    (jobs / "other.report.json").write_text('{"kind": "other"}')
    (jobs / "broken.report.json").write_bytes(b"\xff{")
    result = run("simulate", policy_file(tmp_path), jobs)
    assert result.exit_code == 1
    assert "0 of 1 verdicts would change; 3 reports could not be judged" in result.stdout
    for name in ("lacking", "other", "broken"):
        assert f"{name}.report.json" in result.stderr
    told = json.loads(run("simulate", policy_file(tmp_path), jobs, "--json").stdout)
    assert len(told["failed"]) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "none.toml"], "There is no policy none.toml"),
        (["diff", "mine.toml", "none.toml"], "There is no policy none.toml"),
        (["diff", "mine.toml"], "Missing argument"),
        (["simulate", "bad.toml", "empty"], "cannot be used"),
        (["simulate", "mine.toml", "empty"], "No *report.json lies in empty"),
        (["simulate", "mine.toml", "nowhere"], "There is no report or folder nowhere"),
    ],
)
def test_wrong_commands_exit_with_2_and_say_why(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    policy_file(tmp_path)
    policy_file(tmp_path, "bad.toml", POLICY.replace("good = 1.0", "good = 0.0"))
    (tmp_path / "empty").mkdir()
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
