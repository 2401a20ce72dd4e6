"""What waits is found by priority and age; what failed or was parked is put back, and only that."""

from __future__ import annotations

import pytest

from rigline.db.jobs import ALL_JOBS, JobFilter
from rigline.db.ledger import Ledger
from rigline.engine.job import JobState
from rigline.errors import InvalidInput, ReviewConflict
from rigline.jobs import recovery
from rigline.jobs.execution import LOST_AFTER
from rigline.jobs.recovery import replay, replay_job, waiting
from tests.support.small_jobs import Killed, MortalLedger, Office


def test_what_waits_comes_by_priority_then_age(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "PAGE", 2)
    office = Office(ledger)
    old, new = office.submit(b"1"), office.submit(b"2")
    urgent, done = office.submit(b"3", priority=5), office.submit(b"4")
    office.run(done.id)
    lost = office.submit(b"5")
    with pytest.raises(Killed):
        office.run(lost.id, ledger=MortalLedger(ledger, 1, committed=True))
    assert [job.id for job in waiting(ledger, office.clock())] == [urgent.id, old.id, new.id]
    office.clock.wait(LOST_AFTER)
    found = [job.id for job in waiting(ledger, office.clock())]
    assert found == [urgent.id, old.id, new.id, lost.id]
    assert waiting(ledger, office.clock(), JobFilter(batch="b2")) == []


def test_failed_and_parked_jobs_are_put_back_by_filter(ledger: Ledger) -> None:
    office = Office(ledger)
    failed, other = office.submit(b"\xff"), office.submit(b"\xfe", batch="b2")
    parked, done = office.submit(b"3"), office.submit(b"4")
    for job in (failed, other, done):
        office.run(job.id)
    office.store.away = True
    office.run(parked.id)
    assert [j.id for j in replay(ledger, JobFilter(batch="b2"), office.clock())] == [other.id]
    only_parked = JobFilter(states=(JobState.PARKED,))
    assert [j.id for j in replay(ledger, only_parked, office.clock())] == [parked.id]
    (back,) = replay(ledger, ALL_JOBS, office.clock())
    assert (back.id, back.state, back.error) == (failed.id, JobState.QUEUED, "")
    assert replay(ledger, ALL_JOBS, office.clock()) == []


def test_other_jobs_are_not_put_back(sqlite_ledger: Ledger) -> None:
    office = Office(sqlite_ledger)
    with pytest.raises(InvalidInput, match="published"):
        replay(sqlite_ledger, JobFilter(states=(JobState.PUBLISHED,)), office.clock())
    done = office.run(office.submit().id)
    with pytest.raises(ReviewConflict, match="published"):
        replay_job(sqlite_ledger, done.id, office.clock())
