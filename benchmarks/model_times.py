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

from rigline.avatar.canonical import CanonicalMesh, orientation_views, turned_views
from rigline.avatar.mesh import TriangleMesh
from rigline.avatar.segmentation import face_queries
from rigline.avatar.views import body_views
from rigline.engine.stage import AssetFile, StageContext
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.pipelines import avatar_stages as stages


def ask_orientation(ctx: StageContext, mesh: TriangleMesh) -> None:
    """All turned copies of all samplings."""
    for view in orientation_views(mesh, stages.ORIENTATION_SAMPLINGS, stages.SEED):
        features, neighbours = turned_views(view)
        ctx.models.infer("avatar_orientation", {"features": features, "neighbours": neighbours})


def ask_parts(ctx: StageContext, mesh: CanonicalMesh) -> None:
    """Parts at every query of every view."""
    asked = face_queries(mesh)
    for view in body_views(mesh, stages.PART_SAMPLINGS, stages.SEED):
        tensors = {
            "features": view.features[None],
            "neighbours": view.neighbours[None],
            "queries": view.to_view(asked.points, asked.normals)[None],
        }
        ctx.models.infer("avatar_segmentation", tensors)


def ask_joints(ctx: StageContext, mesh: CanonicalMesh) -> None:
    """Joints of every view."""
    views = body_views(mesh, stages.JOINT_SAMPLINGS, stages.SEED)
    tensors = {
        "features": np.stack([v.features for v in views]),
        "neighbours": np.stack([v.neighbours for v in views]),
    }
    ctx.models.infer("avatar_rigging", tensors)


def processor_ms(ask: Callable[[], None]) -> float:
    """Processor time of one call, in milliseconds."""
    began = time.process_time()
    ask()
    return 1000 * (time.process_time() - began)


def measure(path: Path, ctx: StageContext) -> Iterator[tuple[str, float]]:
    """Milliseconds of each model for one file."""
    source = stages.ingest(ctx, AssetFile(path.read_bytes(), path.name)).value
    upright = stages.orient(ctx, source).value
    yield "avatar_orientation", processor_ms(lambda: ask_orientation(ctx, source.mesh))
    yield "avatar_segmentation", processor_ms(lambda: ask_parts(ctx, upright))
    yield "avatar_rigging", processor_ms(lambda: ask_joints(ctx, upright))


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
