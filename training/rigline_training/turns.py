"""Whether characters are stood up right from each of the 24 axis-aligned turns.

    python -m rigline_training.turns --meshes FOLDER

Files are taken to stand upright, facing +Z. Each is turned in 24 ways and handed to the stage
``orient`` without the file format's promise, which a turned file would break.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from rigline.avatar.canonical import TURNS
from rigline.avatar.mesh import TriangleMesh
from rigline.engine.stage import StageContext
from rigline.formats import SourceModel, read_model
from rigline.formats.limits import Limits
from rigline.pipelines.avatar_stages import orient
from rigline_training.assessment import models_context
from rigline_training.evaluations import REPOSITORY, note, occasion_of


def turns_right(source: SourceModel, ctx: StageContext) -> tuple[int, int]:
    """From how many of the 24 turns the front, and at least the up axis, comes out right."""
    front = up = 0
    for turn in TURNS:
        mesh = TriangleMesh(source.mesh.vertices @ turn.T, source.mesh.faces)
        found = orient(ctx, replace(source, mesh=mesh, declared_up="")).value
        matrix = found.canonical_from_asset[:3, :3] @ turn * found.height_asset
        up += bool(matrix[1, 1] > 0.9)
        front += bool(matrix[1, 1] > 0.9 and matrix[2, 2] > np.cos(np.deg2rad(30)))
    return front, up


def main() -> None:
    p = argparse.ArgumentParser(description="Turn characters in 24 ways and stand them up.")
    p.add_argument("--meshes", type=Path, required=True, help="folder with upright GLB files")
    p.add_argument("--models", type=Path, help="model repository; by default the one that ships")
    p.add_argument(
        "--why", help="note the run in evaluations.jsonl, as runs on real characters are"
    )
    args = p.parse_args()
    ctx, found = models_context(args.models), {}
    for path in sorted(args.meshes.glob("*.glb")):
        found[path.stem] = turns_right(read_model(path.read_bytes(), path.name, Limits()), ctx)
        print(
            f"{path.stem}: front {found[path.stem][0]}, up {found[path.stem][1]} of 24", flush=True
        )
    front, up = np.array(list(found.values())).T
    summary = {
        "characters": len(found),
        "front_right": round(float(front.mean() / 24), 4),
        "up_right": round(float(up.mean() / 24), 4),
        "all_24": int((front == 24).sum()),
    }
    print(json.dumps(summary))
    if args.why:
        note({**occasion_of(args.why, args.models or REPOSITORY), **summary})


if __name__ == "__main__":
    main()
