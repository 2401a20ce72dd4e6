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
from rigline.engine.job import STOPPED, Asset, Job, JobAction, JobState, Judged
from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput, ReviewConflict, RiglineError, is_transient
from rigline.jobs.standing import Standing, standing_of
from rigline.pipelines.job_kind import FinishedRun, JobKind, kind_of
from rigline.pipelines.report import AssetEntry
from rigline.review import queue
from rigline.review.ticket import OVERDUE_AFTER, Ticket
from rigline.triage.subject import Subject

Clock = Callable[[], datetime]
"""Tells the time, aware."""

LOST_AFTER: Final = timedelta(minutes=15)
"""A job at work of which nothing was heard for so long has lost its worker."""

AT_WORK: Final = (JobState.RUNNING, JobState.RESUMING)

AUDIT_REASON: Final = "audit: drawn at random from what was accepted"


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

    A job that is neither queued, parked nor at work is left as it is. One that is at work is taken
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


def ticket_id_of(job_id: str) -> str:
    """The id of a job's ticket; a job has one, however often it visits the queue."""
    return f"t{job_id}"


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
        """Run all stages and bring the job to where it then belongs."""
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
        stage = str(error.fields.get("stage", ""))
        mendable = isinstance(error, InvalidInput) and self._mendable(stage)
        with self.ledger.transaction() as work:
            if not mendable:
                action = JobAction.PARK if is_transient(error) else JobAction.FAIL
                return work.jobs.transition(self.job, action, now, error=said)
            policy = self.services.policy
            judged = Judged(policy.name, policy.version, 0.0, STOPPED)
            job = work.jobs.transition(self.job, JobAction.SEND_TO_REVIEW, now, judged=judged)
            reasons = (f"{stage}: {said} Nothing after this stage is there.",)
            _ask_person(work, job, (stage,), reasons, job.priority, now)
            return job

    def _mendable(self, stage: str) -> bool:
        """Whether a reviewer can do anything about the stage: it does not read the asset alone."""
        kind = self.services.kinds.get(self.job.pipeline)
        if kind is None or not any(s.name == stage for s in kind.pipeline):
            return False
        return set(kind.pipeline.stage(stage).inputs) != {ASSET}

    def _finish(self, finished: FinishedRun) -> Job:
        """Publish or reject the job, or ask a person."""
        judgement, policy, now = finished.judgement, self.services.policy, self.clock()
        judged = Judged(policy.name, policy.version, judgement.confidence, judgement.verdict)
        outdated = _outdated(finished.runs)
        with self.ledger.transaction() as work:
            seen_before = bool(work.tickets.find(job_id=self.job.id, limit=1))
            audit = judgement.audit and not seen_before
            ask = bool(outdated) or judgement.verdict == "review" or audit
            ask = ask or (seen_before and judgement.verdict == "reject")
            action = _action_for(judgement.verdict, ask)
            job = work.jobs.transition(self.job, action, now, judged=judged)
            for (decision_id, stage), sha256 in self.standing.applied(finished.runs).items():
                work.decisions.record_artifact(decision_id, stage, sha256)
            if ask:
                _ask_person(
                    work, job, (*judgement.flagged, *outdated),
                    (*outdated.values(), *judgement.reasons, *((AUDIT_REASON,) if audit else ())),
                    job.priority + judgement.priority, now,
                )  # fmt: skip
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


def _action_for(verdict: str, ask: bool) -> JobAction:
    if ask:
        return JobAction.SEND_TO_REVIEW
    return JobAction.PUBLISH if verdict == "accept" else JobAction.REJECT


def _ask_person(
    work: Work, job: Job, flagged: Sequence[str], reasons: Sequence[str], priority: int,
    now: datetime,
) -> None:  # fmt: skip
    """A new ticket, or the job's own back in the queue, where who corrected it is asked first.

    What the submitter and the policy ask for in priority is added up.
    """
    stages, said = tuple(dict.fromkeys(flagged)), tuple(reasons)
    before = work.tickets.find(job_id=job.id, limit=1)
    if before:
        queue.return_to_queue(work.tickets, before[0].id, now, flagged=stages, reasons=said)
        return
    ticket = Ticket(
        ticket_id_of(job.id), job.id, now, stages, said, priority, overdue_at=now + OVERDUE_AFTER
    )
    work.tickets.add(ticket)
