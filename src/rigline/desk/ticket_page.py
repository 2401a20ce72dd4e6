"""All that the page of a ticket, or of a job, shows, read in one moment of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rigline.db.decisions import RecordedDecision
from rigline.db.ledger import Ledger, Work
from rigline.desk.doubts import Doubt, doubts_of
from rigline.desk.preview_pool import PreviewJob
from rigline.desk.reviewing import seeing
from rigline.engine.artifact_store import ArtifactStore
from rigline.engine.job import Asset, Job, RecordedRun
from rigline.engine.override import Override
from rigline.errors import InvalidInput
from rigline.review.access import Permission, PersonRole, actor_of, may_open, permits
from rigline.review.ticket import Ticket
from rigline.review.transitions import AuditEntry
from rigline.triage.subject import Subject


@dataclass(frozen=True)
class TicketPage:
    """A ticket with its job. ``runs`` are the last of each stage by name, in running order.

    ``opened`` says whether the person may see the job's artifacts.
    """

    ticket: Ticket
    job: Job
    asset: Asset
    runs: Mapping[str, RecordedRun]
    doubts: tuple[Doubt, ...]
    opened: bool
    roles: frozenset[PersonRole]


@dataclass(frozen=True)
class JobPage:
    """A job with all that happened to it; ``ticket`` is None for one that nobody had to see."""

    job: Job
    asset: Asset
    runs: tuple[RecordedRun, ...]
    ticket: Ticket | None
    audit: tuple[AuditEntry, ...]
    decisions: tuple[RecordedDecision, ...]


def ticket_page(ledger: Ledger, person: str, ticket_id: str, now: datetime) -> TicketPage:
    """The page of a ticket for a person.

    Raises ``InvalidInput`` for an unknown ticket, ``ReviewConflict`` for a person without a role.
    """
    with seeing(ledger, person, now) as work:
        return _page(work, work.tickets.get(ticket_id), person, now)


def following_page(ledger: Ledger, person: str, now: datetime) -> TicketPage | None:
    """The page of the ticket that the queue would give the person next, to be loaded ahead."""
    with seeing(ledger, person, now) as work:
        roles = work.people.roles(person, now)
        ticket = next_for(work, person, roles, now)
        return _page(work, ticket, person, now) if ticket is not None else None


def next_for(work: Work, person: str, roles: frozenset[PersonRole], now: datetime) -> Ticket | None:
    """The head of the person's queue; None for one who reviews nothing."""
    if not permits(roles, Permission.REVIEW):
        return None
    actor = actor_of(person, roles)
    return next(iter(work.tickets.claimable(actor.name, actor.role, now, 1)), None)


def job_page(ledger: Ledger, person: str, job_id: str, now: datetime) -> JobPage:
    """The page of a job for a person; raises what ``ticket_page`` raises."""
    with seeing(ledger, person, now) as work:
        job = work.jobs.get(job_id)
        tickets = work.tickets.find(job_id=job_id, limit=1)
        ticket = tickets[0] if tickets else None
        return JobPage(
            job, work.jobs.asset(job.asset_sha256), tuple(work.jobs.runs(job_id)), ticket,
            tuple(work.tickets.audit(ticket.id)) if ticket else (),
            tuple(work.history.decisions(job_id)),
        )  # fmt: skip


def latest_runs(runs: Sequence[RecordedRun]) -> dict[str, RecordedRun]:
    """The last run of each stage, in the order of the first ones."""
    return {run.stage: run for run in runs}


def preview_job(page: TicketPage, store: ArtifactStore) -> PreviewJob:
    """What a preview of this ticket's job starts from, its corrections in force among it."""
    overrides = []
    for run in page.runs.values():
        record = store.record(run.stage, run.key)
        own = next(iter(record.outputs.values()), None) if record is not None else None
        if own is not None and own != run.sha256:
            overrides.append(Override(run.stage, own, run.sha256))
    return PreviewJob(
        page.job.pipeline, page.job.params, page.job.asset_sha256, page.asset.name, tuple(overrides)
    )


def _page(work: Work, ticket: Ticket, person: str, now: datetime) -> TicketPage:
    job = work.jobs.get(ticket.job_id)
    runs = latest_runs(work.jobs.runs(job.id))
    roles = work.people.roles(person, now)
    return TicketPage(
        ticket, job, work.jobs.asset(job.asset_sha256), runs, _doubts(work, job, runs),
        may_open(person, roles, ticket), roles,
    )  # fmt: skip


def _doubts(work: Work, job: Job, runs: Mapping[str, RecordedRun]) -> tuple[Doubt, ...]:
    if job.judged is None:
        return ()
    try:
        policy = work.policies.get(job.judged.policy, job.judged.policy_version)
    except InvalidInput:
        return ()
    evidence = {name: run.evidence for name, run in runs.items()}
    return doubts_of(evidence, policy, Subject(job.id, job.creator, job.batch))
