"""The job page: stages, artifacts, history, as rows."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from review_ui.presenters.wording import code_words, size
from rigline.desk.ticket_page import JobPage
from rigline.engine.job import JobState
from rigline.jobs.cancellation import CANCELLABLE
from rigline.review.access import Permission, PersonRole, permits
from rigline.review.ticket import Ticket, TicketState

STATE_COLOURS: Final = {
    JobState.PUBLISHED: "green", JobState.IN_REVIEW: "orange", JobState.RESUMING: "blue",
    JobState.RUNNING: "blue", JobState.QUEUED: "gray", JobState.PARKED: "violet",
    JobState.REJECTED: "red", JobState.FAILED: "red", JobState.CANCELLED: "gray",
}  # fmt: skip


@dataclass(frozen=True)
class Happening:
    """One line of a job's history, with the time it has in UTC."""

    at: str
    who: str
    what: str
    detail: str


def facts_of(page: JobPage) -> list[tuple[str, str]]:
    """Name and value of what is known of the job as a whole."""
    job, asset = page.job, page.asset
    judged = job.judged
    rows = [
        ("File", f"{asset.name}, {size(asset.bytes)}"),
        ("Creator", job.creator),
        ("Batch", job.batch or "none"),
        ("Pipeline", f"{job.pipeline}, version {job.pipeline_version}"),
        ("Submitted", f"{job.created_at:%Y-%m-%d %H:%M} UTC"),
        ("Last change", f"{job.updated_at:%Y-%m-%d %H:%M} UTC"),
    ]
    if judged is not None:
        rows.append(("Policy", f"{judged.policy}, version {judged.policy_version}"))
        rows.append(("Judged", f"{judged.verdict}, confidence {100 * judged.confidence:.0f} %"))
    return rows


def ticket_of(page: JobPage) -> Ticket | None:
    """The ticket to offer; None where there is none, and where it is gone with a cancelled job."""
    ticket = page.ticket
    if ticket is None or ticket.state == TicketState.WITHDRAWN:
        return None
    return None if page.job.state == JobState.CANCELLED else ticket


def notice_of(page: JobPage) -> str:
    """Why the job is parked, failed or cancelled, and what follows from the last; else empty."""
    said = page.job.error
    if page.job.state != JobState.CANCELLED:
        return said
    return f"{said.rstrip('.')}. Nobody has to review it. Submitted again, its file is queued anew."


def offers_cancelling(page: JobPage, roles: Set[PersonRole]) -> bool:
    """Whether the job can be cancelled, by somebody with these roles."""
    return page.job.state in CANCELLABLE and permits(roles, Permission.CANCEL)


def consequences_of_cancelling(page: JobPage) -> str:
    """What becomes of the job, its worker and its ticket."""
    job, holder = page.job, page.ticket.claimed_by if page.ticket else None
    said = ["The job never runs again, unless its file is submitted again."]
    if job.state in (JobState.RUNNING, JobState.RESUMING):
        said.append("Its worker stops after the stage that it is at.")
    if job.state == JobState.IN_REVIEW:
        whose = f", also from {holder}, who has it" if holder else ""
        said.append(f"Its ticket is withdrawn{whose}.")
    return " ".join(said)


def stage_rows(page: JobPage) -> list[dict[str, Any]]:
    """A row for each run of a stage, in order."""
    return [
        {
            "stage": run.stage,
            "seconds": round(run.seconds, 3),
            "reused": run.reused,
            "models": ", ".join(f"{name} {version}" for name, version in run.models.items()),
            "artifact": run.sha256[:12],
            "noted": run.created_at,
        }
        for run in page.runs
    ]


def history_of(page: JobPage) -> Sequence[Happening]:
    """What people and the clock did, the latest first."""
    found = [
        Happening(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.actor.name,
            code_words(str(entry.action)),
            "; ".join(f"{k}: {v}" for k, v in entry.details.items() if k != "decision_id"),
        )
        for entry in page.audit
    ]
    return found[::-1]
