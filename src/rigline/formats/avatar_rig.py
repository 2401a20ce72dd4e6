"""What every avatar's file has, however its body is cut: skeleton, skin, cages, attachments.

Nothing is rotated or scaled at rest. Cages have a fully transparent masked material, so that
viewers show the body alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.attachments import AttachmentPoint
from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES, Part
from rigline.avatar.cage_template import CAGE_NAMES
from rigline.avatar.cage_transfer import CageMeshes
from rigline.avatar.marketplace.schema import HUMANOID_ROOT, ROOT
from rigline.avatar.mesh import Floats
from rigline.avatar.skinning import SkinWeights
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder
from rigline.formats.source_model import Float32s

BONES: Final = (ROOT, HUMANOID_ROOT, *PART_NAMES)
FIRST_PART: Final = 2
"""Index of the first part among ``BONES``."""

CAGE_MATERIAL: Final[dict[str, Any]] = {
    "name": "OuterCage",
    "alphaMode": "MASK",
    "alphaCutoff": 0.5,
    "pbrMetallicRoughness": {"baseColorFactor": [1.0, 1.0, 1.0, 0.0]},
}


def add_skeleton(
    glb: GlbBuilder, joints: Floats, attachments: Sequence[AttachmentPoint]
) -> tuple[list[int], int]:
    """Nodes of ``BONES`` in their order, and that of Root; children come before their parents."""
    children: list[list[int]] = [[] for _ in range(N_PARTS)]
    for point in attachments:
        node: dict[str, Any] = {
            "name": point.name,
            "translation": _offset(point.position - joints[point.part]),
        }
        if abs(point.rotation[3]) < 1:
            node["rotation"] = [float(v) for v in point.rotation]
        children[point.part].append(glb.add("nodes", node))
    nodes = [-1] * N_PARTS
    for part in _leaves_first():
        parent = PARENT[part]
        node = {"name": PART_NAMES[part]}
        if parent >= 0:
            node["translation"] = _offset(joints[part] - joints[parent])
        if children[part]:
            node["children"] = children[part]
        nodes[part] = glb.add("nodes", node)
        if parent >= 0:
            children[parent].append(nodes[part])
    hips = glb.add(
        "nodes",
        {
            "name": HUMANOID_ROOT,
            "translation": _offset(joints[Part.LOWER_TORSO]),
            "children": [nodes[Part.LOWER_TORSO]],
        },
    )
    root = glb.add("nodes", {"name": ROOT, "children": [hips]})
    return [root, hips, *nodes], root


def _leaves_first() -> list[int]:
    def depth(part: int) -> int:
        return 0 if PARENT[part] < 0 else 1 + depth(PARENT[part])

    return sorted(range(N_PARTS), key=depth, reverse=True)


def _offset(vector: Floats) -> list[float]:
    return [float(v) for v in vector.astype(np.float32)]


def add_skin(glb: GlbBuilder, joints: Floats, bones: list[int]) -> int:
    """The skin over ``bones``, whose joints stand at ``joints (15, 3)``."""
    positions = np.concatenate([np.zeros((1, 3)), joints[[Part.LOWER_TORSO]], joints])
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(BONES), 1, 1))
    inverse[:, 3, :3] = -positions  # column-major, so the translation is the last row
    return glb.add(
        "skins",
        {
            "inverseBindMatrices": glb.add_array(inverse.reshape(-1, 16)),
            "joints": bones,
            "skeleton": bones[0],
        },
    )


def add_cages(glb: GlbBuilder, cages: CageMeshes) -> list[int]:
    """The nodes of the fifteen cages."""
    material = glb.add("materials", CAGE_MATERIAL)
    nodes = []
    for part, name in enumerate(CAGE_NAMES):
        own, faces = cages.of_part(part)
        primitive = {
            "attributes": {
                "POSITION": glb.add_array(
                    cages.vertices[own].astype(np.float32), ARRAY_BUFFER, with_range=True
                ),
                "TEXCOORD_0": glb.add_array(cages.uvs[own].astype(np.float32), ARRAY_BUFFER),
            },
            "indices": glb.add_array(indices(faces), ELEMENT_ARRAY_BUFFER),
            "material": material,
        }
        mesh = glb.add("meshes", {"name": name, "primitives": [primitive]})
        nodes.append(glb.add("nodes", {"name": name, "mesh": mesh}))
    return nodes


def indices(faces: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Triangles as the shortest indices that hold them, in one row."""
    # The largest value of a type would be read as "restart the primitive", so it stays unused.
    kind = np.uint16 if faces.max() < 65535 else np.uint32
    return faces.astype(kind).ravel()


def unit(vectors: Floats) -> Float32s:
    """Vectors of length one; upwards where there was none."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])
    return unit.astype(np.float32)


def influences(weights: SkinWeights) -> dict[str, npt.NDArray[Any]]:
    """The attributes ``JOINTS_0`` and ``WEIGHTS_0``; joints count among ``BONES``."""
    bones = np.where(weights.weights > 0, weights.joints + FIRST_PART, 0).astype(np.uint8)
    return {"JOINTS_0": bones, "WEIGHTS_0": weights.weights}
