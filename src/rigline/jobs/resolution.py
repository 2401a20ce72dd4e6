"""What follows from a reviewer's decision once it can no longer be undone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rigline.db.ledger import Ledger
from rigline.db.outbox import Message
from rigline.db.reviewing import DECISION_RECORDED
from rigline.engine.job import Job, JobAction, JobState
from rigline.review import queue
from rigline.review.decision import DecisionKind

PAGE: Final = 500
ACTIONS: Final = {
    DecisionKind.APPROVE: JobAction.PUBLISH,
    DecisionKind.REJECT: JobAction.REJECT,
}
"""The decisions that end a job; a correction is left to whoever resumes the job."""


def carry_out_due(ledger: Ledger, now: datetime) -> list[Job]:
    """Publish and reject the jobs whose decisions stand by now; those jobs, as they are now.

    First the clock moves on what is due in the queue: leases and holds that are over end. Each
    decision is carried out once, whoever else tries meanwhile, and however often.
    """
    with ledger.reading() as work:
        messages = work.outbox.due(now, PAGE)
        moved = work.tickets.due(now, 1)
    if moved:
        with ledger.transaction() as work:
            queue.sweep(work.tickets, now)
    jobs = [_carry_out(ledger, m, now) for m in messages if m.kind == DECISION_RECORDED]
    return [job for job in jobs if job is not None]


def _carry_out(ledger: Ledger, message: Message, now: datetime) -> Job | None:
    """Job and acknowledgement in one transaction; None when there was nothing left to do."""
    with ledger.transaction() as work:
        action = ACTIONS.get(work.decisions.get(message.payload["decision_id"]).kind)
        if action is None or not work.outbox.acknowledge(message.id, now):
            return None
        job = work.jobs.get(message.payload["job_id"])
        if job.state != JobState.IN_REVIEW:
            return None
        return work.jobs.transition(job, action, now)
