"""Processor time of the marketplace preset on textured inputs of 30,000 triangles, by stage.

    python -m benchmarks.marketplace_times [--samples 3] [--repeat 2] [--profile out/times.pstats]

The inputs are the product's own samples, divided and reduced to 30,000 triangles, under a texture
of 1,024 pixels. Seconds are those of the processor in this process, models loaded, nothing reused,
so a busy machine hardly shows in them. The child process that reads files is measured apart.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyfqmr
from PIL import Image

from benchmarks.synthetic_assets import SAMPLES
from rigline.avatar.mesh import Floats, Ints, weld
from rigline.bootstrap import avatar_pipeline, in_memory, open_services
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.formats import read_model
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder
from rigline.pipelines.marketplace_options import MarketplaceOptions

TRIANGLES = 30_000
TEXTURE_PX = 1024


def textured_glb(path: Path) -> bytes:
    """A sample with ``TRIANGLES`` triangles under a texture. Deterministic."""
    mesh = read_model(path.read_bytes(), path.name).mesh
    first, inverse = weld(mesh.vertices)
    vertices, faces = mesh.vertices[first], inverse[mesh.faces]
    while len(faces) < TRIANGLES:
        vertices, faces = _divided(vertices, faces)
    simplifier = pyfqmr.Simplify()
    simplifier.setMesh(vertices, faces.astype(np.int32))
    simplifier.simplify_mesh(TRIANGLES, aggressiveness=3, preserve_border=True, verbose=False)
    points, found, _ = simplifier.getMesh()
    return _with_texture(np.asarray(points, np.float64), np.asarray(found, np.int64))


def _divided(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """Each triangle in four."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, place = np.unique(ends, axis=0, return_inverse=True)
    ab, bc, ca = (len(vertices) + place.reshape(3, -1)).astype(np.int64)
    a, b, c = faces.T
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return (
        np.concatenate([vertices, vertices[edges].mean(axis=1)]),
        np.concatenate([np.stack(triple, axis=1) for triple in corners]),
    )


def _with_texture(vertices: Floats, faces: Ints) -> bytes:
    low, size = vertices.min(axis=0), np.ptp(vertices, axis=0)
    around = np.arctan2(*((vertices - low - size / 2)[:, [0, 2]].T)) / (2 * np.pi) + 0.5
    uvs = np.stack([around, 1 - (vertices[:, 1] - low[1]) / size[1]], axis=1)
    pixels = np.random.default_rng(0).integers(0, 255, (TEXTURE_PX, TEXTURE_PX, 3), np.uint8)
    image = io.BytesIO()
    Image.fromarray(pixels).save(image, "PNG")
    made = GlbBuilder("rigline benchmarks")
    made.add("images", {"bufferView": made.add_bytes(image.getvalue()), "mimeType": "image/png"})
    texture = made.add("textures", {"source": 0})
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}}
    attributes = {
        "POSITION": made.add_array(vertices.astype(np.float32), ARRAY_BUFFER, with_range=True),
        "TEXCOORD_0": made.add_array(uvs.astype(np.float32), ARRAY_BUFFER),
    }
    indices = made.add_array(faces.astype(np.uint32).reshape(-1), ELEMENT_ARRAY_BUFFER)
    primitive = {"attributes": attributes, "indices": indices,
                 "material": made.add("materials", material)}  # fmt: skip
    node = made.add("nodes", {"mesh": made.add("meshes", {"primitives": [primitive]})})
    made.add("scenes", {"nodes": [node]})
    made.document["scene"] = 0
    return made.to_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description="Processor time of the marketplace preset.")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--profile", type=Path, help="where to write what cProfile measured")
    args = parser.parse_args()
    base = open_services()
    stages: dict[str, list[float]] = defaultdict(list)
    totals: list[float] = []
    profiler = cProfile.Profile() if args.profile else None
    for path in sorted(SAMPLES.glob("*.glb"))[1 : 1 + args.samples]:
        data = textured_glb(path)
        for _ in range(args.repeat + 1):
            services = in_memory(base)
            pipeline = avatar_pipeline(services.settings, "marketplace", MarketplaceOptions())
            bench = Workbench(services.store, services.models, path.name)
            asset = services.store.put(data)
            times = [time.process_time()]
            names: list[str] = []

            def note(run: StageRun, times: list[float] = times, names: list[str] = names) -> None:
                times.append(time.process_time())
                names.append(run.stage)

            if profiler and totals:
                profiler.enable()
            run_pipeline(pipeline, asset, bench, on_stage=note)
            if profiler:
                profiler.disable()
            spent = np.diff(times)
            totals.append(float(spent.sum()))
            for k, name in enumerate(names):
                stages[name].append(float(spent[k]))
        print(f"{path.stem:18s} best {min(totals[-args.repeat - 1 :]):.2f} CPU s", flush=True)
    print(f"{'stage':10s} {'median':>7s} {'best':>7s}")
    for name, all_seconds in stages.items():
        print(f"{name:10s} {np.median(all_seconds):7.2f} {min(all_seconds):7.2f}")
    print(f"{'total':10s} {np.median(totals):7.2f} {min(totals):7.2f}")
    if profiler:
        args.profile.parent.mkdir(parents=True, exist_ok=True)
        profiler.dump_stats(args.profile)


if __name__ == "__main__":
    main()
