"""A job of the ledger inside a flow run: its stages are tasks, its result an artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from rigline.db.ledger import Ledger
from rigline.engine.job import Job, JobState
from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.jobs import execution, resumption
from rigline.jobs.execution import OnEnd
from rigline.jobs.results import has_results, results_of
from rigline.pipelines.job_kind import FinishedRun
from tasks.report_artifact import publish_job
from tasks.services import opened_ledger, services
from tasks.stage_tasks import submit_pipeline


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def run_job(job_id: str, *, take_over: bool = False) -> tuple[Job, FinishedRun | None]:
    """Run a job with a task for each stage; the job as it is afterwards, and its results if any.

    They are shown as an artifact of the running flow. Raises ``InvalidInput`` for a job that failed
    and ``ServiceUnavailable`` for one that is parked, so that the flow run tells.
    """

    def go(ledger: Ledger, on_end: OnEnd) -> Job:
        return execution.run(
            ledger, services(), job_id, clock,
            take_over=take_over, runner=run_as_tasks, on_end=on_end,
        )  # fmt: skip

    return _shown(go)


def resume_job(decision_id: str) -> tuple[Job, FinishedRun | None]:
    """Let a decision take effect, with a task for each stage; otherwise like ``run_job``."""

    def go(ledger: Ledger, on_end: OnEnd) -> Job:
        return resumption.resume(
            ledger, services(), decision_id, clock, runner=run_as_tasks, on_end=on_end
        )

    return _shown(go)


def _shown(go: Callable[[Ledger, OnEnd], Job]) -> tuple[Job, FinishedRun | None]:
    ended: list[FinishedRun] = []
    with opened_ledger() as ledger:
        job = go(ledger, lambda job, finished: ended.append(finished))
        if not ended and has_results(job):
            ended.append(results_of(ledger, services(), job.id))
    if job.state == JobState.FAILED:
        raise InvalidInput(job.error, job=job.id)
    if job.state == JobState.PARKED:
        raise ServiceUnavailable(job.error, remedy="It is parked, and tried again.", job=job.id)
    if not ended:
        return job, None
    publish_job(job, ended[0])
    return job, ended[0]


def run_as_tasks(
    pipeline: Pipeline, asset_sha256: str, bench: Workbench,
    on_stage: Callable[[StageRun], None], overrides: Sequence[Override],
    amendments: Sequence[Amendment],
) -> Mapping[str, StageRun]:  # fmt: skip
    """The stages as tasks of the running flow, several at once where the pipeline allows it."""
    futures = submit_pipeline(pipeline, asset_sha256, bench.asset_name, overrides, amendments)
    runs: dict[str, StageRun] = {}
    for stage, future in futures.items():
        runs[stage] = future.result()
        on_stage(runs[stage])
    return runs
