"""One Prefect task for any stage of any pipeline.

Tasks pass references (sha256) and records; artifacts travel through the store. Reuse is the
engine's, so Prefect's own result cache stays off. Only transient errors are tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage_run import (
    StageRun,
    Workbench,
    corrections_by_stage,
    run_corrected,
)
from rigline.errors import is_transient
from tasks.services import services

RETRIES = 3
RETRY_DELAYS_S = [2.0, 10.0, 30.0]


def _worth_retrying(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's question, answered by the one predicate of Rigline."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


@task(
    task_run_name="{stage}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_jitter_factor=0.3,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def run_stage_task(
    pipeline: Pipeline,
    stage: str,
    inputs: Mapping[str, str | StageRun],
    asset_name: str,
    override: Override | None = None,
    amendments: Sequence[Amendment] = (),
) -> StageRun:
    """The output of one stage: found in the store, or computed and put there; then as corrected."""
    opened = services()
    bench = Workbench(opened.store, opened.models, asset_name)
    shas = {n: ref if isinstance(ref, str) else ref.sha256 for n, ref in inputs.items()}
    run = run_corrected(pipeline, stage, shas, bench, override, amendments)
    how = "reused" if run.reused else f"computed in {run.record.seconds:.2f} s"
    how += ", corrected" if run.override else ""
    get_run_logger().info("%s: %s, %s", stage, how, run.sha256)
    return run


def submit_pipeline(
    pipeline: Pipeline,
    asset_sha256: str,
    asset_name: str,
    overrides: Sequence[Override] = (),
    amendments: Sequence[Amendment] = (),
) -> dict[str, PrefectFuture[StageRun]]:
    """All stages as tasks that wait for their inputs alone; futures by the stage's name.

    Stages that ask a model bear its name as a tag, so that a concurrency limit can protect it.
    """
    kept, changes = corrections_by_stage(pipeline, overrides, amendments)
    futures: dict[str, PrefectFuture[StageRun]] = {}
    for stage in pipeline:
        inputs: dict[str, Any] = {
            n: asset_sha256 if n == ASSET else futures[n] for n in stage.inputs
        }
        tagged = run_stage_task.with_options(tags=[f"model:{m}" for m in stage.models])
        name = stage.name
        futures[name] = tagged.submit(
            pipeline, name, inputs, asset_name, kept.get(name), changes.get(name, ())
        )
    return futures
