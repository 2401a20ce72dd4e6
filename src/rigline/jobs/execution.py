"""A job runs: each step is one short transaction, and a run that broke off is taken up again.

The outputs of stages lie in the artifact store under their keys, so that no stage is computed
twice. A job's version is the worker's proof that the job is still its own: every transaction names
the version that it knows, and a worker that lost the job is refused at its next word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger
from rigline.engine.codec import encodable
from rigline.engine.job import Asset, Job, JobAction, JobState, Judged
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput, ReviewConflict, RiglineError, is_transient
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.review.ticket import Ticket
from rigline.triage.judgement import Judgement, judge
from rigline.triage.subject import Subject

Clock = Callable[[], datetime]
"""Tells the time, aware."""

PIPELINES: Final[Mapping[str, Pipeline]] = {AVATAR_AUTO_SETUP.name: AVATAR_AUTO_SETUP}
"""The pipelines that jobs can be of."""

LOST_AFTER: Final = timedelta(minutes=15)
"""A running job of which nothing was heard for so long has lost its worker."""

AUDIT_REASON: Final = "audit: drawn at random from what was accepted"


def run(
    ledger: Ledger, services: Services, job_id: str, clock: Clock, *,
    pipelines: Mapping[str, Pipeline] = PIPELINES, take_over: bool = False,
) -> Job:  # fmt: skip
    """The job after its run: published, in review with a ticket, rejected, failed or parked.

    A job that is neither queued, parked nor running is left as it is. One that is running is taken
    up where it stopped if its worker is lost, or with ``take_over``; its old worker, should it
    still be there, can change nothing any more. What a stage raises fails the job, unless it is
    ``ServiceUnavailable``, which parks it.

    Raises ``ReviewConflict`` when another worker has the job, ``InvalidInput`` for an unknown job
    and for a policy that was changed without a new version, ``ServiceUnavailable`` when the ledger
    is away. Killed at any point and run again it ends the same.
    """
    worker = _begin(ledger, services, job_id, clock, take_over)
    if isinstance(worker, Job):
        return worker
    try:
        judgement = worker.work(services, pipelines)
    except ReviewConflict:
        raise
    except RiglineError as error:
        return worker.stop(error)
    return worker.finish(judgement, services)


def is_lost(job: Job, now: datetime) -> bool:
    """Whether the job is running and its worker gone."""
    return job.state == JobState.RUNNING and job.updated_at + LOST_AFTER <= now


def ticket_id_of(job_id: str) -> str:
    """The id of a job's ticket; a job has one, however often it visits the queue."""
    return f"t{job_id}"


@dataclass
class _Worker:
    """One worker's hold on a running job; ``noted`` is what the ledger has of each stage."""

    ledger: Ledger
    clock: Clock
    job: Job
    asset: Asset
    noted: Mapping[str, tuple[str, str]]

    def work(self, services: Services, pipelines: Mapping[str, Pipeline]) -> Judgement:
        """Run all stages and judge what they measured."""
        bench = Workbench(services.store, services.models, self.asset.name)
        pipeline = _pipeline_of(self.job, pipelines)
        runs = run_pipeline(pipeline, self.asset.sha256, bench, self.note)
        subject = Subject(self.job.id, self.job.creator, self.job.batch)
        evidence = {name: run.record.evidence for name, run in runs.items()}
        return judge(evidence, services.policy, subject)

    def note(self, run: StageRun) -> None:
        """Keep what a stage did, unless a run that broke off has noted it before."""
        if self.noted.get(run.stage) == (run.key, run.sha256):
            return
        now = self.clock()
        with self.ledger.transaction() as work:
            job = work.jobs.progress(self.job, now)
            work.jobs.record_runs(job.id, [run], now)
        self.job = job

    def stop(self, error: RiglineError) -> Job:
        """Park or fail the job."""
        action = JobAction.PARK if is_transient(error) else JobAction.FAIL
        said = encodable(str(error).replace("\0", " "))
        with self.ledger.transaction() as work:
            return work.jobs.transition(self.job, action, self.clock(), error=said)

    def finish(self, judgement: Judgement, services: Services) -> Job:
        """Publish or reject the job, or ask a person."""
        policy, now = services.policy, self.clock()
        judged = Judged(policy.name, policy.version, judgement.confidence, judgement.verdict)
        with self.ledger.transaction() as work:
            job = work.jobs.transition(self.job, _action_for(judgement), now, judged=judged)
            if judgement.needs_person:
                work.tickets.add(_ticket_of(job, judgement, now))
            return job


def _begin(
    ledger: Ledger, services: Services, job_id: str, clock: Clock, take_over: bool
) -> _Worker | Job:
    """A worker with the job in its hands, or the job that needs none."""
    now = clock()
    with ledger.transaction() as work:
        job = work.jobs.get(job_id)
        if job.state not in (JobState.QUEUED, JobState.PARKED, JobState.RUNNING):
            return job
        if job.state == JobState.RUNNING and not (take_over or is_lost(job, now)):
            raise ReviewConflict(
                f"A worker has the job {job.id} already.",
                remedy="Wait for it; if it was killed, take the job over.",
                conflict="already_claimed",
                job=job.id,
                state=str(job.state),
            )
        if job.state != JobState.QUEUED:
            job = work.jobs.transition(job, JobAction.RETRY, now)
        job = work.jobs.transition(job, JobAction.START, now)
        work.policies.add(services.policy, now)
        noted = {run.stage: (run.key, run.sha256) for run in work.jobs.runs(job.id)}
        return _Worker(ledger, clock, job, work.jobs.asset(job.asset_sha256), noted)


def _pipeline_of(job: Job, pipelines: Mapping[str, Pipeline]) -> Pipeline:
    pipeline = pipelines.get(job.pipeline)
    if pipeline is None or pipeline.version != job.pipeline_version:
        raise InvalidInput(
            f"There is no version {job.pipeline_version} of a pipeline {job.pipeline!r}.",
            remedy="Submit the file again.",
            job=job.id,
        )
    return pipeline.with_params(job.params)


def _action_for(judgement: Judgement) -> JobAction:
    if judgement.needs_person:
        return JobAction.SEND_TO_REVIEW
    return JobAction.PUBLISH if judgement.verdict == "accept" else JobAction.REJECT


def _ticket_of(job: Job, judgement: Judgement, now: datetime) -> Ticket:
    """What the submitter and the policy ask for in priority is added up."""
    return Ticket(
        ticket_id_of(job.id), job.id, now, judgement.flagged,
        (*judgement.reasons, *((AUDIT_REASON,) if judgement.audit else ())),
        job.priority + judgement.priority,
    )  # fmt: skip
