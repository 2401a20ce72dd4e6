"""Skins of glTF files: where the rest pose of the joints places vertices, and their influences."""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_json import JsonObject
from rigline.formats.gltf_nodes import NodeTree

MAX_INFLUENCE_SETS: Final = 4

_Array = TypeVar("_Array", Floats, Ints)


def skinned(
    document: JsonObject,
    tree: NodeTree,
    accessors: AccessorReader,
    skin_index: int,
    attributes: JsonObject,
    bind: Floats,
) -> tuple[Floats, Ints, Floats, int]:
    """Vertices ``(n, 3)`` as the rest pose of the nodes places those of ``bind``, influences
    ``(n, k)`` by node, weights ``(n, k)`` as the file has them, and how many rows of those it has.

    Rows of weights that the file lacks are zero here, and those to spare are left out. Raises
    ``InvalidInput`` where joints, matrices or influences do not belong together.
    """
    skin = document.item("skins", skin_index)
    joints = np.array(skin.indices("joints"))
    inverse: Floats = np.tile(np.eye(4), (len(joints), 1, 1))
    given = skin.optional_integer("inverseBindMatrices")
    if given is not None:
        matrices = accessors.floats(given, "MAT4").astype(np.float64)
        inverse = matrices.reshape(-1, 4, 4).transpose(0, 2, 1)
    if len(inverse) < len(joints) or not len(joints):
        raise InvalidInput(f"{skin.where} lacks bind matrices or joints.")
    if joints.max() >= len(tree.nodes):
        raise InvalidInput(f"{skin.where} names a joint that does not exist.")
    world_from_bind = np.stack(
        [tree.nodes[j].world_from_node @ m for j, m in zip(joints, inverse, strict=False)]
    )
    slots, weights = [], []
    for k in range(MAX_INFLUENCE_SETS):
        if f"JOINTS_{k}" not in attributes.values:
            break
        slots.append(accessors.floats(attributes.integer(f"JOINTS_{k}"), "VEC4").astype(np.int64))
        weights.append(accessors.floats(attributes.integer(f"WEIGHTS_{k}"), "VEC4"))
    counts = {len(s) for s in slots} | {len(w) for w in weights}
    if len(counts) != 1 or any(((s < 0) | (s >= len(joints))).any() for s in slots):
        raise InvalidInput(f"{attributes.where} has influences that do not fit each other.")
    rows = counts.pop()
    slot = _fitted(np.concatenate(slots, axis=1), len(bind))
    weight = _fitted(np.concatenate(weights, axis=1).astype(np.float64), len(bind))
    total = weight.sum(axis=1, keepdims=True)
    share = np.where(total > 1e-9, weight / np.maximum(total, 1e-9), np.eye(1, weight.shape[1]))
    moved = np.zeros_like(bind)
    for k in range(slot.shape[1]):
        matrix = world_from_bind[slot[:, k]]
        placed = np.einsum("nij,nj->ni", matrix[:, :3, :3], bind) + matrix[:, :3, 3]
        moved += share[:, k, None] * placed
    return moved, joints[slot], weight, rows


def _fitted(array: _Array, rows: int) -> _Array:
    """The first ``rows`` of an array, with zeros where it has fewer."""
    missing = max(rows - len(array), 0)
    return np.pad(array[:rows], ((0, missing), (0, 0)))
