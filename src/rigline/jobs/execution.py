"""A job runs: each step is one short transaction, and a run that broke off is taken up again.

The outputs of stages lie in the artifact store under their keys, so that no stage is computed
twice. A job's version is the worker's proof that the job is still its own: every transaction names
the version that it knows, and a worker that lost the job is refused at its next word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger, Work
from rigline.engine.codec import encodable
from rigline.engine.job import Asset, Job, JobAction, JobState
from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput, ReviewConflict, RiglineError, is_transient
from rigline.jobs.conclusion import conclude, conclusion_of, conclusion_of_stop, is_mendable
from rigline.jobs.standing import Standing, standing_of
from rigline.pipelines.job_kind import FinishedRun, JobKind, kind_of
from rigline.pipelines.report import AssetEntry
from rigline.triage.subject import Subject

Clock = Callable[[], datetime]
"""Tells the time, aware."""

LOST_AFTER: Final = timedelta(minutes=15)
"""A job at work of which nothing was heard for so long has lost its worker."""

AT_WORK: Final = (JobState.RUNNING, JobState.RESUMING)

OnEnd = Callable[[Job, FinishedRun], None]


class StageRunner(Protocol):
    """Runs the stages of one job, as ``run_pipeline`` does; it may run several at once."""

    def __call__(
        self, pipeline: Pipeline, asset_sha256: str, bench: Workbench,
        on_stage: Callable[[StageRun], None], overrides: Sequence[Override],
        amendments: Sequence[Amendment],
    ) -> Mapping[str, StageRun]: ...  # fmt: skip


def run(
    ledger: Ledger, services: Services, job_id: str, clock: Clock, *,
    take_over: bool = False, runner: StageRunner = run_pipeline,
    on_end: OnEnd = lambda job, finished: None,
) -> Job:  # fmt: skip
    """The job after its run: published, in review with a ticket, rejected, failed or parked.

    A job that is neither queued, parked nor at work is left as it is, and so is one that is
    cancelled while it runs. One that is at work is taken
    up where it stopped if its worker is lost, or with ``take_over``; its old worker, should it
    still be there, can change nothing any more. What a stage raises fails the job, unless it is
    ``ServiceUnavailable``, which parks it, or unless a person can still do something about it.
    ``on_end`` hears of a run that came to its end.

    Raises ``ReviewConflict`` when another worker has the job, ``InvalidInput`` for an unknown job
    and for a policy that was changed without a new version, ``ServiceUnavailable`` when the ledger
    is away. Killed at any point and run again it ends the same.
    """
    worker = _begin(ledger, services, job_id, clock, take_over)
    return worker if isinstance(worker, Job) else worker.carry(runner, on_end)


def is_lost(job: Job, now: datetime) -> bool:
    """Whether the job is at work and its worker gone."""
    return job.state in AT_WORK and job.updated_at + LOST_AFTER <= now


@dataclass
class Worker:
    """One worker's hold on a job at work; ``noted`` is what the ledger has of each stage."""

    ledger: Ledger
    services: Services
    clock: Clock
    job: Job
    asset: Asset
    noted: Mapping[str, tuple[str, str]]
    standing: Standing

    @classmethod
    def of(cls, work: Work, ledger: Ledger, services: Services, clock: Clock, job: Job) -> Worker:
        """The worker of a job that has just been set to work in the transaction ``work``."""
        noted = {run.stage: (run.key, run.sha256) for run in work.jobs.runs(job.id)}
        asset, standing = work.jobs.asset(job.asset_sha256), standing_of(work, job.id)
        return cls(ledger, services, clock, job, asset, noted, standing)

    def carry(self, runner: StageRunner, on_end: OnEnd) -> Job:
        """Run all stages and bring the job to where it then belongs.

        A job that somebody cancelled meanwhile is left as it is: the ledger refuses the worker's
        word after the stage at hand, and nothing more is run.
        """
        try:
            return self._carry(runner, on_end)
        except ReviewConflict:
            with self.ledger.reading() as work:
                job = work.jobs.get(self.job.id)
            if job.state != JobState.CANCELLED:
                raise
            return job

    def _carry(self, runner: StageRunner, on_end: OnEnd) -> Job:
        try:
            finished = finish_stages(
                self.services, self.job, self.asset, self.standing, runner, self._note
            )
            _ = finished.judgement
        except ReviewConflict:
            raise
        except RiglineError as error:
            return self._stop(error)
        job = self._finish(finished)
        on_end(job, finished)
        return job

    def _note(self, run: StageRun) -> None:
        """Keep what a stage did, unless a run that broke off has noted it before."""
        if self.noted.get(run.stage) == (run.key, run.sha256):
            return
        now = self.clock()
        with self.ledger.transaction() as work:
            job = work.jobs.progress(self.job, now)
            work.jobs.record_runs(job.id, [run], now)
        self.job = job

    def _stop(self, error: RiglineError) -> Job:
        """Park or fail the job, or show it to a person who can mend what comes before."""
        said, now = encodable(str(error).replace("\0", " ")), self.clock()
        stage, kind = str(error.fields.get("stage", "")), self.services.kinds.get(self.job.pipeline)
        mendable = is_mendable(kind.pipeline if kind else None, stage)
        with self.ledger.transaction() as work:
            if isinstance(error, InvalidInput) and mendable:
                stopped = conclusion_of_stop(stage, said, self.services.policy)
                return conclude(work, self.job, stopped, now)
            action = JobAction.PARK if is_transient(error) else JobAction.FAIL
            return work.jobs.transition(self.job, action, now, error=said)

    def _finish(self, finished: FinishedRun) -> Job:
        """Publish or reject the job, or ask a person."""
        now, outdated = self.clock(), _outdated(finished.runs)
        with self.ledger.transaction() as work:
            concluded = conclusion_of(
                finished.judgement,
                self.services.policy,
                seen_before=bool(work.job_groups.seen_by_reviewers([self.job.id])),
                outdated=outdated,
            )
            job = conclude(work, self.job, concluded, now)
            for (decision_id, stage), sha256 in self.standing.applied(finished.runs).items():
                work.decisions.record_artifact(decision_id, stage, sha256)
            return job


def finish_stages(
    services: Services, job: Job, asset: Asset, standing: Standing,
    runner: StageRunner = run_pipeline, on_stage: Callable[[StageRun], None] = lambda run: None,
) -> FinishedRun:  # fmt: skip
    """All stages of a job with the corrections in force; nothing is computed that is there.

    Raises what the stages raise.
    """
    kind, pipeline = configured(services, job)
    bench = Workbench(services.store, services.models, asset.name)
    amendments = [kind.amendment(c.correction) for c in standing.pending]
    runs = runner(pipeline, asset.sha256, bench, on_stage, standing.overrides, amendments)
    entry = AssetEntry(name=asset.name, sha256=asset.sha256, bytes=asset.bytes)
    subject = Subject(job.id, job.creator, job.batch)
    return FinishedRun(
        pipeline, bench, entry, runs, services.policy, subject, standing.vetted(runs)
    )


def configured(services: Services, job: Job) -> tuple[JobKind, Pipeline]:
    """The kind of a job, and its pipeline with the job's parameters; ``InvalidInput`` if gone."""
    kind = kind_of(services.kinds, job.pipeline, job.pipeline_version)
    return kind, kind.pipeline.with_params(job.params)


def _begin(
    ledger: Ledger, services: Services, job_id: str, clock: Clock, take_over: bool
) -> Worker | Job:
    """A worker with the job in its hands, or the job that needs none."""
    now = clock()
    with ledger.transaction() as work:
        job = work.jobs.get(job_id)
        if job.state not in (JobState.QUEUED, JobState.PARKED, *AT_WORK):
            return job
        if job.state in AT_WORK and not (take_over or is_lost(job, now)):
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
        return Worker.of(work, ledger, services, clock, job)


def _outdated(runs: Mapping[str, StageRun]) -> dict[str, str]:
    """A sentence for each stage of which a correction was left out."""
    return {
        name: f"{name}: a correction no longer fits, since what it was made for has changed"
        for name, run in runs.items()
        if run.dropped
    }
