"""What joining the questions of several assets gains: CPU time an asset, by the number joined.

    python -m benchmarks.batch_together [--repeat 5]

The embedded models on one thread. A GPU gains more; on a CPU this decides whether assets are joined
unless somebody asks for it (``--together``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository

JOINED = (1, 2, 4, 8)
Arrays = dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]


def orientation(assets: int) -> Arrays:
    """What ``orient`` asks at first: one sampling in half of the turns."""
    return _points(assets, rows=12, points=512, centres=64, neighbours=16)


def rigging(assets: int) -> Arrays:
    """What ``rig`` asks: three views."""
    return _points(assets, rows=3, points=2048, centres=128, neighbours=20)


ASKED: Mapping[str, Callable[[int], Arrays]] = {
    "avatar_orientation": orientation,
    "avatar_rigging": rigging,
}


def _points(assets: int, rows: int, points: int, centres: int, neighbours: int) -> Arrays:
    random, count = np.random.default_rng(0), assets * rows
    return {
        "features": random.normal(size=(count, points, 6)).astype(np.float32),
        "neighbours": random.integers(0, points, (count, centres, neighbours)),
    }


def cpu_ms_an_asset(models: EmbeddedModels, model: str, assets: int, repeat: int) -> float:
    """The best of several calls."""
    inputs, best = ASKED[model](assets), float("inf")
    for _ in range(repeat + 1):  # the first of a shape is slower
        started = time.process_time()
        models.infer(model, inputs)
        best = min(best, time.process_time() - started)
    return 1000 * best / assets


def main() -> None:
    parser = argparse.ArgumentParser(description="What joining questions gains.")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    models = EmbeddedModels(shipped_repository(), threads=1)
    print(f"| CPU ms an asset, joined | {' | '.join(str(n) for n in JOINED)} |")
    print(f"|---|{'---|' * len(JOINED)}")
    for model in ASKED:
        found = [cpu_ms_an_asset(models, model, assets, args.repeat) for assets in JOINED]
        print(f"| {model} | {' | '.join(f'{ms:.1f}' for ms in found)} |")


if __name__ == "__main__":
    main()
