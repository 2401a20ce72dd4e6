"""Decisions take effect: once, only when they stand, and only on what depends on them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rigline.db import reviewing
from rigline.db.ledger import Ledger
from rigline.engine.job import STOPPED, JobState
from rigline.errors import InvalidInput, ReviewConflict
from rigline.jobs.execution import LOST_AFTER
from rigline.jobs.recovery import waiting
from rigline.jobs.results import results_of
from rigline.jobs.resumption import carry_out_due, due_decisions
from rigline.review import queue
from rigline.review.decision import Approval, Decision, RejectCode, Rejection
from rigline.review.ticket import TicketState
from tests.support.small_jobs import Killed, MortalLedger, Office
from tests.support.tickets import ANN, BOB, LEASE, LIZ

FOUR = ["one", "two", "three", "four"]


@pytest.fixture
def office(ledger: Ledger) -> Office:
    """An office that doubts whatever has fewer than four words."""
    return Office(ledger).judging(review_below=1.0)


@pytest.mark.parametrize(
    ("decision", "state"),
    [(Approval(), JobState.PUBLISHED), (Rejection(RejectCode.BROKEN_MESH), JobState.REJECTED)],
)
def test_a_decision_that_stands_ends_the_job(
    office: Office, decision: Decision, state: JobState
) -> None:
    ledger, job = office.ledger, office.in_review()
    ticket = office.decide(decision, settle=False)
    assert carry_out_due(ledger, office.clock()) == []
    office.clock.wait(ticket.due_at - ticket.decided_at)  # type: ignore[operator]
    (done,) = carry_out_due(ledger, office.clock())
    assert (done.id, done.state) == (job.id, state)
    with ledger.reading() as work:
        assert work.tickets.get(ticket.id).state == TicketState.CLOSED
        assert work.outbox.get("d1").acknowledged_at is not None
    assert carry_out_due(ledger, office.clock()) == []
    assert office.resume("d1") == done


def test_an_undone_decision_changes_nothing(office: Office) -> None:
    ledger, job = office.ledger, office.in_review()
    ticket = office.decide(Approval(), settle=False)
    reviewing.undo(ledger, ticket.id, ANN, ticket.fencing_token, office.clock(), LEASE)
    office.clock.wait(LEASE)
    assert carry_out_due(ledger, office.clock()) == []
    assert office.resume("d1") == job


def test_nothing_resumes_while_the_decision_can_be_undone(office: Office) -> None:
    job = office.in_review()
    office.decide(office.correction(job.id, "split", FOUR), settle=False)
    assert due_decisions(office.ledger, office.clock()) == []
    with pytest.raises(ReviewConflict, match="taken back"):
        office.resume("d1")
    with office.ledger.reading() as work:
        assert work.jobs.get(job.id) == job


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2])
def test_an_approval_killed_on_the_way_ends_the_same(
    office: Office, at: int, committed: bool
) -> None:
    job = office.in_review()
    ticket = office.decide(Approval())
    mortal = MortalLedger(office.ledger, at, committed=committed)
    with pytest.raises(Killed):
        carry_out_due(mortal, office.clock())  # type: ignore[arg-type]
    carry_out_due(office.ledger, office.clock())
    with office.ledger.reading() as work:
        assert work.jobs.get(job.id).state == JobState.PUBLISHED
        assert work.jobs.get(job.id).version == job.version + 1
        assert work.tickets.get(ticket.id).state == TicketState.CLOSED


def test_a_corrected_job_runs_again_from_what_was_corrected(office: Office) -> None:
    job = office.in_review()
    before = office.output(job.id, "split")
    office.decide(office.correction(job.id, "split", FOUR))
    assert due_decisions(office.ledger, office.clock()) == ["d1"]
    office.ran.clear()
    done = office.resume("d1")
    assert (done.state, done.judged and done.judged.verdict) == (JobState.PUBLISHED, "accept")
    assert office.ran == {"count": 1}
    assert due_decisions(office.ledger, office.clock()) == []
    with office.ledger.reading() as work:
        (made,) = work.decisions.corrections_of(job.id)
        stages = [run.stage for run in work.jobs.runs(job.id)]
    assert made.artifact_sha256 == office.output(job.id, "split") != before
    assert stages == ["read", "split", "count", "split", "count"]
    finished = results_of(office.ledger, office.services, job.id)
    assert (finished.value("split"), finished.value("count")) == (FOUR, 4)
    assert office.ran == {"count": 1}


def test_what_the_corrector_left_alone_is_not_doubted_again(office: Office) -> None:
    job = office.in_review()
    office.decide(office.correction(job.id, "count", 2))
    assert office.resume("d1").state == JobState.PUBLISHED
    finished = results_of(office.ledger, office.services, job.id)
    assert finished.vetted == {"read", "split", "count"}
    assert finished.value("count") == 2


def test_a_job_still_in_doubt_returns_to_who_corrected_it(office: Office) -> None:
    job = office.in_review()
    ticket = office.decide(office.correction(job.id, "split", ["one"]))
    assert office.resume("d1").state == JobState.IN_REVIEW
    with office.ledger.transaction() as work:
        assert queue.claim_next(work.tickets, BOB, office.clock(), LEASE) is None
        again = queue.claim_next(work.tickets, ANN, office.clock(), LEASE)
    assert again is not None
    assert (again.id, again.flagged, again.reasons) == (
        ticket.id, ("count",), ("count: only 1 words",),
    )  # fmt: skip


def test_a_correction_upon_a_correction(office: Office) -> None:
    job = office.in_review()
    office.decide(office.correction(job.id, "split", ["one"]))
    office.resume("d1")
    office.decide(office.correction(job.id, "split", FOUR), "d2")
    assert office.resume("d2").state == JobState.PUBLISHED
    with office.ledger.reading() as work:
        made = work.decisions.corrections_of(job.id)
    assert made[1].correction.base_artifact_sha256 == made[0].artifact_sha256
    assert results_of(office.ledger, office.services, job.id).value("count") == 4


def test_a_correction_of_something_else_comes_back_with_the_reason(office: Office) -> None:
    job = office.in_review()
    office.decide(office.correction(job.id, "split", FOUR, base="0" * 64))
    assert office.resume("d1").state == JobState.IN_REVIEW
    with office.ledger.reading() as work:
        (ticket,) = work.tickets.find(job_id=job.id)
        (made,) = work.decisions.corrections_of(job.id)
    assert "split" in ticket.flagged
    assert "no longer fits" in ticket.reasons[0]
    assert made.artifact_sha256 is None


def resumed(office: Office, batch: str) -> tuple[str, str]:
    """A corrected job and its decision, about to resume."""
    job = office.in_review(batch=batch)
    decision_id = f"d {batch}"
    office.decide(office.correction(job.id, "split", FOUR), decision_id)
    office.ran.clear()
    return job.id, decision_id


def ends(office: Office, job_id: str) -> dict[str, Any]:
    """All that the ledger has of a job, as far as an undisturbed resume leaves it the same."""
    with office.ledger.reading() as work:
        return {
            "job": (work.jobs.get(job_id).state, work.jobs.get(job_id).judged),
            "runs": [(r.stage, r.sha256) for r in work.jobs.runs(job_id)],
            "made": [c.artifact_sha256 for c in work.decisions.corrections_of(job_id)],
            "tickets": [(t.state, t.decision) for t in work.tickets.find(job_id=job_id)],
        }


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_between_any_two_steps_it_ends_the_same(office: Office, committed: bool) -> None:
    undisturbed, decision_id = resumed(office, "undisturbed")
    counting = MortalLedger(office.ledger, 0, committed=False)
    office.resume(decision_id, ledger=counting)
    for at in range(1, counting.seen + 1):
        office.store = type(office.store)()
        job_id, decision_id = resumed(office, f"killed at {at}")
        with pytest.raises(Killed):
            office.resume(decision_id, ledger=MortalLedger(office.ledger, at, committed=committed))
        office.resume(decision_id)  # delivered again; whoever has it may still be alive
        office.clock.wait(LOST_AFTER)
        office.resume(decision_id)
        office.resume(decision_id)
        assert ends(office, job_id) == ends(office, undisturbed)
        assert office.ran == {"count": 1}


def test_a_resumed_job_that_lost_its_worker_waits_for_another(office: Office) -> None:
    job_id, decision_id = resumed(office, "lost")
    with pytest.raises(Killed):
        office.resume(decision_id, ledger=MortalLedger(office.ledger, 1, committed=True))
    assert waiting(office.ledger, office.clock()) == []
    office.clock.wait(LOST_AFTER)
    (lost,) = waiting(office.ledger, office.clock())
    assert (lost.id, lost.state) == (job_id, JobState.RESUMING)
    assert office.run(job_id).state == JobState.PUBLISHED
    assert office.ran == {"count": 1}


def test_of_two_workers_on_one_decision_one_works(office: Office) -> None:
    _, decision_id = resumed(office, "two")
    at_work, second_is_through = threading.Event(), threading.Event()

    def wait(stage: str) -> None:
        at_work.set()
        second_is_through.wait(30)

    office.during = wait
    states: list[JobState] = []

    def first() -> None:
        states.append(office.resume(decision_id).state)

    thread = threading.Thread(target=first)
    thread.start()
    assert at_work.wait(30)
    states.append(office.resume(decision_id).state)
    second_is_through.set()
    thread.join()
    assert states == [JobState.RESUMING, JobState.PUBLISHED]
    assert office.ran == {"count": 1}


def test_a_store_that_is_away_parks_a_resumed_job(office: Office) -> None:
    job_id, decision_id = resumed(office, "away")
    office.store.away = True
    assert office.resume(decision_id).state == JobState.PARKED
    office.store.away = False
    assert office.run(job_id).state == JobState.PUBLISHED
    assert results_of(office.ledger, office.services, job_id).value("split") == FOUR


def test_a_job_that_stops_on_its_way_waits_for_a_person_who_can_mend_it(office: Office) -> None:
    def refuse(stage: str) -> None:
        if stage == "split":
            raise InvalidInput("These words cannot be told apart.")

    office.during = refuse
    job = office.in_review()
    assert job.judged is not None
    assert job.judged.verdict == STOPPED
    with office.ledger.reading() as work:
        (ticket,) = work.tickets.find(job_id=job.id)
    assert ticket.flagged == ("split",)
    assert "cannot be told apart" in ticket.reasons[0]
    with pytest.raises(ReviewConflict, match="nothing to publish"):
        office.decide(Approval())
    with pytest.raises(ReviewConflict, match="no results"):
        results_of(office.ledger, office.services, job.id)
    office.clock.wait(LEASE)
    carry_out_due(office.ledger, office.clock())
    office.during = lambda stage: None
    office.decide(office.correction(job.id, "read", "one two three four"), "d2")
    assert office.resume("d2").state == JobState.PUBLISHED


def test_a_lead_opens_a_closed_ticket_again_and_the_job_waits(office: Office) -> None:
    job = office.in_review()
    ticket = office.decide(Approval())
    with office.ledger.transaction() as work:
        queue.sweep(work.tickets, office.clock())
    with (
        pytest.raises(ReviewConflict, match="not taken effect"),
        office.ledger.transaction() as work,
    ):
        reviewing.reopen(work, ticket.id, LIZ, office.clock(), "a second look")
    carry_out_due(office.ledger, office.clock())
    with office.ledger.transaction() as work:
        opened = reviewing.reopen(work, ticket.id, LIZ, office.clock(), "a second look")
    with office.ledger.reading() as work:
        assert work.jobs.get(job.id).state == JobState.IN_REVIEW
    assert opened.state == TicketState.OPEN
    office.decide(Rejection(RejectCode.DUPLICATE), "d2")
    (done,) = carry_out_due(office.ledger, office.clock())
    assert done.state == JobState.REJECTED
