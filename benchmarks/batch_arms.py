"""The arms of ``benchmarks.batch``, each in a process of its own:

    python -m benchmarks.batch_arms ARM FOLDER [WORKERS]

FOLDER has the assets in ``in``; the environment leads to a store and a ledger of the arm's own. The
last line of output is JSON: seconds of the run, seconds of starting whatever it needs, CPU seconds
of all processes, and stages computed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from rigline.bootstrap import Services, avatar_pipeline, open_ledger, open_services
from rigline.delivery import write_files
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.pipelines.job_kind import FinishedRun, kind_of
from rigline.pipelines.report import AssetEntry
from rigline.settings import load_settings
from rigline.triage.subject import Subject

LOOK_EVERY_S = 0.5

AT_ONCE = 8
"""Assets that the Prefect arms have on the way at once, lest all artifacts be in memory."""


class CpuMeter:
    """CPU time of this process and of all below it, by what they are.

    Looks at them again and again, since whoever has ended can no longer be asked: workers may be
    gone before the run says so.
    """

    def __init__(self) -> None:
        self._spent: dict[tuple[int, float], tuple[str, float]] = {}
        self._over = threading.Event()
        self._first = self.look()
        self._watcher = threading.Thread(target=self._watch, name="CPU meter", daemon=True)
        self._watcher.start()

    def look(self) -> Counter[str]:
        """Seconds so far, since each process began."""
        own = psutil.Process()
        for process in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times, key = process.cpu_times(), (process.pid, process.create_time())
                kind = self._spent[key][0] if key in self._spent else _kind_of(process, own)
                self._spent[key] = kind, times.user + times.system
        total = Counter[str]()
        for kind, seconds in self._spent.values():
            total[kind] += seconds
        return total

    def stop(self) -> Counter[str]:
        """Seconds since the meter began."""
        self._over.set()
        self._watcher.join()  # two looks at once would trip over each other
        spent = self.look()
        spent.subtract(self._first)
        return spent

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self.look()


def _kind_of(process: psutil.Process, own: psutil.Process) -> str:
    """Which part of an arm a process is: its own, one for stages, or one of Ray's."""
    if process == own:
        return "driver"
    if "rigline.batch.child" in process.cmdline():
        return "stages"
    name = process.name().partition(" ")[0]
    return {"ray::Worker": "worker", "gcs_server": "gcs"}.get(name.partition(".")[0], name)


class Tally:
    """What an arm did: computed stages, their seconds, and when the run proper began."""

    def __init__(self) -> None:
        self.made = time.perf_counter()
        self.stages, self.compute = 0, 0.0
        self._meter: CpuMeter | None = None
        self.begin()

    def begin(self) -> None:
        """All that is to be reported apart has been started."""
        if self._meter is not None:
            self._meter.stop()
        self.begun, self._meter = time.perf_counter(), CpuMeter()

    def note(self, run: StageRun) -> None:
        """A stage has run."""
        if not run.reused:
            self.stages += 1
            self.compute += run.record.seconds

    def end(self) -> None:
        """The run proper is over."""
        self.seconds = time.perf_counter() - self.begun
        assert self._meter is not None
        self.cpu = self._meter.stop()

    def to_json(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds, "start_seconds": self.begun - self.made,
            "cpu_seconds": self.cpu.total(), "cpu_by_process": dict(self.cpu),
            "stages": self.stages, "compute_seconds": self.compute,
        }  # fmt: skip


def files_in(folder: Path) -> list[Path]:
    return sorted((folder / "in").iterdir())


def pipeline_of(name: str) -> Pipeline:
    settings = load_settings()
    if name == "avatar-auto-setup":
        return avatar_pipeline(settings)
    return kind_of(open_services(settings).kinds, name).pipeline


def finish(
    services: Services, pipeline: Pipeline, asset: AssetEntry, runs: dict[str, StageRun], out: Path,
    bench: Workbench | None = None,
) -> None:  # fmt: skip
    """Judge and deliver, as every arm does."""
    bench = bench or Workbench(services.store, services.models, asset.name)
    about = Subject(asset.sha256)
    finished = FinishedRun(pipeline, bench, asset, runs, services.policy, about)
    files = kind_of(services.kinds, pipeline.name).files(finished)
    write_files(files, out, Path(asset.name).stem)


def loop(folder: Path, pipeline: Pipeline, tally: Tally) -> None:
    """(a) One asset after the other."""
    services = open_services()
    first = next((folder / "warm").iterdir(), None)
    if first is not None:  # models are loaded before the clock starts
        sha256 = services.store.put(first.read_bytes())
        run_pipeline(pipeline, sha256, Workbench(services.store, services.models))
    tally.begin()
    for path in files_in(folder):
        data = path.read_bytes()
        bench = Workbench(services.store, services.models, path.name)
        asset = AssetEntry(name=path.name, sha256=services.store.put(data), bytes=len(data))
        runs = run_pipeline(pipeline, asset.sha256, bench, tally.note)
        finish(services, pipeline, asset, runs, folder / "out", bench)
    tally.end()


def as_prefect_tasks(folder: Path, pipeline: Pipeline, tally: Tally, runner: Any) -> None:
    """(b), (c) A Prefect task for each stage of each asset."""
    from prefect import flow

    from tasks.services import services
    from tasks.stage_tasks import submit_pipeline

    @flow(task_runner=runner, persist_result=False)
    def batch() -> None:
        opened, waiting = services(), iter(files_in(folder))
        tally.begin()
        while paths := list(islice(waiting, AT_ONCE)):
            submitted = []
            for path in paths:
                data = path.read_bytes()
                sha256 = opened.store.put(data)
                asset = AssetEntry(name=path.name, sha256=sha256, bytes=len(data))
                submitted.append((asset, submit_pipeline(pipeline, asset.sha256, asset.name)))
            for asset, futures in submitted:
                runs = {stage: future.result() for stage, future in futures.items()}
                for run in runs.values():
                    tally.note(run)
                finish(opened, pipeline, asset, runs, folder / "out")
        tally.end()

    batch()


def prefect_threads(folder: Path, pipeline: Pipeline, tally: Tally, workers: int) -> None:
    """(b) on threads."""
    from prefect.task_runners import ThreadPoolTaskRunner

    as_prefect_tasks(folder, pipeline, tally, ThreadPoolTaskRunner(max_workers=workers))


def prefect_ray(folder: Path, pipeline: Pipeline, tally: Tally, workers: int) -> None:
    """(c) on Ray by Prefect's own task runner."""
    from prefect_ray import RayTaskRunner

    with started_cluster(workers):
        as_prefect_tasks(folder, pipeline, tally, RayTaskRunner())


def ours(folder: Path, pipeline: Pipeline, tally: Tally, workers: int) -> None:
    """(d) A batch. The run begins when the workers are there."""
    from rigline.batch.legs import Wanted
    from rigline.batch.progress import Figures
    from rigline.batch.run import Request, begin, drive

    services, ledger = open_services(), open_ledger(load_settings())
    ledger.upgrade()
    source, dest = str(folder / "in"), str(folder / "out")
    request = Request(source, dest, "benchmark", pipeline.name, ("*",))
    began = False

    def hear(figures: Figures) -> None:
        nonlocal began
        if not began and figures.workers == workers:
            began = True
            tally.begin()

    def clock() -> datetime:
        return datetime.now(UTC)

    with started_cluster(workers):
        batch = begin(ledger, services, request, clock)
        drive(ledger, services, batch, clock, Wanted(workers), hear)
        tally.end()
    for job in _jobs(ledger, batch.id):
        with ledger.reading() as work:
            for run in work.jobs.runs(job):
                tally.stages += not run.reused
                tally.compute += 0.0 if run.reused else run.seconds


@contextmanager
def started_cluster(workers: int) -> Iterator[None]:
    from rigline.batch.run import cluster

    with cluster(workers):
        yield


def _jobs(ledger: Any, batch_id: str) -> Iterator[str]:
    after = -1
    while True:
        with ledger.reading() as work:
            page = work.batches.outcomes(batch_id, after, 500)
        if not page:
            return
        yield from (one.job.id for one in page if one.job is not None)
        after = page[-1].item.number


ARMS: dict[str, Callable[[Path, Pipeline, Tally, int], None]] = {
    "loop": lambda folder, pipeline, tally, _: loop(folder, pipeline, tally),
    "prefect-threads": prefect_threads,
    "prefect-ray": prefect_ray,
    "ours": ours,
}


def main() -> None:
    arm, folder, name, workers = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    tally = Tally()
    ARMS[arm](folder, pipeline_of(name), tally, workers)
    print(json.dumps(tally.to_json()))


if __name__ == "__main__":
    main()
