"""A job that nobody wants any more is cancelled, whatever it is just waiting for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from rigline.db.ledger import Ledger, Work
from rigline.engine.codec import encodable
from rigline.engine.job import TABLE, Job, JobAction, JobState, state_conflict
from rigline.errors import ReviewConflict
from rigline.review import queue
from rigline.review.decision import checked_note
from rigline.review.ticket import Actor, TicketState

ATTEMPTS: Final = 20
"""Rounds against a worker that notes its stages meanwhile. Each lost round is a stage noted."""

CANCELLABLE: Final = tuple(state for state in JobState if (state, JobAction.CANCEL) in TABLE)
"""The states from which a job can be cancelled."""


def cancel(
    ledger: Ledger, job_id: str, who: str, now: datetime, reason: str = "",
    check: Callable[[Work], object] = lambda work: None,
) -> Job:  # fmt: skip
    """The cancelled job. It never runs again, unless somebody submits its file again.

    A job in review leaves the queue in the same transaction: its ticket is withdrawn, from whoever
    has it, and a decision that has not taken effect never does. A worker that has the job is
    refused at its next word and stops. Cancelled before, the job stays as it is. ``check`` is
    called in that transaction, and what it raises cancels nothing.

    Raises ``ReviewConflict`` for a job that has come to its end, ``InvalidInput`` for an unknown
    job, for a name that is none, and for a reason that is too long.
    """
    because = " ".join(reason.replace("\0", " ").split())
    said = encodable(f"Cancelled by {Actor(who).name}" + (f": {because}" if because else "."))
    checked_note(said)
    attempts = ATTEMPTS
    while True:
        attempts -= 1
        try:
            with ledger.transaction() as work:
                check(work)
                return _cancelled(work, work.jobs.get(job_id), said, now)
        except ReviewConflict as error:
            if not attempts or error.fields.get("conflict") != "stale_version":
                raise


def _cancelled(work: Work, job: Job, said: str, now: datetime) -> Job:
    """The job after it was cancelled, once.

    Ticket before message before job is the order of all who change more than one of them, so that
    nobody waits for somebody who waits for them.
    """
    if job.state == JobState.CANCELLED:
        return job
    _check_unfinished(job)
    if job.state == JobState.IN_REVIEW:
        for ticket in work.tickets.find(job_id=job.id):
            if ticket.state != TicketState.WITHDRAWN:
                queue.withdraw(work.tickets, ticket.id, now, said)
        for decision in work.history.decisions(job.id):
            if decision.undone_at is None and work.outbox.acknowledge(decision.id, now):
                work.decisions.mark_undone(decision.id, now)
    return work.jobs.transition(job, JobAction.CANCEL, now, error=said)


def _check_unfinished(job: Job) -> None:
    if job.state not in CANCELLABLE:
        raise state_conflict(
            job,
            f"The job {job.id} is {job.state}: there is nothing left to cancel.",
            remedy=f"Jobs that are {', '.join(CANCELLABLE[:-1])} or {CANCELLABLE[-1]} can be.",
            action=str(JobAction.CANCEL),
        )
