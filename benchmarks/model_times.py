"""What the three models cost an avatar on one core: sampling the surface, and asking every view.

    python -m benchmarks.model_times FILE... [--repeat 3]

Processor milliseconds, medians over files and repetitions. What stages do with the answers (labels
to vertices, skin weights, cages) is in ``benchmarks.stage_times``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from rigline.avatar.segmentation import face_queries
from rigline.engine.stage import AssetFile, StageContext
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.pipelines import avatar_stages as stages


def processor_ms(ask: Callable[[], object]) -> float:
    """Processor time of one call, in milliseconds."""
    began = time.process_time()
    ask()
    return 1000 * (time.process_time() - began)


def measure(path: Path, ctx: StageContext) -> Iterator[tuple[str, float]]:
    """Milliseconds of each model for one file."""
    source = stages.ingest(ctx, AssetFile(path.read_bytes(), path.name)).value
    upright = stages.orient(ctx, source).value
    yield "avatar_orientation", processor_ms(lambda: stages.ask_orientation(ctx, source.mesh))
    yield (
        "avatar_segmentation",
        processor_ms(lambda: stages.ask_parts(ctx, upright, face_queries(upright))),
    )
    yield "avatar_rigging", processor_ms(lambda: stages.ask_joints(ctx, upright))


def main() -> None:
    parser = argparse.ArgumentParser(description="Processor time of the models, an avatar.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    ctx, spent = StageContext(EmbeddedModels(shipped_repository(), threads=1)), {}
    for _ in range(args.repeat):
        for path in args.files:
            for name, ms in measure(path, ctx):
                spent.setdefault(name, []).append(ms)
    for name, found in spent.items():
        print(f"{name:20s} {np.median(found):6.0f} ms, most {max(found):6.0f} ms")
    together = np.sum(list(spent.values()), axis=0)
    print(f"{'together':20s} {np.median(together):6.0f} ms, most {max(together):6.0f} ms")


if __name__ == "__main__":
    main()
