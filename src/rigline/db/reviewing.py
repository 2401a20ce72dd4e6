"""Deciding about a ticket, with all that has to be kept together when somebody does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from rigline.db.ledger import Ledger, Work
from rigline.engine.job import STOPPED, Job, JobAction, JobState
from rigline.errors import ContractViolation, ReviewConflict
from rigline.review import queue
from rigline.review.decision import Decision, DecisionKind
from rigline.review.ticket import Actor, Ticket

DECISION_RECORDED: Final = "rigline.decision.recorded"
"""Kind of the message, and name of the event, that resumes a job."""


def decide(
    ledger: Ledger, ticket_id: str, actor: Actor, token: int, now: datetime, *,
    decision_id: str, decision: Decision,
) -> Ticket:  # fmt: skip
    """Decide in a transaction of its own; see :func:`record_decision`."""
    with ledger.transaction() as work:
        return record_decision(
            work, ticket_id, actor, token, now, decision_id=decision_id, decision=decision
        )


def undo(
    ledger: Ledger, ticket_id: str, actor: Actor, token: int, now: datetime, lease: timedelta
) -> Ticket:
    """Take a decision back in a transaction of its own; see :func:`take_back_decision`."""
    with ledger.transaction() as work:
        return take_back_decision(work, ticket_id, actor, token, now, lease)


def record_decision(
    work: Work, ticket_id: str, actor: Actor, token: int, now: datetime, *,
    decision_id: str, decision: Decision,
) -> Ticket:  # fmt: skip
    """Decide; ticket, decision, corrections, audit and message go into one unit of work.

    The message, whose id is the decision's, is due when the decision can no longer be undone. Sent
    again by the same person with the same id: no change. Raises what ``queue.decide`` raises, and
    ``ReviewConflict`` for the approval of a job that stopped on its way.
    """
    before = work.tickets.get(ticket_id)
    if decision.kind == DecisionKind.APPROVE:
        _check_whole(work.jobs.get(before.job_id), before)
    ticket = queue.decide(
        work.tickets, ticket_id, actor, token, now, decision_id=decision_id, decision=decision
    )
    if ticket == before:
        return ticket
    work.decisions.add(ticket, decision)
    payload = {"decision_id": decision_id, "job_id": ticket.job_id}
    work.outbox.add(decision_id, DECISION_RECORDED, payload, ticket.due_at or now)
    return ticket


def take_back_decision(
    work: Work, ticket_id: str, actor: Actor, token: int, now: datetime, lease: timedelta
) -> Ticket:
    """Take the decision back, together with its message. Raises what ``queue.undo`` raises."""
    decision_id = work.tickets.get(ticket_id).decision_id or ""
    ticket = queue.undo(work.tickets, ticket_id, actor, token, now, lease)
    work.decisions.mark_undone(decision_id, now)
    if not work.outbox.withdraw(decision_id):
        raise ContractViolation(
            f"The decision {decision_id} was sent before it could no longer be undone.",
            ticket=ticket_id,
            decision=decision_id,
        )
    return ticket


def reopen(work: Work, ticket_id: str, actor: Actor, now: datetime, reason: str) -> Ticket:
    """Open a closed ticket again, and have its job wait for the new decision.

    Raises what ``queue.reopen`` raises, and ``ReviewConflict`` while the former decision has not
    taken effect.
    """
    ticket = queue.reopen(work.tickets, ticket_id, actor, now, reason)
    job = work.jobs.get(ticket.job_id)
    if job.state not in (JobState.PUBLISHED, JobState.REJECTED):
        raise ReviewConflict(
            f"The job {job.id} is {job.state}: the last decision has not taken effect.",
            remedy="Try again in a minute.",
            conflict="illegal_transition",
            ticket=ticket_id,
            state=str(job.state),
        )
    work.jobs.transition(job, JobAction.REOPEN, now)
    return ticket


def _check_whole(job: Job, ticket: Ticket) -> None:
    if job.judged is not None and job.judged.verdict == STOPPED:
        raise ReviewConflict(
            f"The job {job.id} stopped before its end: there is nothing to publish.",
            remedy="Correct an earlier stage, or reject the job.",
            conflict="illegal_transition",
            ticket=ticket.id,
            action="approve",
        )
