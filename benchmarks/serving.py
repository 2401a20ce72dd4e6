"""What serving costs and gives: the models in this process, on Triton, and on Triton with batching.

    python -m benchmarks.serving [FILE...] --out out/serving [--clients 1 4 16 32 64]

Each avatar is the model calls of its set-up, recorded once and asked again by clients that each set
up one avatar after the other. Every model call computes with one thread in every arm; a Triton arm
runs ``--instances`` of each model, and the embedded arm as many calls as there are clients. Arms
take turns at each number of clients, so that a busy machine slows all alike; CPU seconds and ratios
can be compared between machines, times cannot.

Writes ``serving.md`` (the table), ``serving.png`` (the plot) and ``serving.json``. The plot goes to
``--picture`` too: docs/inference.md shows ``docs/pictures/serving.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import psutil

from benchmarks.serving_plot import plot
from rigline.bootstrap import Services, in_memory, open_services, set_up_avatar
from rigline.engine.stage import Arrays, Models, StageContext
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.fleet import Member
from rigline.inference.gateway import Gateway, GatewayLimits
from rigline.inference.repository import shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.inference.server.environment import make_environment
from rigline.inference.server.process import Ports, ServerPlan, running_server
from rigline.inference.triton import TritonEndpoint
from rigline.inference.triton_config import Batching, Deployment, configure
from rigline.settings import Settings, load_settings

SAMPLES = Path(__file__).resolve().parent / "samples"
LIMIT = 64
"""Requests that a client process sends a server at once: all of its clients'."""

Call = tuple[str, list[dict[str, Any]]]
"""A model and the questions that a stage asks it at once."""

Avatar = list[Call]


class Recorder:
    """Models that keep what they were asked."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.calls: Avatar = []

    def infer(self, model: str, inputs: Arrays) -> dict[str, Any]:
        return self.infer_all(model, [inputs])[0]

    def infer_all(self, model: str, questions: Sequence[Arrays]) -> list[dict[str, Any]]:
        self.calls.append((model, [dict(inputs) for inputs in questions]))
        return [self._models.infer(model, inputs) for inputs in questions]

    def version(self, model: str) -> str:
        return self._models.version(model)


@dataclass(frozen=True)
class Arm:
    """One way to run the models. ``server`` is its process, if it has one."""

    name: str
    models: Models
    server: psutil.Process | None = None

    def processes(self) -> list[psutil.Process]:
        own = [psutil.Process()]
        return own if self.server is None else [*own, self.server, *self.server.children(True)]

    def cpu_s(self) -> float:
        return sum(p.cpu_times().user + p.cpu_times().system for p in self.processes())

    def memory_mb(self) -> float:
        """Of the server, or of this process where there is none."""
        mine = self.processes()[1:] or self.processes()
        return sum(p.memory_info().rss for p in mine) / 1e6


@dataclass(frozen=True)
class Cell:
    """One arm under one load. Latencies are of whole avatars, all their model calls."""

    arm: str
    clients: int
    avatars: int
    avatars_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: float
    moved_mb: float
    memory_mb: float


def record(files: Sequence[Path]) -> list[Avatar]:
    """The model calls of each file's set-up."""
    avatars = []
    base = open_services(Settings(backend="embedded"))
    for path in files:
        recorder = Recorder(base.models)
        services = Services(base.store, recorder, base.policy, base.settings, base.kinds)
        set_up_avatar(in_memory(services), path.read_bytes(), path.name)
        avatars.append(recorder.calls)
    return avatars


def set_up(models: Models, avatar: Avatar) -> tuple[float, int]:
    """Seconds that an avatar's calls take, and bytes that they move."""
    started, moved = time.perf_counter(), 0
    ctx = StageContext(models)
    for model, questions in avatar:
        answers = ctx.infer_all(model, questions)
        moved += sum(a.nbytes for arrays in (*questions, *answers) for a in arrays.values())
    return time.perf_counter() - started, moved


def measure(arm: Arm, avatars: Sequence[Avatar], clients: int, count: int) -> Cell:
    """One arm with so many clients over so many avatars."""
    work = [avatars[number % len(avatars)] for number in range(count)]
    with ThreadPoolExecutor(clients) as pool:
        cpu_s, started = arm.cpu_s(), time.perf_counter()
        done = list(pool.map(lambda avatar: set_up(arm.models, avatar), work))
        seconds, cpu_s = time.perf_counter() - started, arm.cpu_s() - cpu_s
    latencies_ms = 1e3 * np.array([latency for latency, _ in done])
    p50, p95, p99 = (float(np.percentile(latencies_ms, p)) for p in (50, 95, 99))
    moved = sum(moved for _, moved in done) / count / 1e6 if arm.server else 0.0
    return Cell(
        arm.name, clients, count, count / seconds, p50, p95, p99, cpu_s / count, moved,
        arm.memory_mb(),
    )  # fmt: skip


def added_ms(base: Arm, other: Arm, avatars: Sequence[Avatar], repeat: int) -> float:
    """Median over avatars and repetitions of what one client waits longer, taken in turns."""
    added = []
    for _ in range(repeat):
        for avatar in avatars:
            first, _ = set_up(base.models, avatar)
            second, _ = set_up(other.models, avatar)
            added.append(second - first)
    return 1e3 * float(np.median(added))


@contextmanager
def triton(name: str, deployment: Deployment) -> Iterator[Arm]:
    """A server with a repository of its own, configured so."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        repository = copytree(shipped_repository(), folder / "models")
        configure(repository, deployment)
        environment = make_environment(load_settings().triton_home, print)
        plan = ServerPlan(repository, folder / "log", Ports.free())
        server = stack.enter_context(running_server(environment, plan))
        member = Member(name, EndpointKind.ONPREM, LIMIT, TritonEndpoint(plan.grpc))
        gateway = Gateway([member], GatewayLimits(deadline_s=600.0, attempt_s=600.0))
        stack.callback(gateway.close)
        yield Arm(name, gateway.of_pipeline("benchmark"), psutil.Process(server.pid))


def table(cells: Sequence[Cell], summary: dict[str, Any]) -> str:
    """Markdown."""
    rows = [
        f"| {c.clients} | {c.arm} | {c.avatars_per_s:.2f} | {c.p50_ms:,.0f} | {c.p95_ms:,.0f} | "
        f"{c.p99_ms:,.0f} | {c.cpu_s:.3f} | {c.moved_mb:.1f} | {c.memory_mb:,.0f} |"
        for c in cells
    ]
    told = [f"- {key.replace('_', ' ')}: {value}" for key, value in summary.items()]
    return "\n".join(
        [
            "| clients | arm | avatars/s | p50 ms | p95 ms | p99 ms | CPU s an avatar | "
            "MB moved an avatar | server MB |",
            "|---|---|---|---|---|---|---|---|---|", *rows, "", *told, "",
        ]
    )  # fmt: skip


def run(files: Sequence[Path], clients: Sequence[int], per_client: int, instances: int,
        repeat: int) -> tuple[list[Cell], dict[str, Any]]:  # fmt: skip
    """All cells, and what they say in a line each."""
    avatars, cells = record(files), []
    embedded = Arm("embedded", EmbeddedModels(shipped_repository(), threads=1))
    plain = Deployment(Batching(enabled=False), instances)
    with (
        triton("triton unbatched", plain) as unbatched,
        triton("triton batched", Deployment(Batching(), instances)) as batched,
    ):
        arms = (embedded, unbatched, batched)
        for arm in arms:
            set_up(arm.models, avatars[0])
        added = {arm.name: added_ms(embedded, arm, avatars, repeat) for arm in arms[1:]}
        for count in clients:
            for arm in arms:
                cells.append(measure(arm, avatars, count, max(per_client * count, len(avatars))))
                print(cells[-1], flush=True)
    speed = {(cell.arm, cell.clients): cell.avatars_per_s for cell in cells}
    summary: dict[str, Any] = {
        f"one_client_waits_longer_by_ms_({name})": round(value, 1) for name, value in added.items()
    }
    for count in clients:
        ratio = speed["triton batched", count] / speed["triton unbatched", count]
        summary[f"batched_over_unbatched_at_{count}_clients"] = round(ratio, 2)
    summary["machine"] = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, no GPU"
    return cells, summary


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput and latency of the backends.")
    parser.add_argument("files", nargs="*", type=Path, default=sorted(SAMPLES.glob("*.glb")))
    parser.add_argument("--out", type=Path, default=Path("out/serving"))
    parser.add_argument("--picture", type=Path, help="where else the plot goes")
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--per-client", type=int, default=2, help="avatars of each client")
    parser.add_argument("--instances", type=int, default=2, help="of each model, one thread each")
    parser.add_argument("--repeat", type=int, default=3, help="for what one client waits longer")
    args = parser.parse_args()
    cells, summary = run(args.files, args.clients, args.per_client, args.instances, args.repeat)
    args.out.mkdir(parents=True, exist_ok=True)
    shown = {"cells": [asdict(cell) for cell in cells], "summary": summary}
    (args.out / "serving.json").write_text(json.dumps(shown, indent=2))
    (args.out / "serving.md").write_text(table(cells, summary))
    for picture in filter(None, (args.out / "serving.png", args.picture)):
        plot(cells, picture)
    print(table(cells, summary))


if __name__ == "__main__":
    main()
