"""A batch from its first word to its last: begun, resumed, run on a cluster."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from threading import Thread
from typing import Any, Final

import ray

from rigline.batch.crew import Crew
from rigline.batch.driver import Driver
from rigline.batch.legs import Wanted, cut, size_pools
from rigline.batch.places import open_destination
from rigline.batch.progress import Figures
from rigline.batch.registrar import Registrar
from rigline.batch.source import Entry, Source, open_source
from rigline.batch.work import Equipment
from rigline.bootstrap import Services, pipeline_named
from rigline.db.ledger import Ledger
from rigline.engine.batch import Batch, BatchLimits
from rigline.engine.pipeline import Pipeline
from rigline.errors import InvalidInput, RiglineError, ServiceUnavailable
from rigline.jobs.execution import Clock
from rigline.jobs.submission import named_assets
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.pipelines.job_kind import kind_of
from rigline.pipelines.marketplace_options import MarketplaceOptions

OBJECT_STORE_BYTES: Final = 200 * 1024 * 1024
"""Of a cluster of our own: only references travel between processes, never artifacts."""

START_SECONDS: Final = 60
"""How long Ray's first process may take here; Ray's own 30 are short on a busy machine."""

START_ATTEMPTS: Final = 3

FIRST: Final = 10


@dataclass(frozen=True)
class Request:
    """What somebody wants a new batch to be."""

    source: str
    dest: str
    creator: str
    pipeline: str = AVATAR_AUTO_SETUP.name
    patterns: tuple[str, ...] = ()
    item_limit: int | None = None
    limits: BatchLimits = field(default_factory=BatchLimits)
    preset: str = "development"
    options: MarketplaceOptions | None = None


def begin(ledger: Ledger, services: Services, request: Request, clock: Clock) -> Batch:
    """A new batch in the ledger, of which nothing has run.

    Raises ``InvalidInput`` for a source, destination or pipeline that cannot be.
    """
    source, dest = _absolute(request.source), _absolute(request.dest)
    open_source(source, services.settings, request.patterns, dest)
    open_destination(dest, services.settings)
    pipeline = configured_pipeline(services, request)
    now = clock()
    batch = Batch(
        f"{now:%Y%m%d}-{secrets.token_hex(3)}", source, dest, pipeline.name, pipeline.version,
        request.creator, now, now,
        {stage.name: dict(stage.params) for stage in pipeline if stage.params},
        request.patterns, request.item_limit, request.limits,
    )  # fmt: skip
    named = named_assets(services, pipeline, now)
    with ledger.transaction() as work:
        for asset in named:
            work.jobs.add_asset(asset)
        work.batches.add(batch)
    return batch


def check(services: Services, request: Request) -> dict[str, Any]:
    """What a batch would be made of: how many files, how many entries that name none, the first.

    Raises what :func:`begin` raises; the files themselves are not looked into.
    """
    source, dest = _absolute(request.source), _absolute(request.dest)
    open_destination(dest, services.settings)
    configured_pipeline(services, request)
    found = open_source(source, services.settings, request.patterns, dest)
    files = unusable = 0
    first: list[str] = []
    for entry in _limited(found.entries(), request.item_limit):
        if entry.error:
            unusable += 1
            continue
        files += 1
        if len(first) < FIRST:
            first.append(entry.locator)
    return {"files": files, "unusable": unusable, "first": first}


def drive(
    ledger: Ledger, services: Services, batch: Batch, clock: Clock, wanted: Wanted,
    hear: Callable[[Figures], None] = lambda figures: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Figures:  # fmt: skip
    """Run a batch, new or broken off, on the cluster that this process is connected to.

    See :meth:`Driver.run` for what it raises.
    """
    kind = kind_of(services.kinds, batch.pipeline, batch.pipeline_version)
    pipeline = kind.pipeline.with_params(batch.params)
    settings = services.settings
    source = open_source(batch.source, settings, batch.patterns, batch.dest)
    registrar = Registrar(ledger, services, pipeline, batch, clock)
    equipment = Equipment(
        settings, services.policy, batch.pipeline, batch.params, batch.dest, batch.limits,
        batch.creator, batch.id,
    )  # fmt: skip
    crew = Crew(equipment, lambda resources: size_pools(resources, pipeline, wanted))
    try:
        legs = cut(pipeline, apart=crew.pools.inference > 0)
        entries = _limited(source.entries(), batch.item_limit)
        driver = Driver(registrar, crew, legs, entries, _asking(services), hear, stopping)
        _count_aside(source, batch.item_limit, driver)
        return driver.run()
    finally:
        crew.close()


def configured_pipeline(services: Services, request: Request) -> Pipeline:
    """The pipeline asked for, as settings and preset want it; ``InvalidInput`` if there is none."""
    return pipeline_named(services, request.pipeline, request.preset, request.options)


@contextmanager
def cluster(workers: int | None = None) -> Iterator[None]:
    """A connection to the cluster of ``RAY_ADDRESS``, or to one of this process's own.

    One that is there already is used and left. Raises ``ServiceUnavailable`` when the cluster does
    not answer.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", str(START_SECONDS))
    if os.environ.get("RAY_ADDRESS"):
        _connect("No Ray cluster can be reached", "Check RAY_ADDRESS.")
    else:
        _start_local(workers or os.cpu_count() or 1)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(complaint: str, remedy: str, **options: Any) -> None:
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        ray.init(**quiet, **options)
    except Exception as error:  # Ray raises plain ones too
        raise ServiceUnavailable(f"{complaint}: {error}.", remedy=remedy) from error


def _start_local(cpus: int) -> None:
    """Ray on this machine alone.

    It starts as several processes that wait for each other, for a limited time. A machine that is
    busy or reads its disk for the first time can miss that; the second start is the faster one.
    """
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            _connect(
                "Ray does not start on this machine",
                "Look into its logs under /tmp/ray/session_latest/logs, or set RAY_ADDRESS.",
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
            )
            return
        except ServiceUnavailable:
            ray.shutdown()
            if attempt == START_ATTEMPTS:
                raise


def _limited(entries: Iterator[Entry], limit: int | None) -> Iterator[Entry]:
    return islice(entries, limit) if limit is not None else entries


def _count_aside(source: Source, limit: int | None, driver: Driver) -> None:
    """Count the source in a thread of its own, so that the batch need not wait for the total."""

    def count() -> None:
        with suppress(RiglineError):  # the driver meets it too, and is the one to say so
            driver.total = sum(1 for _ in _limited(source.entries(), limit))

    Thread(target=count, name="count the source", daemon=True).start()


def _asking(services: Services) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            services.store.has("0" * 64)
        except ServiceUnavailable:
            return False
        return True

    return answers


def _absolute(address: str) -> str:
    """A path as every machine of the cluster understands it."""
    if not address:
        raise InvalidInput("A batch needs a source and a destination.", remedy="Give --dest.")
    return address if "://" in address else os.path.abspath(address)
