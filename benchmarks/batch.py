"""Batches compared: what the engine costs, and what it saves.

    python -m benchmarks.batch arms [--assets 500] [--arm loop …] [--out out/batch]
    python -m benchmarks.batch engine [--items 1000 10000 100000] [--out out/batch]

``arms`` runs the same synthetic characters through a plain loop, a Prefect task for each stage of
each asset on threads and on Ray (Prefect's RayTaskRunner), and a batch of ours with one and two
workers. Each arm has its own process, store and ledger; every process computes on one thread; what
has to be started first is reported apart. Work is CPU time of all processes over that of the loop:
it says what an engine costs also where other programs share the machine, which makes seconds
uncertain. Busy is the share of the workers' time in which they were inside a stage.

``engine`` runs trivial stages, so that what they cost is the engine, and draws cost an item and
memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.scaling_plot import draw_scaling
from benchmarks.synthetic_assets import write_assets
from benchmarks.trivial_pipeline import PLACE
from tests.support.servers import prefect_server

AVATARS = "avatar-auto-setup"
ARMS = (
    ("loop", 1), ("prefect-threads", 2), ("prefect-ray", 2), ("ours", 1), ("ours", 2),
)  # fmt: skip
SAMPLE_EVERY_S = 1.0


@dataclass
class Memory:
    """Peaks of an arm in MB: its own process, and all of its processes without what they share."""

    own_mb: float = 0.0
    all_mb: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Batches compared.")
    commands = parser.add_subparsers(dest="command", required=True)
    arms = commands.add_parser("arms")
    arms.add_argument("--assets", type=int, default=500)
    arms.add_argument("--arm", nargs="*", help="only these")
    engine = commands.add_parser("engine")
    engine.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    for command in (arms, engine):
        command.add_argument("--out", type=Path, default=Path("out/batch"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "arms":
        compare(args.assets, args.arm, args.out)
    else:
        scale(args.items, args.out)


def compare(assets: int, chosen: Sequence[str] | None, out: Path) -> None:
    """All arms over the same assets; the table, and ``arms.json``."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        root = Path(name)
        write_assets(root / "in", assets)
        write_assets(root / "warm", 1, seed=1)
        for arm, workers in ARMS:
            if not chosen or arm in chosen:
                rows.append(run_arm(arm, workers, root, AVATARS))
                print(json.dumps(rows[-1]), flush=True)
                (out / "arms.json").write_text(json.dumps(rows, indent=2))
    print(arms_table(rows))


def scale(counts: Sequence[int], out: Path) -> None:
    """The engine alone, at several lengths; the table, ``engine.json`` and ``engine.png``."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="batch-") as name:
            root = Path(name)
            (root / "in").mkdir()
            (root / "warm").mkdir()
            for number in range(count):
                (root / "in" / f"{number:06}.txt").write_text(str(number))
            plain = run_arm("loop", 1, root, "trivial", PLACE) if count <= 10_000 else None
            row = run_arm("ours", 2, root, "trivial", PLACE)
        if plain is not None:
            plain_ms = 1000 * plain["cpu_seconds"] / count
        row |= {
            "items": count,
            "plain_cpu_ms": plain_ms,  # of the last count at which the loop was run
            "engine_cpu_ms": 1000 * row["cpu_seconds"] / count - plain_ms,
            "wall_ms": 1000 * row["seconds"] / count,
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
        (out / "engine.json").write_text(json.dumps(rows, indent=2))
    draw_scaling(rows, out / "engine.png")
    print(engine_table(rows))


def run_arm(arm: str, workers: int, root: Path, pipeline: str, place: str = "") -> dict[str, Any]:
    """One arm in a process of its own: what it says, and the memory that it took."""
    own = root / f"{arm}-{workers}"
    own.mkdir()
    for name in ("in", "warm"):
        (own / name).symlink_to(root / name)
    env = {
        **os.environ,
        "RIGLINE_STORE": str(own / "store"),
        "RIGLINE_DATABASE": f"sqlite:///{own / 'ledger.db'}",
        "RIGLINE_PIPELINES": place,
        "RIGLINE_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    if place:
        env["RIGLINE_POLICY"] = str(_open_policy(own))
    command = [
        sys.executable, "-m", "benchmarks.batch_arms", arm, str(own), pipeline, str(workers),
    ]  # fmt: skip
    if arm.startswith("prefect"):
        with prefect_server(own / "prefect") as leading:
            said, memory = _watched(command, {**env, **_prefect(leading)})
    else:
        said, memory = _watched(command, env)
    results = sorted((own / "out").iterdir())
    avatars = hashlib.sha256()
    for path in results:
        if path.suffix == ".glb":
            avatars.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    assets = sum(1 for _ in (root / "in").iterdir())
    shutil.rmtree(own)
    return {
        "arm": arm, "workers": workers, "assets": assets, **said,
        "files": len(results), "avatars": avatars.hexdigest()[:12],
        "own_mb": memory.own_mb, "all_mb": memory.all_mb,
    }  # fmt: skip


def arms_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The comparison as Markdown."""
    base = next((row for row in rows if row["arm"] == "loop"), rows[0])
    lines = [
        "| arm | workers | assets a minute | × the loop | CPU s an asset | work, × the loop "
        "| busy | start, s | peak MB | stages computed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['arm']} | {row['workers']} | {60 * row['assets'] / row['seconds']:.1f} "
            f"| {base['seconds'] / row['seconds']:.2f} "
            f"| {row['cpu_seconds'] / row['assets']:.3f} "
            f"| {row['cpu_seconds'] / base['cpu_seconds']:.3f} "
            f"| {row['compute_seconds'] / row['workers'] / row['seconds']:.0%} "
            f"| {row['start_seconds']:.1f} | {row['all_mb']:.0f} | {row['stages']} |"
        )
    return "\n".join(lines)


def engine_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The scaling as Markdown."""
    lines = [
        "| items | ms an item, wall | plain loop, CPU ms | engine, CPU ms | driver MB | all MB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['items']:,} | {row['wall_ms']:.2f} | {row['plain_cpu_ms']:.2f} "
            f"| {row['engine_cpu_ms']:.2f} | {row['own_mb']:.0f} | {row['all_mb']:.0f} |"
        )
    return "\n".join(lines)


def _watched(command: Sequence[str], env: Mapping[str, str]) -> tuple[dict[str, Any], Memory]:
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, text=True)
    memory, over = Memory(), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                _look(psutil.Process(process.pid), memory)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return json.loads(output.splitlines()[-1]), memory


def _look(process: psutil.Process, memory: Memory) -> None:
    memory.own_mb = max(memory.own_mb, process.memory_info().rss / 1e6)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += one.memory_full_info().pss
    memory.all_mb = max(memory.all_mb, total / 1e6)


def _open_policy(folder: Path) -> Path:
    """A policy that accepts whatever the trivial pipeline does."""
    path = folder / "policy.toml"
    path.write_text(
        'name = "open"\nversion = 1\ncalibrated = false\nreview_below = 0.0\n'
        '[[stages.tell]]\nevidence = "bytes"\ngood = 1.0\nbad = 0.0\nreason = "no bytes"\n'
    )
    return path


def _prefect(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith("PREFECT")}


if __name__ == "__main__":
    main()
