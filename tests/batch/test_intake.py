"""A watched place: each file becomes a job once, whatever happens on the way."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rigline.batch.intake import SETTLED, Intake, sweep_intake
from rigline.db.ledger import Ledger
from rigline.engine.job import JobState
from rigline.errors import InvalidInput
from tests.support.small_jobs import Killed, MortalLedger, Office

MESHES = ("*.txt",)
OLD = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def write(path: Path, text: str, modified: float = OLD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (modified, modified))


def sweep(office: Office, place: Path | str, **chosen: object) -> list[Intake]:
    ledger = chosen.pop("ledger", office.ledger)
    return list(
        sweep_intake(
            ledger, office.services, str(place), office.clock,  # type: ignore[arg-type]
            creator="carol", patterns=MESHES, pipeline=office.pipeline,
        )
    )  # fmt: skip


def test_each_file_becomes_a_job_once(ledger: Ledger, tmp_path: Path) -> None:
    office = Office(ledger)
    write(tmp_path / "in/a.txt", "one")
    write(tmp_path / "in/below/b.txt", "two")
    write(tmp_path / "in/c.png", "three")
    first = sweep(office, tmp_path / "in")
    assert sorted(Path(one.locator).name for one in first) == ["a.txt", "b.txt"]
    assert {one.job.state for one in first if one.job} == {JobState.QUEUED}
    assert sweep(office, tmp_path / "in") == []
    write(tmp_path / "in/a.txt", "one", OLD + 1)
    (again,) = sweep(office, tmp_path / "in")
    assert again.job is not None
    assert again.job.id in {one.job.id for one in first if one.job}
    write(tmp_path / "in/a.txt", "another", OLD + 2)
    (changed,) = sweep(office, tmp_path / "in")
    assert changed.job is not None
    assert changed.job.id != again.job.id


def test_a_file_that_may_still_be_written_waits(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    office = Office(sqlite_ledger)
    write(tmp_path / "in/a.txt", "one", office.clock().timestamp())
    assert sweep(office, tmp_path / "in") == []
    office.clock.wait(SETTLED)
    assert len(sweep(office, tmp_path / "in")) == 1


def test_a_file_that_cannot_be_read_is_told_and_stops_no_other(
    sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    office = Office(sqlite_ledger)
    write(tmp_path / "in/a.txt", "one")
    (tmp_path / "in/large.txt").write_bytes(b"x" * (office.services.settings.max_bytes + 1))
    os.utime(tmp_path / "in/large.txt", (OLD, OLD))
    found = {Path(one.locator).name: one for one in sweep(office, tmp_path / "in")}
    assert found["a.txt"].job is not None
    assert "large.txt has" in found["large.txt"].error
    assert [Path(one.locator).name for one in sweep(office, tmp_path / "in")] == ["large.txt"]


@pytest.mark.parametrize("at", [1, 2])
def test_a_sweep_that_dies_is_taken_up(ledger: Ledger, tmp_path: Path, at: int) -> None:
    office = Office(ledger)
    write(tmp_path / "in/a.txt", "one")
    with pytest.raises(Killed):
        sweep(office, tmp_path / "in", ledger=MortalLedger(ledger, at, committed=True))
    sweep(office, tmp_path / "in")
    office.clock.wait(timedelta(hours=1))
    assert sweep(office, tmp_path / "in") == []
    with ledger.reading() as work:
        assert len(work.jobs.list()) == 1


def test_a_place_that_is_not_there(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="neither a folder"):
        sweep(Office(sqlite_ledger), tmp_path / "nowhere")
