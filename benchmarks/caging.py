"""Where the cage should be laid: in the stage's own process, or by a server of ``avatar_caging``.

    python -m benchmarks.caging [FILE...] [--repeats 20]

Each file is set up as far as its joints. Then its cage is laid in process and asked of a Triton on
this machine, in turns. A row is one file: median and best milliseconds of both, CPU milliseconds of
both (for Triton the server's as well), and the megabytes that a request moves. Sampling the
surface, which both need here, is left out. Without files the demo's characters are taken.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.serving import Arm, triton
from benchmarks.serving_parity import SAMPLES, caging_inputs_of
from rigline.engine.stage import Arrays
from rigline.inference.contracts import CAGING
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.inference.triton_config import Deployment

TITLE = """\
| file | samples | in process, ms | best | CPU ms | Triton, ms | best | CPU ms | MB moved |
|---|---|---|---|---|---|---|---|---|"""


@dataclass
class Times:
    """Of one backend and one file: milliseconds of each call, CPU seconds of all."""

    ms: list[float]
    cpu_s: float = 0.0

    def add(self, call: Callable[[], object], arm: Arm) -> None:
        cpu, start = arm.cpu_s(), time.perf_counter()
        call()
        self.ms.append(1e3 * (time.perf_counter() - start))
        self.cpu_s += arm.cpu_s() - cpu

    def told(self) -> str:
        cpu_ms = 1e3 * self.cpu_s / len(self.ms)
        return f"{median(self.ms):.0f} | {min(self.ms):.0f} | {cpu_ms:.0f}"


def row(name: str, inputs: Arrays, here: Arm, there: Arm, repeats: int) -> str:
    """One file's row of the table."""
    embedded, served = Times([]), Times([])
    for arm in (here, there):
        arm.models.infer(CAGING, inputs)
    for _ in range(repeats):
        embedded.add(lambda: here.models.infer(CAGING, inputs), here)
        served.add(lambda: there.models.infer(CAGING, inputs), there)
    answer = there.models.infer(CAGING, inputs)
    moved = sum(np.asarray(a).nbytes for a in (*inputs.values(), *answer.values())) / 1e6
    samples = inputs["points"].shape[1]
    return f"| {name} | {samples:,} | {embedded.told()} | {served.told()} | {moved:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="The cage in process and on Triton.")
    parser.add_argument("files", nargs="*", type=Path, default=sorted(SAMPLES.glob("*.glb")))
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    models = EmbeddedModels(shipped_repository())
    here = Arm("embedded", models)
    print(TITLE)
    with triton("triton", Deployment()) as there:
        for path in args.files:
            inputs = caging_inputs_of(path.name, path.read_bytes(), models)
            print(row(path.stem, inputs, here, there, args.repeats), flush=True)


if __name__ == "__main__":
    main()
