"""``rigline review`` from doubt to training sample, on a pipeline that Rigline knows nothing of."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rigline.cli import app, ledger_session
from rigline.review.ticket import UNDO_WINDOW
from tests.cli.test_jobs import Time
from tests.support.words import POLICY


@pytest.fixture(autouse=True)
def time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Time:
    """An installation of its own in which the words pipeline is known, and its clock."""
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("RIGLINE_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("RIGLINE_PIPELINES", "tests.support.words:WORDS")
    monkeypatch.delenv("RIGLINE_REVIEWER", raising=False)
    (tmp_path / "policy.toml").write_text(POLICY)
    time = Time()
    monkeypatch.setattr(ledger_session, "datetime", time)
    return time


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def found(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def in_review(tmp_path: Path, text: str = "one two three") -> dict[str, Any]:
    """A job with an open ticket, as ``jobs show`` has it."""
    (tmp_path / "text.txt").write_text(text)
    (job,) = found("jobs", "submit", tmp_path / "text.txt", "--pipeline", "words")
    (job,) = found("jobs", "run", job["id"])
    assert job["state"] == "in_review"
    return found("jobs", "show", job["id"])  # type: ignore[no-any-return]


def correction(job: dict[str, Any], tmp_path: Path, value: object, base: str = "") -> Path:
    outputs = {stage["stage"]: stage["output_sha256"] for stage in job["stages"]}
    path = tmp_path / "correction.json"
    document = {
        "schema_version": 1, "stage": "split",
        "base_artifact_sha256": base or outputs["split"],
        "ops": [{"op": "set_output", "value": value}],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


def test_a_corrected_job_resumes_and_becomes_a_training_sample(tmp_path: Path, time: Time) -> None:
    job = in_review(tmp_path)
    ticket = found("review", "claim", "--as", "ann")["id"]
    four = ["one", "two", "three", "four"]
    file = correction(job, tmp_path, four)
    decided = found("review", "correct", ticket, "--as", "ann", "--file", file, "--note", "missed")
    assert decided["decision"] == "correct"
    assert found("jobs", "run", "--all") == []
    time.passed = UNDO_WINDOW
    (done,) = found("jobs", "run", "--all")
    assert (done["id"], done["state"]) == (job["id"], "published")

    assert run("jobs", "write", job["id"], "--out", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out/text.count.json").read_bytes() == b"4"
    assert run("jobs", "write", job["id"], "--out", tmp_path / "out").exit_code == 2
    assert run("jobs", "write", job["id"], "--out", tmp_path / "out", "--overwrite").exit_code == 0

    assert run("review", "export", "--out", tmp_path / "samples").exit_code == 0
    (folder,) = (tmp_path / "samples").iterdir()
    said = json.loads((folder / "sample.json").read_text())
    assert (said["stage"], said["job"], said["decision"]["note"]) == ("split", job["id"], "missed")
    assert json.loads((folder / said["files"]["base"]).read_text()) == four[:3]
    assert json.loads((folder / said["files"]["corrected"]).read_text()) == four
    assert json.loads((folder / "input.read.text.json").read_text()) == "one two three"
    assert json.loads((folder / "now.split.words.json").read_text()) == four
    assert run("review", "export", "--out", tmp_path / "none", "--days", "1").exit_code == 0
    time.passed += timedelta(days=2)
    assert "0 samples" in run("review", "export", "--out", tmp_path / "none", "--days", "1").stderr


def test_a_correction_is_checked_before_it_is_kept(tmp_path: Path) -> None:
    job = in_review(tmp_path)
    ticket = found("review", "claim", "--as", "ann")["id"]
    other = correction(job, tmp_path, ["one"], base="0" * 64)
    result = run("review", "correct", ticket, "--as", "ann", "--file", other)
    assert (result.exit_code, "another output" in result.stderr) == (2, True)
    other.write_text("{")
    assert run("review", "correct", ticket, "--as", "ann", "--file", other).exit_code == 2
    wrong = json.loads(correction(job, tmp_path, ["one"]).read_text())
    other.write_text(json.dumps({**wrong, "stage": "count"}))
    result = run("review", "correct", ticket, "--as", "ann", "--file", other)
    assert (result.exit_code, "cannot be corrected" in result.stderr) == (2, True)
    assert found("review", "show", ticket)["state"] == "claimed"


def test_hold_skip_escalate_undo_and_reopen(tmp_path: Path, time: Time) -> None:
    in_review(tmp_path)
    ticket = found("review", "claim", "--as", "ann")["id"]
    assert found("review", "hold", ticket, "--as", "ann", "--reason", "asked")["state"] == "held"
    assert found("review", "wake", ticket, "--as", "ann")["state"] == "open"
    found("review", "claim", ticket, "--as", "ann")
    assert found("review", "skip", ticket, "--as", "ann", "--reason", "odd")["state"] == "open"
    assert run("review", "claim", "--as", "ann").exit_code == 1
    found("review", "claim", ticket, "--as", "bob")
    found("review", "escalate", ticket, "--as", "bob", "--reason", "a tail")
    found("review", "claim", ticket, "--as", "liz")
    found("review", "approve", ticket, "--as", "liz")
    assert found("review", "undo", ticket, "--as", "liz")["state"] == "claimed"
    found("review", "reject", ticket, "--as", "liz", "--code", "duplicate")
    time.passed = UNDO_WINDOW
    (job,) = found("jobs", "list")
    assert job["state"] == "rejected"
    found("review", "reopen", ticket, "--as", "liz", "--reason", "a second look")
    assert found("jobs", "list")[0]["state"] == "in_review"


def test_where_people_have_roles_the_command_line_heeds_them(tmp_path: Path) -> None:
    in_review(tmp_path)
    assert run("people", "grant", "ann", "reviewer").exit_code == 0
    result = run("review", "claim", "--as", "bob")
    assert (result.exit_code, "no role" in result.stderr) == (1, True)
    ticket = found("review", "claim", "--as", "ann")["id"]
    found("review", "escalate", ticket, "--as", "ann", "--reason", "a tail")
    assert run("review", "claim", ticket, "--as", "ann").exit_code == 1


def test_another_policy_is_tried_on_the_jobs_of_the_ledger(tmp_path: Path) -> None:
    job = in_review(tmp_path)
    in_review(tmp_path, "one")
    (tmp_path / "mild.toml").write_text(
        POLICY.replace("review_below = 1.0", "review_below = 0.5").replace("words", "mild", 1)
    )
    told = found("policy", "simulate", tmp_path / "mild.toml")
    assert (told["judged"], told["before"]["review"], told["after"]["accept"]) == (2, 2, 1)
    (changed,) = told["changed"]
    assert (changed["report"], changed["after"]["verdict"]) == (job["id"], "accept")
    assert found("policy", "simulate", tmp_path / "mild.toml", "--creator", "zoe")["judged"] == 0


def test_pipelines_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text("a")
    result = run("jobs", "submit", tmp_path / "text.txt", "--pipeline", "letters")
    assert (result.exit_code, "'letters'" in result.stderr) == (2, True)
    for wrong in ("tests.support.words:NO", "tests.nowhere:WORDS", "json:dumps", "words"):
        monkeypatch.setenv("RIGLINE_PIPELINES", wrong)
        result = run("jobs", "submit", tmp_path / "text.txt")
        assert (result.exit_code, wrong in result.stderr) == (2, True)
