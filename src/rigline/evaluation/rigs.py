"""Rigs to compare: predictions from GLB or NPZ files, and truth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import N_PARTS, PART_NAMES, Part
from rigline.avatar.mesh import Bools, Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.isolation import Isolation, open_rigged
from rigline.formats.limits import Limits
from rigline.formats.rigged_model import RiggedModel

_SUFFIX: Final = re.compile(r"(_geo|_mesh|\.\d+)+$", re.IGNORECASE)
_NOT_BODY: Final = re.compile(r"cage|_att\b|attachment|collision", re.IGNORECASE)
_INDEX: Final = {name.lower(): part for part, name in enumerate(PART_NAMES)}


@dataclass(frozen=True, eq=False)
class Rig:
    """``vertices (N, 3)``, ``part (N,)``, ``joints (15, 3)`` with ``joint_valid (15,)``, and
    ``weights (N, 15)`` by part whose rows sum to one; lengths in the file's own unit."""

    vertices: Floats
    part: Ints
    joints: Floats
    joint_valid: Bools
    weights: Floats


@dataclass(frozen=True, eq=False)
class Truth:
    """A rig made by a person, its ``faces (M, 3)``, and ``merge (15,)``: the part that each part
    counts as (one without vertices counts as its parent). ``waist_alt (3,)`` may be NaN."""

    rig: Rig
    faces: Ints
    merge: Ints
    waist_alt: Floats


def part_of_name(name: str) -> int | None:
    """The part that a node or mesh is named after; ``_Geo``, ``_Mesh`` and ``.001`` are ignored."""
    return _INDEX.get(re.sub(r"[^a-z0-9]", "", _SUFFIX.sub("", name).lower()))


def read_rig(path: Path, limits: Limits | None = None, isolation: Isolation | None = None) -> Rig:
    """A prediction from ``ID.glb``, ``ID.fbx`` or ``ID.npz``, a model with ``isolation`` read in a
    process of its own; ``InvalidInput`` when it is no usable rig."""
    if path.suffix == ".npz":
        arrays = _arrays(path)
        try:
            return _checked(_from_arrays(arrays))
        except (ValueError, TypeError, IndexError) as error:
            raise InvalidInput(f"{path.name} holds no rig: {error}") from error
    model = open_rigged(path.read_bytes(), path.name, limits, isolation)
    if any(mesh.weight_rows != len(mesh.vertices) for mesh in model.meshes):
        raise InvalidInput("A mesh has more or fewer weights than vertices.")
    return _checked(rig_of(model))


def read_truth(path: Path) -> Truth:
    """The truth in ``ID.npz``: vertices, faces, part, joint, joint_valid, weights, merge and,
    where there is one, waist_alt."""
    arrays = _arrays(path)
    for name in ("faces", "merge", "part", "joint_valid"):
        _require(arrays, name)
    return Truth(
        _from_arrays(arrays),
        arrays["faces"].astype(np.int64),
        arrays["merge"].astype(np.int64),
        np.asarray(arrays.get("waist_alt", np.full(3, np.nan)), np.float64),
    )


def rig_of(model: RiggedModel) -> Rig:
    """The rig of a file: cages and attachments left out; a bone without a part's name counts for
    its nearest ancestor that has one; a mesh named after a part gives its vertices that part."""
    part_of_node = np.array([_nearest_part(model, k) for k in range(len(model.nodes))])
    vertices, weights, part = [], [], []
    for mesh in model.meshes:
        node_name = model.nodes[mesh.node].name
        if _NOT_BODY.search(node_name):
            continue
        by_part = np.zeros((len(mesh.vertices), N_PARTS))
        for k in range(mesh.weights.shape[1]):
            rows = np.arange(len(by_part))
            np.add.at(by_part, (rows, part_of_node[mesh.influence_nodes[:, k]]), mesh.weights[:, k])
        total = by_part.sum(axis=1, keepdims=True)
        lost = np.eye(N_PARTS)[Part.LOWER_TORSO]
        by_part = np.where(total > 1e-9, by_part / np.maximum(total, 1e-9), lost)
        named = part_of_name(node_name)
        named = part_of_name(mesh.mesh_name) if named is None else named
        vertices.append(mesh.vertices)
        weights.append(by_part)
        part.append(by_part.argmax(axis=1) if named is None else np.full(len(by_part), named))
    if not vertices:
        raise InvalidInput("The file holds no triangle mesh.")
    joints = _joints(model)
    return Rig(
        np.concatenate(vertices), np.concatenate(part), joints,
        ~np.isnan(joints[:, 0]), np.concatenate(weights),
    )  # fmt: skip


def _nearest_part(model: RiggedModel, node: int) -> int:
    for above in model.ancestors(node):
        part = part_of_name(model.nodes[above].name)
        if part is not None:
            return part
    return int(Part.LOWER_TORSO)


def _joints(model: RiggedModel) -> Floats:
    joints = np.full((N_PARTS, 3), np.nan)
    for node in model.joints:
        part = part_of_name(model.nodes[node].name)
        if part is not None and np.isnan(joints[part, 0]):
            joints[part] = model.nodes[node].world_from_node[:3, 3]
    return joints


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # numpy, zipfile and zlib have types of their own for each fault
        raise InvalidInput(f"{path.name} is no NPZ file: {error}") from error


def _require(arrays: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    if name not in arrays:
        raise InvalidInput(f"The NPZ file lacks {name!r}; it has {', '.join(sorted(arrays))}.")
    return arrays[name]


def _from_arrays(arrays: dict[str, npt.NDArray[Any]]) -> Rig:
    vertices, joints, weights = (
        _require(arrays, name).astype(np.float64) for name in ("vertices", "joint", "weights")
    )
    part = arrays["part"] if "part" in arrays else weights.argmax(axis=1)
    valid = arrays["joint_valid"] if "joint_valid" in arrays else ~np.isnan(joints[:, 0])
    return Rig(vertices, part.astype(np.int64), joints, valid.astype(bool), weights)


def _checked(rig: Rig) -> Rig:
    n = len(rig.vertices)
    shapes = {
        "vertices": (n, 3), "part": (n,), "joints": (N_PARTS, 3), "joint_valid": (N_PARTS,),
        "weights": (n, N_PARTS),
    }  # fmt: skip
    for name, shape in shapes.items():
        found = getattr(rig, name).shape
        if n == 0 or found != shape:
            raise InvalidInput(f"The {name} have shape {found}, expected {shape}.")
    if not np.isfinite(rig.vertices).all() or not np.isfinite(rig.weights).all():
        raise InvalidInput("Vertices or weights are not finite.")
    if rig.part.min() < 0 or rig.part.max() >= N_PARTS:
        raise InvalidInput("A part is outside 0 to 14.")
    total = rig.weights.sum(axis=1, keepdims=True)
    if rig.weights.min() < 0 or total.min() <= 0:
        raise InvalidInput("A weight is negative, or a vertex has none.")
    if np.abs(total - 1).max() <= 1e-3:
        return rig
    return Rig(rig.vertices, rig.part, rig.joints, rig.joint_valid, rig.weights / total)
