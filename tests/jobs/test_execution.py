"""Jobs end as the policy says, whatever dies on the way and whoever else is at them."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from rigline.db.ledger import Ledger
from rigline.engine.job import Job, JobState
from rigline.errors import InvalidInput, ReviewConflict
from rigline.jobs.conclusion import AUDIT_REASON, ticket_id_of
from rigline.jobs.execution import LOST_AFTER
from rigline.jobs.recovery import replay_job
from rigline.review.ticket import TicketState
from tests.support.small_jobs import Killed, MortalLedger, Office

STAGES = ["read", "split", "count"]
TRANSACTIONS = 5
"""Of one run: begin, three stages, finish."""


def all_of(ledger: Ledger, job_id: str) -> dict[str, Any]:
    """What the ledger has of a job, as far as an undisturbed run has it the same."""
    with ledger.reading() as work:
        job = work.jobs.get(job_id)
        return {
            "state": job.state,
            "judged": job.judged,
            "error": job.error,
            "runs": [(run.stage, run.evidence) for run in work.jobs.runs(job_id)],
            "tickets": [
                (t.id == ticket_id_of(job_id), t.state, t.flagged, t.reasons, t.priority)
                for t in work.tickets.find(job_id=job_id)
            ],
        }


def test_an_accepted_job_is_published_with_all_that_was_measured(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.run(office.submit().id)
    assert (job.state, job.error) == (JobState.PUBLISHED, "")
    assert job.judged is not None
    assert (job.judged.verdict, job.judged.confidence) == ("accept", 0.75)
    with ledger.reading() as work:
        assert work.jobs.get(job.id) == job
        assert work.policies.get("small", 1) == office.policy
        runs = work.jobs.runs(job.id)
        assert work.tickets.find() == []
    assert [run.stage for run in runs] == STAGES
    assert runs[2].evidence == {"words": 3.0}
    assert office.store.get(runs[2].sha256) == b"3"


def test_a_doubtful_job_gets_one_ticket(ledger: Ledger) -> None:
    office = Office(ledger).judging(review_below=1.0)
    job = office.run(office.submit(priority=7).id)
    assert job.state == JobState.IN_REVIEW
    with ledger.reading() as work:
        (ticket,) = work.tickets.find(job_id=job.id)
    assert (ticket.state, ticket.flagged, ticket.priority) == (TicketState.OPEN, ("count",), 7)
    assert ticket.reasons == ("count: only 3 words",)
    assert office.run(job.id) == job


def test_an_audit_pick_is_accepted_and_looked_at(ledger: Ledger) -> None:
    office = Office(ledger).judging(audit_rate=1.0)
    job = office.run(office.submit().id)
    assert (job.state, job.judged and job.judged.verdict) == (JobState.IN_REVIEW, "accept")
    with ledger.reading() as work:
        (ticket,) = work.tickets.find(job_id=job.id)
    assert (ticket.flagged, ticket.reasons) == ((), (AUDIT_REASON,))


def test_a_hopeless_job_is_rejected(ledger: Ledger) -> None:
    office = Office(ledger).judging(review_below=1.0, reject_below=1.0)
    assert office.run(office.submit().id).state == JobState.REJECTED


def test_an_invalid_file_fails_with_its_reason(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.run(office.submit("nö".encode()).id)
    assert (job.state, job.error) == (JobState.FAILED, "text.txt is no text.")
    assert office.run(job.id) == job


def test_a_fault_of_ours_fails_and_runs_again_once_it_is_mended(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.submit()

    def burst(stage: str) -> None:
        if stage == "split":
            raise RuntimeError("burst\0 pipe")

    office.during = burst
    failed = office.run(job.id)
    assert failed.state == JobState.FAILED
    assert "The stage split failed: RuntimeError: burst" in failed.error
    office.during = lambda stage: None
    replay_job(ledger, job.id, office.clock())
    assert office.run(job.id).state == JobState.PUBLISHED
    assert office.ran == {"read": 1, "split": 2, "count": 1}
    assert [stage for stage, _ in all_of(ledger, job.id)["runs"]] == STAGES


def test_a_store_that_is_away_parks_the_job_until_it_is_back(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.submit()
    office.store.away = True
    for _ in range(2):
        parked = office.run(job.id)
        assert (parked.state, parked.error) == (JobState.PARKED, "The store does not answer.")
    office.store.away = False
    assert replay_job(ledger, job.id, office.clock()).state == JobState.QUEUED
    assert office.run(job.id).state == JobState.PUBLISHED


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_at_any_transaction_it_ends_the_same(ledger: Ledger, committed: bool) -> None:
    office = Office(ledger).judging(review_below=1.0)
    undisturbed = office.submit(batch="undisturbed")
    counting = MortalLedger(ledger, 0, committed=False)
    office.run(undisturbed.id, ledger=counting)
    assert counting.seen == TRANSACTIONS
    for at in range(1, TRANSACTIONS + 1):
        office.ran.clear()
        office.store = type(office.store)()
        job = office.submit(batch=f"killed at {at}")
        with pytest.raises(Killed):
            office.run(job.id, ledger=MortalLedger(ledger, at, committed=committed))
        office.clock.wait(LOST_AFTER)
        assert office.run(job.id).state == JobState.IN_REVIEW
        assert all_of(ledger, job.id) == all_of(ledger, undisturbed.id)
        assert office.ran == dict.fromkeys(STAGES, 1)


def test_killed_again_and_again_it_ends_the_same(ledger: Ledger) -> None:
    office = Office(ledger)
    job = office.submit()
    for _ in range(TRANSACTIONS - 1):
        with pytest.raises(Killed):
            office.run(job.id, ledger=MortalLedger(ledger, 2, committed=True), take_over=True)
    assert office.run(job.id, take_over=True).state == JobState.PUBLISHED
    assert office.ran == dict.fromkeys(STAGES, 1)
    assert [stage for stage, _ in all_of(ledger, job.id)["runs"]] == STAGES


def test_of_two_workers_on_one_job_one_wins(ledger: Ledger) -> None:
    office = Office(ledger)
    job_id = office.submit().id
    refused = threading.Event()
    office.during = lambda stage: refused.wait(30)
    ended: list[object] = []

    def worker() -> None:
        try:
            ended.append(office.run(job_id).state)
        except ReviewConflict as error:
            ended.append(error.fields["conflict"])
            refused.set()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended[0] in ("already_claimed", "stale_version")
    assert ended[1] == JobState.PUBLISHED
    assert office.ran == dict.fromkeys(STAGES, 1)


def test_who_lost_a_job_can_change_nothing_any_more(ledger: Ledger) -> None:
    office = Office(ledger).judging(review_below=1.0)
    job_id = office.submit().id
    second: list[Job] = []

    def take_over(stage: str) -> None:
        if stage == "split":
            office.during = lambda stage: None
            second.append(office.run(job_id, take_over=True))

    office.during = take_over
    with pytest.raises(ReviewConflict, match="moved on"):
        office.run(job_id)
    assert [job.state for job in second] == [JobState.IN_REVIEW]
    after = all_of(ledger, job_id)
    assert (after["state"], len(after["tickets"])) == (JobState.IN_REVIEW, 1)
    assert [stage for stage, _ in after["runs"]] == STAGES


def test_a_changed_policy_without_a_new_version_starts_nothing(ledger: Ledger) -> None:
    office = Office(ledger)
    office.run(office.submit().id)
    job = office.submit(b"another")
    office.policy = office.policy.model_copy(update={"review_below": 0.5})
    with pytest.raises(InvalidInput, match="new version"):
        office.run(job.id)
    with ledger.reading() as work:
        assert work.jobs.get(job.id) == job


def test_a_pipeline_that_is_no_longer_there_fails_the_job(sqlite_ledger: Ledger) -> None:
    from rigline.jobs.execution import run

    office = Office(sqlite_ledger)
    services = replace(office.services, kinds={})
    job = run(sqlite_ledger, services, office.submit().id, office.clock)
    assert job.state == JobState.FAILED
    assert "'words'" in job.error
