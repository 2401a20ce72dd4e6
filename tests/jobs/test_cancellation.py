"""A cancelled job is left alone by workers, people and the clock, until its file comes again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rigline.db import reviewing
from rigline.db.inbox import Tab
from rigline.db.jobs import ALL_JOBS, Jobs
from rigline.db.ledger import Ledger
from rigline.engine.job import Job, JobState
from rigline.errors import InvalidInput, ReviewConflict
from rigline.jobs.cancellation import CANCELLABLE, cancel
from rigline.jobs.conclusion import AUDIT_REASON
from rigline.jobs.execution import LOST_AFTER
from rigline.jobs.recovery import replay, replay_job, waiting
from rigline.jobs.resumption import carry_out_due
from rigline.review import queue
from rigline.review.decision import Approval, RejectCode, Rejection
from rigline.review.ticket import Ticket, TicketState
from tests.support.small_jobs import Killed, MortalLedger, Office
from tests.support.tickets import ANN, LEASE

FOUR = ["one", "two", "three", "four"]
SAID = "Cancelled by carol: wrong file"


@pytest.fixture
def office(ledger: Ledger) -> Office:
    """An office that doubts whatever has fewer than four words."""
    return Office(ledger).judging(review_below=1.0)


def cancelled(office: Office, job: Job, reason: str = "wrong file") -> Job:
    return cancel(office.ledger, job.id, "carol", office.clock(), reason)


def ticket_of(office: Office, job: Job) -> Ticket:
    with office.ledger.reading() as work:
        (ticket,) = work.tickets.find(job_id=job.id)
        return ticket


def test_a_cancelled_job_waits_for_nothing_and_is_never_retried(office: Office) -> None:
    queued, parked = office.submit(), office.submit(b"another")
    office.store.away = True
    office.run(parked.id)
    office.store.away = False
    for job in (queued, parked):
        gone = cancelled(office, job)
        assert (gone.state, gone.error) == (JobState.CANCELLED, SAID)
        assert office.run(job.id, take_over=True) == gone
        with pytest.raises(ReviewConflict, match="cancelled"):
            replay_job(office.ledger, job.id, office.clock())
    office.clock.wait(LOST_AFTER)
    assert waiting(office.ledger, office.clock()) == []
    assert replay(office.ledger, ALL_JOBS, office.clock()) == []
    assert not office.ran


def test_cancelled_twice_it_keeps_the_first_reason(office: Office) -> None:
    gone = cancelled(office, office.submit())
    assert cancelled(office, gone, "because") == gone


@pytest.mark.parametrize("state", [s for s in JobState if s not in (*CANCELLABLE, "cancelled")])
def test_what_has_come_to_its_end_is_not_cancelled(office: Office, state: JobState) -> None:
    if state == JobState.FAILED:
        done = office.run(office.submit(b"\xff").id)
    else:
        done = office.in_review()
        published = state == JobState.PUBLISHED
        office.decide(Approval() if published else Rejection(RejectCode.BROKEN_MESH))
        (done,) = carry_out_due(office.ledger, office.clock())
    assert done.state == state
    with pytest.raises(ReviewConflict, match=f"is {state}: there is nothing left") as caught:
        cancelled(office, done)
    assert caught.value.fields["conflict"] == "illegal_transition"
    assert caught.value.remedy.startswith("Jobs that are queued, running,")
    assert office.run(done.id) == done


@pytest.mark.parametrize(
    ("words", "who", "reason"), [("no job", "carol", ""), ("name", " ", ""), ("2", "c", "x" * 2000)]
)
def test_what_cannot_be_is_told(office: Office, words: str, who: str, reason: str) -> None:
    job_id = "none" if words == "no job" else office.submit().id
    with pytest.raises(InvalidInput, match=words):
        cancel(office.ledger, job_id, who, office.clock(), reason)


def test_its_ticket_is_gone_even_from_who_has_it(office: Office) -> None:
    job = office.in_review()
    with office.ledger.transaction() as work:
        held = queue.claim_next(work.tickets, ANN, office.clock(), LEASE)
    assert held is not None
    gone = cancelled(office, job)
    assert gone.judged == job.judged
    with office.ledger.reading() as work:
        now = office.clock()
        assert work.tickets.get(held.id).state == TicketState.WITHDRAWN
        assert work.tickets.audit(held.id)[-1].details == {"reason": SAID}
        assert work.inbox.counts("ann", now) == dict.fromkeys(Tab, 0)
        assert (work.tickets.figures(now).backlog, work.history.waiting()) == (0, [])
    with pytest.raises(ReviewConflict, match="its job has been cancelled"):
        reviewing.decide(
            office.ledger, held.id, ANN, held.fencing_token, office.clock(),
            decision_id="d1", decision=Approval(),
        )  # fmt: skip


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("correct", [False, True])
def test_a_decision_that_has_not_taken_effect_never_does(
    office: Office, correct: bool, swept: bool
) -> None:
    job = office.in_review()
    decision = office.correction(job.id, "split", FOUR) if correct else Approval()
    ticket = office.decide(decision, settle=swept)
    if swept:
        with office.ledger.transaction() as work:
            queue.sweep(work.tickets, office.clock())
    assert ticket_of(office, job).state == (TicketState.CLOSED if swept else TicketState.DECIDED)
    gone = cancelled(office, job)
    assert ticket_of(office, job).state == TicketState.WITHDRAWN
    with pytest.raises(ReviewConflict, match="its job has been cancelled"):
        reviewing.undo(office.ledger, ticket.id, ANN, ticket.fencing_token, office.clock(), LEASE)
    office.clock.wait(timedelta(days=1))
    assert carry_out_due(office.ledger, office.clock()) == []
    assert office.resume("d1") == gone
    with office.ledger.reading() as work:
        assert work.outbox.due(office.clock(), 9) == []
        assert work.decisions.corrections_of(job.id) == []
    # Submitted again it is judged by what it is, whatever was decided before.
    assert office.run(office.submit().id).state == JobState.IN_REVIEW
    assert ticket_of(office, job).state == TicketState.OPEN


def test_the_worker_stops_after_its_stage_and_overwrites_nothing(office: Office) -> None:
    job, gone = office.submit(), list[Job]()

    def somebody_cancels(stage: str) -> None:
        if stage == "split":
            gone.append(cancelled(office, job))

    office.during = somebody_cancels
    assert [office.run(job.id)] == gone
    assert office.ran == {"read": 1, "split": 1}
    with office.ledger.reading() as work:
        assert work.jobs.get(job.id) == gone[0]
        assert [run.stage for run in work.jobs.runs(job.id)] == ["read"]


@pytest.mark.parametrize("ends", ["judged", "parked", "failed"])
def test_cancelled_in_its_last_stage_it_does_not_end_otherwise(office: Office, ends: str) -> None:
    job = office.submit()

    def somebody_cancels(stage: str) -> None:
        if stage == ("count" if ends == "judged" else "split"):
            cancelled(office, job)
            office.store.away = ends == "parked"
            if ends == "failed":
                raise RuntimeError("burst pipe")

    office.during = somebody_cancels
    assert office.run(job.id).error == SAID
    with office.ledger.reading() as work:
        assert work.jobs.get(job.id).state == JobState.CANCELLED
        assert work.tickets.find(job_id=job.id) == []


def test_submitted_again_it_runs_and_computes_nothing_twice(office: Office) -> None:
    job = office.in_review()
    cancelled(office, job)
    again = office.submit(priority=7)
    assert (again.id, again.state, again.priority, again.error) == (job.id, JobState.QUEUED, 7, "")
    assert office.submit(priority=9) == again
    assert office.run(job.id).state == JobState.IN_REVIEW
    assert office.ran == {"read": 1, "split": 1, "count": 1}
    ticket = ticket_of(office, job)
    assert (ticket.state, ticket.flagged, ticket.priority) == (TicketState.OPEN, ("count",), 7)
    with office.ledger.reading() as work:
        assert [e.action for e in work.tickets.audit(ticket.id)] == ["withdraw", "renew"]
    cancelled(office, job)
    assert ticket_of(office, job).state == TicketState.WITHDRAWN


def test_cancelling_does_not_evade_an_audit(ledger: Ledger) -> None:
    office = Office(ledger).judging(audit_rate=1.0)
    job = office.in_review()
    cancelled(office, job)
    assert office.run(office.submit().id).state == JobState.IN_REVIEW
    assert ticket_of(office, job).reasons == (AUDIT_REASON,)


def test_a_correction_that_took_effect_outlives_the_cancellation(office: Office) -> None:
    job = office.in_review()
    office.decide(office.correction(job.id, "split", FOUR))

    def somebody_cancels(stage: str) -> None:
        cancelled(office, job)

    office.during = somebody_cancels
    assert office.resume("d1").state == JobState.CANCELLED
    assert ticket_of(office, job).decided_by == "ann"
    office.during = lambda stage: None
    office.submit()
    assert office.run(job.id).state == JobState.PUBLISHED


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_while_cancelling_job_and_ticket_agree(office: Office, committed: bool) -> None:
    job = office.in_review()
    mortal: Any = MortalLedger(office.ledger, 1, committed=committed)
    with pytest.raises(Killed):
        cancel(mortal, job.id, "carol", office.clock())
    with office.ledger.reading() as work:
        gone = work.jobs.get(job.id).state == JobState.CANCELLED
    assert gone == committed == (ticket_of(office, job).state == TicketState.WITHDRAWN)
    assert cancelled(office, job).state == JobState.CANCELLED


@pytest.mark.server
def test_a_worker_that_notes_a_stage_meanwhile_is_no_hindrance(
    postgresql_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(postgresql_ledger)
    job = office.submit()
    with pytest.raises(Killed):
        office.run(job.id, ledger=MortalLedger(postgresql_ledger, 1, committed=True))
    get, notes = Jobs.get, iter(range(2))

    def get_slowly(jobs: Jobs, job_id: str) -> Job:
        read = get(jobs, job_id)
        if next(notes, None) is not None:
            with postgresql_ledger.transaction() as work:
                work.jobs.progress(read, office.clock())
        return read

    monkeypatch.setattr(Jobs, "get", get_slowly)
    gone = cancelled(office, job)
    assert (gone.state, gone.version) == (JobState.CANCELLED, job.version + 4)
