"""Previews of corrections in a bounded pool of processes, so that no reviewer waits for another's.

A worker keeps what it decoded of the last few assets; nothing that a preview makes is kept in the
store. Together with the outputs come the corrections, ready to be decided: each names as its base
what its stage gave after the corrections before it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final

from rigline.bootstrap import Services, open_services
from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.pipelines.job_kind import JobKind, kind_of
from rigline.review.correction import SCHEMA_VERSION, Correction, parse_correction
from rigline.settings import Settings
from rigline.storage.overlay import OverlayStore

LEFT_OUT: Final = frozenset({"assemble", "validate", "picture"})
"""Stages that make the delivered files; the editor draws the outputs before them itself."""

KEPT_ASSETS: Final = 3
WAIT_S: Final = 2.0
"""How long a preview waits for a place before it is refused."""

TIME_LIMIT_S: Final = 60.0

Edits = Mapping[str, Sequence[Mapping[str, Any]]]
"""Operations in plain JSON, by the stage that they correct."""


@dataclass(frozen=True)
class PreviewJob:
    """The job whose corrections are tried; ``overrides`` are those in force."""

    pipeline: str
    params: Mapping[str, Any]
    asset_sha256: str
    asset_name: str
    overrides: tuple[Override, ...] = ()
    unseen: frozenset[str] = frozenset()
    """Stages that nobody looks at now: left out with what depends on them, unless edited."""


@dataclass(frozen=True)
class Previewed:
    """``outputs`` are the files that changed, by stage, ``sha256s`` the names of all outputs."""

    corrections: tuple[Correction, ...]
    sha256s: Mapping[str, str]
    outputs: Mapping[str, bytes]
    seconds: float


class PreviewPool:
    """At most ``workers`` previews at once, and as many again that wait."""

    def __init__(self, settings: Settings, workers: int = 1) -> None:
        self._settings, self._workers = settings, workers
        self._places = threading.BoundedSemaphore(2 * workers)
        self._executor = self._opened()

    def start(self) -> None:
        """Start the workers now, rather than with the first preview."""
        self._executor.submit(_nothing)

    def warm(self, job: PreviewJob) -> None:
        """Have a worker decode what the job made, in advance; unless all are busy."""
        if self._places.acquire(blocking=False):
            future = self._executor.submit(preview_in_worker, job, {})
            future.add_done_callback(lambda _: self._places.release())

    def preview(self, job: PreviewJob, edits: Edits) -> Previewed:
        """What the edits would give.

        Raises ``InvalidInput`` for edits that do not fit, ``ServiceUnavailable`` when all workers
        are busy, or one was lost or took too long.
        """
        if not self._places.acquire(timeout=WAIT_S):
            raise ServiceUnavailable(
                "Too many previews are being computed.", remedy="Try again in a moment."
            )
        try:
            future = self._executor.submit(preview_in_worker, job, edits)
        except BrokenProcessPool as error:
            self._places.release()
            raise self._lost() from error
        future.add_done_callback(lambda _: self._places.release())
        try:
            return future.result(TIME_LIMIT_S)
        except BrokenProcessPool as error:
            raise self._lost() from error
        except FutureTimeout as error:
            raise ServiceUnavailable(
                f"The preview was not there after {TIME_LIMIT_S:.0f} s.",
                remedy="Decide without it, or try again.",
            ) from error

    def close(self) -> None:
        """Stop the workers."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _opened(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, get_context("spawn"), initializer=_begin, initargs=(self._settings,)
        )

    def _lost(self) -> ServiceUnavailable:
        self._executor.shutdown(wait=False)
        self._executor = self._opened()
        return ServiceUnavailable("A worker was lost.", remedy="Try again.")


_services: Services | None = None
_values: OrderedDict[str, dict[str, Any]] = OrderedDict()


def _begin(settings: Settings) -> None:
    global _services
    _services = open_services(settings)


def _nothing() -> None:
    pass


def preview_in_worker(job: PreviewJob, edits: Edits) -> Previewed:
    """Runs in a worker; see ``preview_edits``."""
    assert _services is not None
    values = _values.setdefault(job.asset_sha256, {})
    _values.move_to_end(job.asset_sha256)
    while len(_values) > KEPT_ASSETS:
        _values.popitem(last=False)
    return preview_edits(_services, job, edits, values)


def preview_edits(
    services: Services, job: PreviewJob, edits: Edits, values: dict[str, Any] | None = None
) -> Previewed:
    """What the edits would give, computed here; ``values`` are decoded ones to use and to add to.

    Raises ``InvalidInput`` for a stage that cannot be corrected and operations that do not fit.
    """
    started = time.perf_counter()
    store = OverlayStore(services.store)
    kept = values if values is not None else {}
    bench = Workbench(store, services.models, job.asset_name, dict(kept))
    kind = kind_of(services.kinds, job.pipeline)
    unseen = LEFT_OUT | (job.unseen - {stage for stage, ops in edits.items() if ops})
    pipeline = _shown(kind.pipeline.with_params(job.params), unseen)
    unknown = [stage for stage in edits if all(s.name != stage for s in pipeline)]
    if unknown:
        raise InvalidInput(f"There is no stage {unknown[0]!r} to correct.", field="stage")
    corrections: list[Correction] = []
    for stage in pipeline:
        if edits.get(stage.name):
            before = _run(kind, _up_to(pipeline, stage.name), job, bench, corrections)
            base = before[stage.name].sha256
            corrections.append(_correction(kind, stage.name, base, edits[stage.name]))
    runs = _run(kind, pipeline, job, bench, corrections)
    kept.update({s: v for s, v in bench.values.items() if not store.added.has(s)})
    sha256s = {name: run.sha256 for name, run in runs.items()}
    outputs = {n: store.added.get(s) for n, s in sha256s.items() if store.added.has(s)}
    return Previewed(tuple(corrections), sha256s, outputs, time.perf_counter() - started)


def _run(
    kind: JobKind, pipeline: Pipeline, job: PreviewJob, bench: Workbench,
    corrections: Sequence[Correction],
) -> dict[str, StageRun]:  # fmt: skip
    names = {stage.name for stage in pipeline}
    overrides = [o for o in job.overrides if o.stage in names]
    amendments: list[Amendment] = [kind.amendment(c) for c in corrections]
    return run_pipeline(
        pipeline, job.asset_sha256, bench, overrides=overrides, amendments=amendments
    )


def _correction(
    kind: JobKind, stage: str, base: str, ops: Sequence[Mapping[str, Any]]
) -> Correction:
    return parse_correction(
        {
            "schema_version": SCHEMA_VERSION,
            "stage": stage,
            "base_artifact_sha256": base,
            "ops": [dict(op) for op in ops],
        },
        kind.ops_by_stage,
    )


def _shown(pipeline: Pipeline, unseen: frozenset[str]) -> Pipeline:
    """The pipeline without the unseen stages and what depends on them."""
    left_out: set[str] = set()
    for stage in pipeline:
        if stage.name in unseen or left_out & set(stage.inputs):
            left_out.add(stage.name)
    stages = tuple(s for s in pipeline if s.name not in left_out)
    return Pipeline(pipeline.name, pipeline.version, stages)


def _up_to(pipeline: Pipeline, name: str) -> Pipeline:
    last = [stage.name for stage in pipeline].index(name)
    return Pipeline(pipeline.name, pipeline.version, pipeline.stages[: last + 1])
