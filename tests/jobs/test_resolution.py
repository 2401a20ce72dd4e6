"""Decisions publish or reject jobs, once each, and not while they can be undone."""

from __future__ import annotations

import pytest

from rigline.db import reviewing
from rigline.db.ledger import Ledger
from rigline.engine.job import Job, JobState
from rigline.jobs.resolution import carry_out_due
from rigline.review import queue
from rigline.review.decision import Approval, Decision, RejectCode, Rejection
from rigline.review.ticket import UNDO_WINDOW, Ticket, TicketState
from tests.support.small_jobs import Killed, MortalLedger, Office
from tests.support.tickets import ANN, LEASE


def decided(office: Office, decision: Decision) -> tuple[Job, Ticket]:
    """A job in review about which somebody has just decided."""
    job = office.run(office.submit().id)
    with office.ledger.transaction() as work:
        ticket = queue.claim_next(work.tickets, ANN, office.clock(), LEASE)
    assert ticket is not None
    return job, reviewing.decide(
        office.ledger, ticket.id, ANN, ticket.fencing_token, office.clock(),
        decision_id="d1", decision=decision,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "state"),
    [(Approval(), JobState.PUBLISHED), (Rejection(RejectCode.BROKEN_MESH), JobState.REJECTED)],
)
def test_a_decision_that_stands_ends_the_job(
    ledger: Ledger, decision: Decision, state: JobState
) -> None:
    office = Office(ledger).judging(review_below=1.0)
    job, ticket = decided(office, decision)
    assert carry_out_due(ledger, office.clock()) == []
    office.clock.wait(UNDO_WINDOW)
    (done,) = carry_out_due(ledger, office.clock())
    assert (done.id, done.state) == (job.id, state)
    with ledger.reading() as work:
        assert work.tickets.get(ticket.id).state == TicketState.CLOSED
        assert work.outbox.get("d1").acknowledged_at is not None
    assert carry_out_due(ledger, office.clock()) == []


def test_an_undone_decision_changes_nothing(ledger: Ledger) -> None:
    office = Office(ledger).judging(review_below=1.0)
    job, ticket = decided(office, Approval())
    reviewing.undo(ledger, ticket.id, ANN, ticket.fencing_token, office.clock(), LEASE)
    office.clock.wait(UNDO_WINDOW)
    assert carry_out_due(ledger, office.clock()) == []
    with ledger.reading() as work:
        assert work.jobs.get(job.id) == job


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2])
def test_killed_on_the_way_it_ends_the_same(ledger: Ledger, at: int, committed: bool) -> None:
    office = Office(ledger).judging(review_below=1.0)
    job, ticket = decided(office, Approval())
    office.clock.wait(UNDO_WINDOW)
    mortal = MortalLedger(ledger, at, committed=committed)
    with pytest.raises(Killed):
        carry_out_due(mortal, office.clock())  # type: ignore[arg-type]
    carry_out_due(ledger, office.clock())
    with ledger.reading() as work:
        assert work.jobs.get(job.id).state == JobState.PUBLISHED
        assert work.jobs.get(job.id).version == job.version + 1
        assert work.tickets.get(ticket.id).state == TicketState.CLOSED
