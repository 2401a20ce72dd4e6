"""The marketplace preset over characters: rules, shape, looks, watertightness, time.

    python -m benchmarks.marketplace [FILE...] [--body-type normal] [--pictures out/marketplace]
                                     [--khronos] [--rules-only]

Prints a line for each file and body type. Distances are those of the reduced from the unreduced
parts, in % of the height, before the body is fitted to its size table; "colour" is the mean
difference of unlit renders from four sides in 0 to 255, "outline" the overlap of the silhouettes.
``--khronos`` has each file judged by npm's gltf-validator too (``npm ci`` in tests/gltf_validator);
``--rules-only`` leaves out distances and renders.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import manifold3d
import numpy as np
from PIL import Image

from benchmarks.demo import SAMPLES
from rigline.avatar.body import N_PARTS
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.partition import PartedBody
from rigline.avatar.posing import pose, sweep_poses
from rigline.avatar.surface_queries import lattice_samples, nearest_on_surface
from rigline.bootstrap import Services, avatar_pipeline, in_memory, open_services
from rigline.delivery import write_file
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.formats import SourceModel
from rigline.pipelines.marketplace_options import MarketplaceOptions
from rigline.pipelines.source_appearance import Atlas, look_of
from rigline.render.body_picture import BACK, FRONT, SIDE, THREE_QUARTER, Camera, grid, png_bytes
from rigline.render.source_look import SourceLook, Texture
from rigline.render.textured_picture import Colouring, Shot, panel_of, shot

BODY_TYPES = ("normal", "slender", "classic")
CAMERAS = (FRONT, BACK, SIDE, Camera(-90))
SHOT_PX = 320
EXPLODED = 0.4
OWN_TEMPLATE = "cage.template"
VALIDATOR = Path(__file__).parents[1] / "tests" / "gltf_validator"


@dataclass(frozen=True, eq=False)
class Done:
    """A finished run and the values its stages made."""

    values: Mapping[str, Any]
    runs: Mapping[str, StageRun]
    seconds: float

    @property
    def errors(self) -> list[str]:
        """Broken rules, with what was measured."""
        rules = self.values["validate"]["rules"]
        return [
            f"{r['rule_id']} {r['where']}".strip()
            for r in rules
            if not r["passed"] and r["severity"] == "error" and r["rule_id"] != OWN_TEMPLATE
        ]

    @property
    def causes(self) -> dict[str, str]:
        """By broken rule the rule of the input that the report names, and what was found."""
        return {
            f"{c['rule_id']} {c['where']}".strip(): f"{c['input_rule']}: {c['found']}"
            for c in self.values["explain"]
        }

    @property
    def unexplained(self) -> list[str]:
        """Broken rules for which the report names no rule of the input: ours to mend."""
        return [words for words in self.errors if words not in self.causes]

    def in_words(self) -> str:
        """The broken rules, each with its cause in the input, or that there is none."""
        return "; ".join(f"{e} <- {self.causes.get(e, 'OURS')}" for e in self.errors) or "-"


def run(services: Services, path: Path, body_type: str) -> Done:
    """One file through the preset."""
    return run_bytes(services, path.read_bytes(), path.name, body_type)


def run_bytes(services: Services, data: bytes, name: str, body_type: str) -> Done:
    """What a file holds through the preset."""
    pipeline = avatar_pipeline(services.settings, "marketplace", MarketplaceOptions(body_type))  # type: ignore[arg-type]
    bench = Workbench(services.store, services.models, name)
    started = time.perf_counter()
    runs = run_pipeline(pipeline, services.store.put(data), bench)
    seconds = time.perf_counter() - started
    values = {stage: bench.value(pipeline, stage, r.sha256) for stage, r in runs.items()}
    return Done(values, runs, seconds)


def khronos_errors(path: Path) -> int:
    """How many errors Khronos' validator finds in a file."""
    done = subprocess.run(
        ["node", "validate.js", str(path.resolve())],
        cwd=VALIDATOR, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return sum(len(errors) for errors in json.loads(done.stdout).values())


def khronos_errors_of(glb: bytes) -> int:
    """The same for a GLB that is no file yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "avatar.glb"
        path.write_bytes(glb)
        return khronos_errors(path)


def distances(before: PartedBody, after: PartedBody) -> tuple[float, float]:
    """Mean and largest distance both ways between two bodies without lids, in % of the height."""
    one, other = before.faces[~before.lid], after.faces[~after.lid]
    on_one = lattice_samples(before.vertices, one, 0.008, 16_000)
    on_other = lattice_samples(after.vertices, other, 0.008, 16_000)
    there, _ = nearest_on_surface(on_one.points, after.vertices, other, on_other, 40)
    back, _ = nearest_on_surface(on_other.points, before.vertices, one, on_one, 40)
    gaps = [np.linalg.norm(p, axis=1) for p in (on_one.points - there, on_other.points - back)]
    return 100 * max(float(g.mean()) for g in gaps), 100 * max(float(g.max()) for g in gaps)


def watertight(body: PartedBody) -> int:
    """How many of the fifteen parts manifold3d takes as closed, with a volume."""
    count = 0
    for part in range(N_PARTS):
        used, local = np.unique(body.faces[body.rows_of(part)], return_inverse=True)
        if len(used):
            mesh = manifold3d.Mesh64(body.vertices[used], local.reshape(-1, 3).astype(np.uint64))
            solid = manifold3d.Manifold(mesh)
            count += solid.status() == manifold3d.Error.NoError and solid.volume() > 0
    return count


def atlas_colouring(atlas: Atlas) -> Colouring:
    """The colours of the atlas at points of the body's triangles."""
    pixels = np.asarray(Image.open(io.BytesIO(atlas.base_color.tobytes())).convert("RGBA"))
    texture = Texture(pixels)

    def colours(face: Ints, share: Floats) -> Floats:
        uv = np.einsum("qk,qkx->qx", share, atlas.uvs[face].astype(np.float64))
        return texture.at(uv)[:, :3]

    return colours


def shots(values: Mapping[str, Any]) -> tuple[list[Shot], list[Shot]]:
    """Source and body from four sides, at one scale."""
    source: SourceModel = values["ingest"]
    mesh: CanonicalMesh = values["orient"]
    body: PartedBody = values["reduce"]
    look: SourceLook = look_of(source, mesh)[0]
    frame = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    colours = atlas_colouring(values["bake"])
    before = [shot(mesh.vertices, mesh.faces, look.base_color, c, SHOT_PX, frame) for c in CAMERAS]
    after = [shot(body.vertices, body.faces, colours, c, SHOT_PX, frame) for c in CAMERAS]
    return before, after


def differences(before: list[Shot], after: list[Shot]) -> tuple[float, float]:
    """Mean difference of colour where both are, and the overlap of what they cover, in %."""
    gaps, shared, either = [], 0, 0
    for one, other in zip(before, after, strict=True):
        both = one.covered & other.covered
        shared, either = shared + both.sum(), either + (one.covered | other.covered).sum()
        gaps.append(np.abs(one.colour[both].astype(float) - other.colour[both]).mean(axis=1))
    return float(np.concatenate(gaps).mean()), 100.0 * shared / max(either, 1)


def pictures(name: str, done: Done, before: list[Shot], after: list[Shot]) -> list[Any]:
    """A row: source, result, exploded parts, and two poses, all textured."""
    fitted = done.values["fit"]
    colours = atlas_colouring(done.values["bake"])
    used = fitted.vertices[np.unique(fitted.faces)]
    frame = used.min(axis=0) - 0.05, used.max(axis=0) + 0.05
    sweep = sweep_poses(fitted.joints)
    panels = [panel_of(before[0], name), panel_of(after[0], "fifteen parts, one atlas")]
    apart, faces = _exploded(fitted.body)
    wide = apart.min(axis=0), apart.max(axis=0)
    for camera, title in ((THREE_QUARTER, "exploded"), (Camera(212, 20), "from behind")):
        panels.append(panel_of(shot(apart, faces, colours, camera, SHOT_PX, wide), title))
    for title in ("walk", "knees"):
        turns = {**sweep[title], **sweep["elbows"]} if title == "knees" else sweep[title]
        moved = pose(fitted.vertices, fitted.weights, fitted.joints, turns)
        taken = shot(moved, fitted.faces, colours, THREE_QUARTER, SHOT_PX, frame)
        panels.append(panel_of(taken, f"posed: {title}"))
    return panels


def _exploded(body: PartedBody) -> tuple[Floats, Ints]:
    """Every corner a vertex of its own, each part moved away from the middle."""
    corners = body.vertices[body.faces]
    middle = np.array([0.0, 0.5, 0.0])
    for part in range(N_PARTS):
        own = body.rows_of(part)
        if len(own):
            corners[own] += EXPLODED * (corners[own].reshape(-1, 3).mean(axis=0) - middle)
    return corners.reshape(-1, 3), np.arange(corners.shape[0] * 3).reshape(-1, 3)


def _khronos(args: argparse.Namespace, done: Done) -> str:
    if not args.khronos:
        return ""
    return f" | Khronos: {khronos_errors_of(done.values['assemble'])} errors"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the marketplace preset.")
    parser.add_argument("files", nargs="*", type=Path, help="by default benchmarks/samples/*.glb")
    parser.add_argument("--body-type", choices=BODY_TYPES, help="by default all three")
    parser.add_argument("--pictures", type=Path, help="folder for the picture sheets")
    parser.add_argument("--khronos", action="store_true", help="ask Khronos' validator too")
    parser.add_argument("--rules-only", action="store_true", help="no distances, no renders")
    args = parser.parse_args()
    if args.khronos and not (VALIDATOR / "node_modules").is_dir():
        parser.error(f"--khronos needs the validator: run npm ci in {VALIDATOR}")
    services = in_memory(open_services())
    files = args.files or sorted(SAMPLES.glob("*.glb"))
    rows, times = [], []
    head = ("file", "type", "tris", "closed", "mean %", "max %", "colour", "outline", "s", "errors")
    print("{:20s} {:8s} {:>6s} {:>6s} {:>7s} {:>6s} {:>6s} {:>7s} {:>5s} {}".format(*head))
    for path in files:
        for body_type in (args.body_type,) if args.body_type else BODY_TYPES:
            done = run(services, path, body_type)
            body: PartedBody = done.values["reduce"]
            if args.rules_only:
                mean = largest = colour = outline = np.nan
                times.append(done.seconds)
            elif body_type == (args.body_type or BODY_TYPES[0]):
                mean, largest = distances(done.values["partition"], body)
                before, after = shots(done.values)
                colour, outline = differences(before, after)
                times.append(done.seconds)
                if args.pictures:
                    rows.append(pictures(path.stem, done, before, after))
            print(
                f"{path.stem:20s} {body_type:8s} {len(body.faces):6d} "
                f"{watertight(done.values['fit'].body):6d} {mean:7.3f} {largest:6.2f} "
                f"{colour:6.1f} {outline:7.1f} {done.seconds:5.1f} {done.in_words()}"
                f"{_khronos(args, done)}",
                flush=True,
            )
    print(f"median time of a first run {np.median(times):.2f} s")
    for k in range(0, len(rows), 4):
        sheet = png_bytes(grid(rows[k : k + 4]), colours=128)
        write_file(args.pictures / f"marketplace_{k // 4}.png", sheet)


if __name__ == "__main__":
    main()
