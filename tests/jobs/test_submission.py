"""A file becomes a job once, whoever sends it how often."""

from __future__ import annotations

import pytest

from rigline.db.ledger import Ledger
from rigline.engine.job import JobState
from rigline.errors import ServiceUnavailable
from tests.support.small_jobs import Killed, MortalLedger, Office


def test_a_submitted_file_is_a_queued_job_and_an_asset(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.submit(b"hello", priority=7)
    assert (job.state, job.pipeline, job.creator, job.batch) == (
        JobState.QUEUED, "words", "carol", "b1",
    )  # fmt: skip
    assert (job.priority, job.params["count"]) == (7, {"by": "hand"})
    assert office.store.get(job.asset_sha256) == b"hello"
    with ledger.reading() as work:
        assert work.jobs.get(job.id) == job
        asset = work.jobs.asset(job.asset_sha256)
    assert (asset.name, asset.bytes) == ("text.txt", 5)


def test_submitted_twice_it_is_one_job_as_it_stands(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.submit()
    assert office.submit(priority=9) == job
    done = office.run(job.id)
    assert office.submit() == done
    with ledger.reading() as work:
        assert len(work.jobs.list()) == 1


def test_another_batch_creator_or_file_is_another_job(sqlite_ledger: Ledger) -> None:
    office = Office(sqlite_ledger)
    jobs = [
        office.submit(), office.submit(batch="b2"), office.submit(batch=None),
        office.submit(creator="dave"), office.submit(b"other"),
    ]  # fmt: skip
    assert len({job.id for job in jobs}) == 5


def test_killed_while_submitting_nothing_is_half_there(sqlite_ledger: Ledger) -> None:
    office = Office(sqlite_ledger)
    for committed in (False, True):
        office.ledger = MortalLedger(sqlite_ledger, 1, committed=committed)  # type: ignore[assignment]
        with pytest.raises(Killed):
            office.submit()
    with sqlite_ledger.reading() as work:
        (job,) = work.jobs.list()
    office.ledger = sqlite_ledger
    assert office.submit() == job


def test_without_a_store_nothing_is_queued(
    sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(sqlite_ledger)

    def away(*_: object) -> str:
        raise ServiceUnavailable("The store does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(office.store, "put", away)
        with pytest.raises(ServiceUnavailable):
            office.submit()
    with sqlite_ledger.reading() as work:
        assert work.jobs.list() == []
