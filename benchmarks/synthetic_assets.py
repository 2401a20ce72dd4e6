"""Synthetic characters for benchmarks: the samples, each in other proportions.

Every file is another asset, so that nothing is reused; the work is that of the samples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.formats import read_model
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder

SAMPLES = Path(__file__).parent / "samples"


def write_assets(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """``count`` GLB files of one mesh each. Deterministic."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    meshes = [read_model(p.read_bytes(), p.name).mesh for p in sorted(SAMPLES.glob("*.glb"))]
    paths = []
    for number in range(count):
        mesh = meshes[number % len(meshes)]
        vertices = mesh.vertices * random.uniform(0.95, 1.05, 3)
        path = folder / f"character_{number:05}.glb"
        path.write_bytes(geometry_glb(vertices, mesh.faces))
        paths.append(path)
    return paths


def geometry_glb(vertices: Floats, faces: Ints) -> bytes:
    """A GLB of one mesh without materials."""
    made = GlbBuilder("rigline benchmarks")
    positions = made.add_array(vertices.astype(np.float32), ARRAY_BUFFER, with_range=True)
    indices = made.add_array(faces.astype(np.uint32).reshape(-1), ELEMENT_ARRAY_BUFFER)
    mesh = made.add(
        "meshes", {"primitives": [{"attributes": {"POSITION": positions}, "indices": indices}]}
    )
    made.add("scenes", {"nodes": [made.add("nodes", {"mesh": mesh})]})
    made.document["scene"] = 0
    return made.to_bytes()
