"""Where the time of avatar set-up goes: every stage over some files, in one warm process.

    python -m benchmarks.stage_times FILE... [--repeat 3]

Prints medians over all files and repetitions, and each stage's share; machines differ, shares less.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from rigline.bootstrap import in_memory, open_services, set_up_avatar
from rigline.engine.stage_run import StageRun


def measure(files: list[Path], repeat: int) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each stage, and of whole runs, one entry per file and repetition."""
    base = open_services()
    stages: dict[str, list[float]] = defaultdict(list)
    totals = []

    def note(run: StageRun) -> None:
        stages[run.stage].append(run.record.seconds)

    set_up_avatar(in_memory(base), files[0].read_bytes(), files[0].name)
    for _ in range(repeat):
        for path in files:
            data = path.read_bytes()
            started = time.perf_counter()
            # A store of its own for each run, so that nothing is reused; models stay loaded.
            set_up_avatar(in_memory(base), data, path.name, on_stage=note)
            totals.append(time.perf_counter() - started)
    return stages, totals


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of each stage of avatar set-up.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    stages, totals = measure(args.files, args.repeat)
    whole = sum(sum(seconds) for seconds in stages.values())
    print(f"{'stage':10s} {'median s':>9s} {'largest s':>9s} {'share':>6s}")
    for name, seconds in stages.items():
        share = sum(seconds) / whole
        print(f"{name:10s} {np.median(seconds):9.3f} {max(seconds):9.3f} {share:6.0%}")
    print(f"{'total':10s} {np.median(totals):9.3f} {max(totals):9.3f}")


if __name__ == "__main__":
    main()
