"""Jobs and tickets as tables for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from rigline.engine.job import Job, JobState, RecordedRun
from rigline.review.ticket import Ticket

NONE: Final = "-"
STYLES: Final = {
    JobState.PUBLISHED: "green",
    JobState.IN_REVIEW: "yellow",
    JobState.PARKED: "yellow",
    JobState.REJECTED: "red",
    JobState.FAILED: "red",
    JobState.CANCELLED: "dim",
}


def job_json(job: Job) -> dict[str, Any]:
    """A job as ``--json`` prints it."""
    judged = job.judged
    return {
        "id": job.id,
        "state": str(job.state),
        "pipeline": job.pipeline,
        "pipeline_version": job.pipeline_version,
        "asset_sha256": job.asset_sha256,
        "params": dict(job.params),
        "creator": job.creator,
        "batch": job.batch,
        "priority": job.priority,
        "verdict": judged.verdict if judged else None,
        "confidence": judged.confidence if judged else None,
        "policy": {"name": judged.policy, "version": judged.policy_version} if judged else None,
        "error": job.error,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
    }


def run_json(run: RecordedRun) -> dict[str, Any]:
    """What a stage did, as ``--json`` prints it."""
    return {
        "stage": run.stage,
        "key": run.key,
        "output_sha256": run.sha256,
        "models": dict(run.models),
        "evidence": dict(run.evidence),
        "seconds": run.seconds,
        "reused": run.reused,
    }


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """A ticket as ``--json`` prints it."""
    return {
        "id": ticket.id,
        "job_id": ticket.job_id,
        "state": str(ticket.state),
        "priority": ticket.priority,
        "flagged": list(ticket.flagged),
        "reasons": list(ticket.reasons),
        "claimed_by": ticket.claimed_by,
        "lease_expires_at": _moment(ticket.lease_expires_at),
        "decision": str(ticket.decision) if ticket.decision else None,
        "decided_by": ticket.decided_by,
        "takes_effect_at": _moment(ticket.due_at) if ticket.decision else None,
        "created_at": ticket.created_at.isoformat(),
    }


def job_table(jobs: Iterable[Job]) -> Table:
    """A line for each job."""
    names = ("job", "state", "verdict", "confidence", "creator", "batch", "priority", "error")
    table = Table(*names, box=None, pad_edge=False)
    for job in jobs:
        judged = job.judged
        table.add_row(
            job.id,
            Text(job.state, STYLES.get(job.state, "")),
            judged.verdict if judged else NONE,
            f"{judged.confidence:.2f}" if judged else NONE,
            Text(job.creator),
            Text(job.batch or NONE),
            str(job.priority),
            Text(job.error or NONE),
        )
    return table


def run_table(runs: Sequence[RecordedRun]) -> Table:
    """A line for each stage."""
    table = Table("stage", "seconds", "reused", "output", box=None, pad_edge=False)
    for run in runs:
        table.add_row(run.stage, f"{run.seconds:.2f}", "yes" if run.reused else "no", run.sha256)
    return table


def ticket_table(tickets: Iterable[Ticket]) -> Table:
    """A line for each ticket."""
    names = ("ticket", "state", "who", "priority", "flagged", "reason")
    table = Table(*names, box=None, pad_edge=False)
    for ticket in tickets:
        table.add_row(
            ticket.id,
            str(ticket.state),
            Text(ticket.claimed_by or ticket.decided_by or NONE),
            str(ticket.priority),
            ", ".join(ticket.flagged) or NONE,
            Text(ticket.reasons[0] if ticket.reasons else NONE),
        )
    return table


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
