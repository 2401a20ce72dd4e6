"""``rigline jobs`` and ``rigline review`` as a user runs them, on one ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rigline.cli import app, ledger_session
from rigline.cli.jobs import user_name
from rigline.db.ledger import Ledger
from rigline.pipelines.cage_template_file import TEMPLATE_CODEC
from rigline.review.ticket import UNDO_WINDOW
from rigline.storage.local import LocalStore
from tests.support.avatar_files import avatar_glb
from tests.support.flawed_avatars import good_avatar
from tests.support.ledgers import PostgresServer
from tests.support.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "benchmarks/samples/boxhead_kid.glb"
POLICY = 'name = "strict"\nversion = 1\ncalibrated = false\nreview_below = {}\n[[stages.orient]]\n'
TERM = 'evidence = "margin"\ngood = 1000.0\nbad = 0.0\nreason = "margin {value:.2f}"\n'


class Time:
    """Stands in for ``datetime`` where the command line reads the clock; a test moves it on."""

    passed = timedelta()

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self.passed


@pytest.fixture(autouse=True)
def time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Time:
    """An installation of its own, and its clock."""
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("RIGLINE_POLICY", str(tmp_path / "policy.toml"))
    (tmp_path / "policy.toml").write_text(POLICY.format(0.0) + TERM)
    time = Time()
    monkeypatch.setattr(ledger_session, "datetime", time)
    assert run("db", "upgrade").exit_code == 0
    return time


def run(*arguments: str | Path, **env: str) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env=env)


def answer(*arguments: str | Path, code: int = 0, **env: str) -> Any:
    """What the command prints as JSON."""
    result = run(*arguments, "--json", **env)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.glb"
    path.write_bytes(b"no model")
    return path


def test_a_file_becomes_a_job_and_is_published() -> None:
    submit = ("jobs", "submit", SAMPLE, "--creator", "carol", "--batch", "b1", "--priority", "3")
    (job,) = answer(*submit)
    assert answer(*submit) == [job]
    assert (job["state"], job["creator"], job["batch"], job["priority"]) == (
        "queued", "carol", "b1", 3,
    )  # fmt: skip
    (done,) = answer("jobs", "run", "--all")
    assert (done["id"], done["state"], done["verdict"]) == (job["id"], "published", "accept")
    shown = answer("jobs", "show", job["id"])
    assert shown["asset"] == "boxhead_kid.glb"
    assert [stage["stage"] for stage in shown["stages"]][:3] == ["ingest", "orient", "segment"]
    assert shown["tickets"] == []
    assert answer("jobs", "list", "--state", "queued") == []
    assert [j["id"] for j in answer("jobs", "list", "--batch", "b1")] == [job["id"]]
    for command in (("jobs", "list"), ("jobs", "show", job["id"])):
        assert job["id"] in run(*command).stdout


def test_a_job_has_the_presets_options_and_a_template_that_travels_with_the_store(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.glb").write_bytes(avatar_glb(good_avatar()))
    options = ("--preset", "marketplace", "--body-type", "slender", "--proportions", "keep",
               "--atlas", "512", "--cage-template", tmp_path / "mine.glb")  # fmt: skip
    submit = ("jobs", "submit", SAMPLE, *options)
    (job,) = answer(*submit)
    assert answer(*submit) == [job]
    (tmp_path / "mine.glb").unlink()
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.reading() as work:
        params, wanted = work.jobs.get(job["id"]).params, work.jobs.wanted_artifacts()
    ledger.close()
    assert params["fit"] == {"body_type": "slender", "proportions": "keep"}
    assert params["bake"] == {"atlas_px": 512}
    sha256 = params["assemble"]["cage_template"]
    assert params["validate"]["cage_template"] == sha256
    assert sha256 in wanted
    stored = LocalStore(tmp_path / "store").get(sha256)
    assert TEMPLATE_CODEC.decode(stored).uvs.shape[1] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--body-type", "slender"), "--preset marketplace"),
        (("--preset", "marketplace", "--atlas", "1000"), "1000 pixels"),
        (("--preset", "marketplace", "--cage-template", SAMPLE), "OuterCage"),
        (("--preset", "finest"), "no preset"),
    ],
)
def test_options_that_cannot_be_queue_nothing(options: tuple[str, ...], words: str) -> None:
    result = run("jobs", "submit", SAMPLE, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert answer("jobs", "list") == []


def in_review(tmp_path: Path) -> tuple[str, str]:
    """A job that a person has to look at, and its ticket."""
    (tmp_path / "policy.toml").write_text(POLICY.format(1.0) + TERM)
    (job,) = answer("jobs", "submit", SAMPLE)
    assert answer("jobs", "run", job["id"])[0]["state"] == "in_review"
    (ticket,) = answer("review", "list")
    assert (ticket["job_id"], ticket["flagged"]) == (job["id"], ["orient"])
    assert ticket["reasons"][0].startswith("orient: margin")
    return job["id"], ticket["id"]


@pytest.mark.parametrize(
    ("decision", "state"),
    [(("approve",), "published"), (("reject", "--code", "broken_mesh"), "rejected")],
)
def test_a_reviewer_decides_about_a_job(
    tmp_path: Path, time: Time, decision: tuple[str, ...], state: str
) -> None:
    job, ticket = in_review(tmp_path)
    ann = {"RIGLINE_REVIEWER": "ann"}
    assert answer("review", "claim", **ann)["claimed_by"] == "ann"
    assert run("review", "claim", "--as", "bob").exit_code == 1
    taken = run("review", "claim", ticket, "--as", "bob")
    assert (taken.exit_code, "ann has the ticket" in taken.stderr) == (1, True)
    assert run("review", *decision, ticket, "--as", "bob").exit_code == 1
    assert answer("review", "release", ticket, **ann)["state"] == "open"
    answer("review", "claim", ticket, **ann)
    assert answer("review", *decision, ticket, **ann)["state"] == "decided"
    assert answer("jobs", "show", job)["state"] == "in_review"
    time.passed = UNDO_WINDOW
    assert answer("jobs", "show", job)["state"] == state
    assert answer("review", "show", ticket)["state"] == "closed"
    assert answer("review", "list") == []


def test_a_broken_file_fails_with_its_reason_and_is_put_back(broken: Path, tmp_path: Path) -> None:
    missing = run("jobs", "submit", broken, tmp_path / "missing.glb")
    assert (missing.exit_code, "There is no file" in missing.stderr) == (1, True)
    (job,) = answer("jobs", "run", "--all", code=1)
    assert job["state"] == "failed"
    assert "broken.glb" in job["error"]
    assert answer("jobs", "replay", "--batch", "none") == []
    assert [j["state"] for j in answer("jobs", "replay", "--state", "failed")] == ["queued"]
    again = run("jobs", "replay", job["id"])
    assert (again.exit_code, "is queued" in again.stderr) == (1, True)


def test_cancelled_jobs_are_left_alone_until_submitted_again(broken: Path, tmp_path: Path) -> None:
    (failed,) = answer("jobs", "submit", broken)
    answer("jobs", "run", "--all", code=1)
    (job,) = answer("jobs", "submit", SAMPLE)
    slip = run("jobs", "cancel", job["id"], "x")
    assert (slip.exit_code, "no job 'x'" in slip.stderr) == (2, True)
    assert answer("jobs", "show", job["id"])["state"] == "queued"
    ids, why = (failed["id"], job["id"]), ("--reason", "wrong [file]", "--as", "carol")
    mixed = run("jobs", "cancel", *ids, *why)
    assert (mixed.exit_code, "is failed: there is nothing left" in mixed.stderr) == (1, True)
    (gone,) = answer("jobs", "list", "--state", "cancelled")
    assert (gone["id"], gone["error"]) == (job["id"], "Cancelled by carol: wrong [file]")
    assert gone["error"] in mixed.stdout
    assert gone["error"] in run("jobs", "show", job["id"]).stdout
    assert answer("jobs", "cancel", job["id"], RIGLINE_REVIEWER="dave") == [gone]
    assert answer("jobs", "run", "--all") == []
    assert answer("jobs", "run", job["id"], code=1) == [gone]
    assert run("jobs", "write", job["id"], "--out", tmp_path).exit_code == 1
    (again,) = answer("jobs", "submit", SAMPLE)
    assert (again["id"], again["state"], again["error"]) == (job["id"], "queued", "")
    (gone,) = answer("jobs", "cancel", job["id"])
    assert gone["error"] == f"Cancelled by {user_name()}."


def test_the_ticket_of_a_cancelled_job_is_withdrawn(tmp_path: Path) -> None:
    job, ticket = in_review(tmp_path)
    answer("review", "claim", ticket, "--as", "ann")
    answer("jobs", "cancel", job)
    assert answer("review", "list") == []
    assert answer("review", "show", ticket)["state"] == "withdrawn"
    assert [t["id"] for t in answer("review", "list", "--state", "withdrawn")] == [ticket]
    late = run("review", "approve", ticket, "--as", "ann")
    assert (late.exit_code, "its job has been cancelled" in late.stderr) == (1, True)


@pytest.mark.parametrize(
    "command",
    [
        ("jobs", "run"),
        ("jobs", "run", "x", "--all"),
        ("jobs", "run", "x"),
        ("jobs", "show", "x"),
        ("jobs", "replay"),
        ("jobs", "replay", "--state", "published"),
        ("jobs", "cancel"),
        ("jobs", "cancel", "x"),
        ("review", "show", "x"),
        ("review", "claim"),
        ("review", "claim", "--as", " "),
    ],
)
def test_a_wrong_command_is_told(command: tuple[str, ...]) -> None:
    result = run(*command)
    assert (result.exit_code, result.stdout) == (2, ""), result.output


def test_nothing_to_do_is_no_error() -> None:
    assert run("jobs", "run", "--all").stdout == "no jobs\n"
    assert run("review", "list").stdout == "no tickets\n"


def test_a_ledger_without_tables_or_server_is_told(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGLINE_DATABASE", postgres.new_database(empty=True))
    result = run("jobs", "list")
    assert (result.exit_code, "rigline db upgrade" in result.stderr) == (2, True)
    monkeypatch.setenv("RIGLINE_DATABASE", f"postgresql://u@127.0.0.1:{free_port()}/x")
    assert run("review", "list").exit_code == 1
