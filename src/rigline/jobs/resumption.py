"""A decision takes effect: the job is published or rejected, or runs again from what was corrected.

Whoever brings the decision first acknowledges its message in the transaction that sets the job to
work. From then on the job is like any other that is at work: a worker that dies is noticed, and the
job is taken up where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger, Work
from rigline.db.reviewing import DECISION_RECORDED
from rigline.engine.job import Job, JobAction, JobState
from rigline.engine.stage_run import run_pipeline
from rigline.errors import ReviewConflict
from rigline.jobs.execution import Clock, OnEnd, StageRunner, Worker, is_lost, run
from rigline.review import queue
from rigline.review.decision import DecisionKind

PAGE: Final = 500
ACTIONS: Final = {
    DecisionKind.APPROVE: JobAction.PUBLISH,
    DecisionKind.CORRECT: JobAction.RESUME,
    DecisionKind.REJECT: JobAction.REJECT,
}
ENDS: Final = (DecisionKind.APPROVE, DecisionKind.REJECT)
"""The decisions after which nothing runs."""


def resume(
    ledger: Ledger, services: Services, decision_id: str, clock: Clock, *,
    runner: StageRunner = run_pipeline, on_end: OnEnd = lambda job, finished: None,
) -> Job:  # fmt: skip
    """The job after a decision has taken effect; any number may try, and however often.

    After a correction the stages that depend on it run again, and no others. A decision that was
    undone changes nothing. Raises ``ReviewConflict`` while the decision can still be undone, and
    what ``run`` raises.
    """
    with ledger.transaction() as work:
        job = _take(work, decision_id, clock())
        worker = None
        if job is None:
            job = work.jobs.get(work.decisions.get(decision_id).job_id)
        elif job.state == JobState.RESUMING:
            work.policies.add(services.policy, clock())
            worker = Worker.of(work, ledger, services, clock, job)
    if worker is not None:
        return worker.carry(runner, on_end)
    if is_lost(job, clock()):
        return run(ledger, services, job.id, clock, runner=runner, on_end=on_end)
    return job


def carry_out_due(ledger: Ledger, now: datetime) -> list[Job]:
    """Publish and reject the jobs whose decisions stand by now; those jobs, as they are now.

    First the clock moves on what is due in the queue: leases and holds that are over end. Each
    decision is carried out once, whoever else tries meanwhile, and however often.
    """
    with ledger.reading() as work:
        moved = work.tickets.due(now, 1)
    if moved:
        with ledger.transaction() as work:
            queue.sweep(work.tickets, now)
    jobs: list[Job] = []
    while True:
        ids = due_decisions(ledger, now, ENDS)
        for decision_id in ids:
            with ledger.transaction() as work:
                job = _take(work, decision_id, now)
            if job is not None:
                jobs.append(job)
        if len(ids) < PAGE:
            return jobs


def due_decisions(
    ledger: Ledger, now: datetime, kinds: Sequence[DecisionKind] = (DecisionKind.CORRECT,)
) -> Sequence[str]:
    """At most ``PAGE`` decisions of these kinds that stand and have not taken effect yet."""
    with ledger.reading() as work:
        return work.decisions.due(now, kinds, PAGE)


def _take(work: Work, decision_id: str, now: datetime) -> Job | None:
    """Job and acknowledgement in one transaction; None when there was nothing left to do."""
    decision = work.decisions.get(decision_id)
    if decision.undone_at is not None:
        return None
    message = work.outbox.get(decision_id)
    if message.attempts == 0 and message.due_at > now:
        raise ReviewConflict(
            f"The decision {decision_id} can still be taken back.",
            remedy=f"It takes effect at {message.due_at.isoformat()}.",
            conflict="too_early",
            decision=decision_id,
            kind=DECISION_RECORDED,
        )
    if not work.outbox.acknowledge(decision_id, now):
        return None
    job = work.jobs.get(decision.job_id)
    if job.state != JobState.IN_REVIEW:
        return None
    return work.jobs.transition(job, ACTIONS[decision.kind], now)
