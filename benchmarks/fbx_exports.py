"""Rigged characters exported as FBX by Blender in many ways, and what our reader makes of them.

    python -m benchmarks.fbx_exports RIGGED.glb... --blender PYTHON_WITH_BPY [--keep out/fbx]

For each way: the height found of the height expected, the largest distance of a vertex and of a
bone from where the GLB has it (in heights), the largest difference of a weight, bones that are
missing, and whether their names still mean the same parts. ``--only`` takes some ways alone.
Blender's bpy is under the GPL: it stays in an environment of its own, which --blender names.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from rigline.avatar.mesh import Floats
from rigline.avatar.rig_names import map_rig
from rigline.errors import RiglineError
from rigline.formats import SourceModel, read_model

BLENDER = Path(__file__).with_name("blender_fbx.py")

WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "z_up": {"options": {"axis_forward": "Y", "axis_up": "Z"}},
    "x_forward": {"options": {"axis_forward": "X", "axis_up": "Y"}},
    "minus_y_up": {"options": {"axis_forward": "Z", "axis_up": "-Y"}},
    "x_up": {"options": {"axis_forward": "-Z", "axis_up": "X"}},
    "scale_0.01": {"options": {"global_scale": 0.01}},
    "scale_100": {"options": {"global_scale": 100.0}},
    "no_unit_scale": {"options": {"apply_unit_scale": False}},
    "no_unit_scale_0.01": {"options": {"apply_unit_scale": False, "global_scale": 0.01}},
    "units_scaled": {"options": {"apply_scale_options": "FBX_SCALE_UNITS", "global_scale": 100.0}},
    "custom_scaled": {"options": {"apply_scale_options": "FBX_SCALE_CUSTOM", "global_scale": 0.01}},
    "all_scaled": {"options": {"apply_scale_options": "FBX_SCALE_ALL"}},
    "baked_space": {"options": {"bake_space_transform": True}},
    "no_space_transform": {"options": {"use_space_transform": False}},
    "no_leaf_bones": {"options": {"add_leaf_bones": False}},
    "bone_axes": {"options": {"primary_bone_axis": "X", "secondary_bone_axis": "-Z"}},
    "root_node": {"options": {"armature_nodetype": "ROOT"}},
    "limb_node": {"options": {"armature_nodetype": "LIMBNODE"}},
    "centimetres": {"scene": {"unit_m": 0.01}},
    "centimetres_unscaled": {"scene": {"unit_m": 0.01}, "options": {"apply_unit_scale": False}},
    "armature_scaled": {"scene": {"armature_scale": 0.01}},
    "armature_turned": {"scene": {"armature_turn": 90.0}},
    "posed": {"scene": {"posed": True}},
    "bone_shapes": {"scene": {"bone_shapes": True}},
    "odd_axes": {
        "scene": {"posed": True, "bone_shapes": True},
        "options": {"axis_forward": "X", "axis_up": "Y", "global_scale": 0.01,
                    "apply_unit_scale": False},
    },
    "odd_units": {
        "scene": {"unit_m": 0.01, "armature_turn": 90.0},
        "options": {"axis_forward": "Y", "axis_up": "Z", "global_scale": 100.0,
                    "apply_scale_options": "FBX_SCALE_ALL", "add_leaf_bones": False,
                    "primary_bone_axis": "X", "secondary_bone_axis": "-Z"},
    },
}  # fmt: skip
"""What artists set, by name: options of the exporter, and how the scene stands before."""


@dataclass(frozen=True)
class Comparison:
    """An export beside the GLB that it was made from."""

    height: float
    vertices: float
    bones: float
    weights: float
    missing: tuple[str, ...]
    same_parts: bool

    def in_words(self) -> str:
        words = f"height x{self.height:.4f}, vertices {self.vertices:.1e}, bones {self.bones:.1e}"
        words += f", weights {self.weights:.1e}"
        if self.missing:
            words += f", bones missing: {' '.join(self.missing)}"
        return words + ("" if self.same_parts else ", other parts")


def export(python: Path, rigged: Path, ways: Sequence[str], folder: Path) -> dict[str, Path]:
    """The character as FBX, a file for each way, by Blender."""
    wanted = folder / "ways.json"
    wanted.write_text(json.dumps({name: WAYS[name] for name in ways}))
    command = [str(python), str(BLENDER), str(rigged.resolve()), str(wanted), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return {name: folder / f"{name}.fbx" for name in ways}


def expected_change(way: str) -> tuple[float, Floats]:
    """By how much a way's file is larger than the GLB, and the turn ``(3, 3)`` of the character."""
    options, scene = WAYS[way].get("options", {}), WAYS[way].get("scene", {})
    scale = options.get("global_scale", 1.0) * scene.get("armature_scale", 1.0)
    if options.get("apply_unit_scale", True):
        scale *= scene.get("unit_m", 1.0)
    turn = Rotation.from_euler("y", scene.get("armature_turn", 0.0), degrees=True)
    if not options.get("use_space_transform", True):
        turn = Rotation.from_euler("x", 90, degrees=True) * turn
    return scale, np.asarray(turn.as_matrix())


def compare(way: str, ours: SourceModel, theirs: SourceModel) -> Comparison:
    """The export against the GLB; readers may merge or reorder vertices: the nearest counts."""
    scale, turn = expected_change(way)
    assert ours.rig is not None
    wanted = ours.mesh.vertices @ turn.T
    tall = float(np.ptp(ours.mesh.vertices[:, 1]))
    up = int(np.argmax(np.abs(turn[:, 1])))
    found = theirs.mesh.vertices / scale
    gap, near = cKDTree(wanted).query(found)
    back, _ = cKDTree(found).query(wanted)
    height = float(np.ptp(found[:, up])) / tall
    worst = max(float(gap.max()), float(back.max())) / tall
    if theirs.rig is None:
        return Comparison(height, worst, np.inf, np.inf, ours.rig.names, same_parts=False)
    place = dict(zip(theirs.rig.names, theirs.rig.positions / scale, strict=True))
    bones = [
        float(np.linalg.norm(place[name] - turn @ position))
        for name, position in zip(ours.rig.names, ours.rig.positions, strict=True)
        if name in place
    ]
    missing = tuple(name for name in ours.rig.names if name not in place)
    weights = np.abs(_by_name(theirs, ours.rig.names) - _by_name(ours, ours.rig.names)[near]).max()
    return Comparison(
        height, worst, max(bones, default=np.inf) / tall, float(weights), missing,
        _parts(ours) == _parts(theirs),
    )  # fmt: skip


def _by_name(model: SourceModel, names: Sequence[str]) -> Floats:
    """Weights ``(N, K)`` of the named bones."""
    assert model.rig is not None
    dense = np.zeros((len(model.rig.joints), len(model.rig.names)))
    rows = np.arange(len(dense))[:, None]
    np.add.at(dense, (rows, model.rig.joints.astype(np.int64)), model.rig.weights)
    column = {name: k for k, name in enumerate(model.rig.names)}
    found = [dense[:, column[n]] if n in column else np.zeros(len(dense)) for n in names]
    return np.stack(found, axis=1)


def _parts(model: SourceModel) -> list[bool]:
    """Which parts have a joint by the names of the bones."""
    assert model.rig is not None
    mapped = map_rig(model.rig.names, model.rig.parents, model.rig.positions)
    return list(np.isfinite(mapped.joints).all(axis=1).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description="Read what Blender exports as FBX.")
    parser.add_argument("files", nargs="+", type=Path, help="rigged GLB files")
    parser.add_argument("--blender", type=Path, required=True, help="a Python that can import bpy")
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--keep", type=Path, help="folder for the exported files")
    args = parser.parse_args()
    for path in args.files:
        ours = read_model(path.read_bytes(), path.name)
        if ours.rig is None:
            parser.error(f"{path} has no rig")
        with tempfile.TemporaryDirectory() as own:
            folder = args.keep / path.stem if args.keep else Path(own)
            folder.mkdir(parents=True, exist_ok=True)
            for way, file in export(args.blender, path, args.only, folder).items():
                try:
                    words = compare(way, ours, read_model(file.read_bytes())).in_words()
                except RiglineError as error:
                    words = f"REFUSED {error}"
                print(f"{path.stem:20s} {way:22s} {words}", flush=True)


if __name__ == "__main__":
    main()
