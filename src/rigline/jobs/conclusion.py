"""What follows for a job once its stages have run or stopped: the one place that decides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rigline.db.ledger import Work
from rigline.engine.job import STOPPED, Job, JobAction, JobState, Judged, advance
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.review import queue
from rigline.review.ticket import OVERDUE_AFTER, Ticket, TicketState
from rigline.triage.judgement import Judgement
from rigline.triage.policy import Policy

AUDIT_REASON: Final = "audit: drawn at random from what was accepted"


@dataclass(frozen=True)
class Conclusion:
    """Where a job goes and what it was judged; the rest is for the person who is asked, if any.

    ``priority`` is added to what the submitter asked for.
    """

    action: JobAction
    judged: Judged
    flagged: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    priority: int = 0


def conclusion_of(
    judgement: Judgement, policy: Policy, *, seen_before: bool,
    outdated: Mapping[str, str] | None = None,
) -> Conclusion:  # fmt: skip
    """What follows from a judgement.

    ``seen_before`` says that the job has had a ticket, and not one that was withdrawn.
    ``outdated`` has a sentence for each stage of which a correction was left out.
    """
    outdated = outdated or {}
    judged = Judged(policy.name, policy.version, judgement.confidence, judgement.verdict)
    audit = judgement.audit and not seen_before
    ask = bool(outdated) or judgement.verdict == "review" or audit
    if not (ask or (seen_before and judgement.verdict == "reject")):
        accepted = judgement.verdict == "accept"
        return Conclusion(JobAction.PUBLISH if accepted else JobAction.REJECT, judged)
    return Conclusion(
        JobAction.SEND_TO_REVIEW, judged, (*judgement.flagged, *outdated),
        (*outdated.values(), *judgement.reasons, *((AUDIT_REASON,) if audit else ())),
        judgement.priority,
    )  # fmt: skip


def conclusion_of_stop(stage: str, said: str, policy: Policy) -> Conclusion:
    """What follows when a stage made nothing, and a person can mend what comes before it."""
    judged = Judged(policy.name, policy.version, 0.0, STOPPED)
    reason = f"{stage}: {said} Nothing after this stage is there."
    return Conclusion(JobAction.SEND_TO_REVIEW, judged, (stage,), (reason,))


def is_mendable(pipeline: Pipeline | None, stage: str) -> bool:
    """Whether a reviewer can do anything about the stage: it does not read the asset alone."""
    if pipeline is None or not any(s.name == stage for s in pipeline):
        return False
    return set(pipeline.stage(stage).inputs) != {ASSET}


def conclude(work: Work, job: Job, conclusion: Conclusion, now: datetime) -> Job:
    """Bring a job to where it belongs; the job afterwards. Raises ``ReviewConflict``."""
    after = work.jobs.transition(job, conclusion.action, now, judged=conclusion.judged)
    _ask_person(work, after, conclusion, now)
    return after


def conclude_many(
    work: Work, concluded: Sequence[tuple[Job, Conclusion]], now: datetime
) -> dict[str, JobState]:
    """Bring jobs to where they belong in a few statements; the new states by the job's id.

    A job that has moved on since it was read is left alone, and is not among them.
    """
    changes = [(job, advance(job, c.action, now, judged=c.judged)) for job, c in concluded]
    kept = work.job_groups.put(changes)
    done = {}
    for (_, after), (_, conclusion) in zip(changes, concluded, strict=True):
        if after.id in kept:
            _ask_person(work, after, conclusion, now)
            done[after.id] = after.state
    return done


def ticket_id_of(job_id: str) -> str:
    """The id of a job's ticket; a job has one, however often it visits the queue."""
    return f"t{job_id}"


def _ask_person(work: Work, job: Job, about: Conclusion, now: datetime) -> None:
    """A new ticket, or the job's own back in the queue, where who corrected it is asked first.

    What the submitter and the policy ask for in priority is added up.
    """
    if about.action != JobAction.SEND_TO_REVIEW:
        return
    stages, said = tuple(dict.fromkeys(about.flagged)), about.reasons
    priority = job.priority + about.priority
    before = work.tickets.find(job_id=job.id, limit=1)
    if before and before[0].state == TicketState.WITHDRAWN:
        queue.renew(
            work.tickets, before[0].id, now, flagged=stages, reasons=said, priority=priority
        )
        return
    if before:
        queue.return_to_queue(
            work.tickets, before[0].id, now, flagged=stages, reasons=about.reasons
        )
        return
    ticket = Ticket(
        ticket_id_of(job.id), job.id, now, stages, said, priority,
        overdue_at=now + OVERDUE_AFTER,
    )  # fmt: skip
    work.tickets.add(ticket)
