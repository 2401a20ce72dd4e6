"""A finished avatar to GLB: the input's geometry and looks on an R15 skeleton, with its cages.

The scene::

    Root                            at the origin
      HumanoidRootNode              at the hips
        LowerTorso                  no translation of its own
          UpperTorso … LeftUpperLeg … the other parts, and the attachments on their parts' joints
    Body                            the skinned mesh, one primitive for each of the input's
    Head_OuterCage … RightFoot_OuterCage

Nothing is rotated or scaled at rest. Cages have a fully transparent masked material, so that
viewers show the body alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline import __version__
from rigline.avatar.attachments import AttachmentPoint
from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES, Part
from rigline.avatar.cage_template import CAGE_NAMES, template
from rigline.avatar.marketplace.schema import HUMANOID_ROOT, ROOT
from rigline.avatar.mesh import Floats
from rigline.avatar.skinning import SkinWeights
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder
from rigline.formats.source_model import Float32s, Primitive, SourceModel

BODY: Final = "Body"
BONES: Final = (ROOT, HUMANOID_ROOT, *PART_NAMES)
FIRST_PART: Final = 2
"""Index of the first part among ``BONES``."""

CAGE_MATERIAL: Final[dict[str, Any]] = {
    "name": "OuterCage",
    "alphaMode": "MASK",
    "alphaCutoff": 0.5,
    "pbrMetallicRoughness": {"baseColorFactor": [1.0, 1.0, 1.0, 0.0]},
}


@dataclass(frozen=True, eq=False)
class FinishedAvatar:
    """What goes into the file; positions in one frame: +Y up, facing +Z, feet on Y = 0.

    ``vertices (N, 3)`` in the order of ``source``; ``rotation (3, 3)`` took the source's directions
    here; ``joints (15, 3)``; ``cage_vertices (C, 3)`` in the template's order.
    """

    source: SourceModel
    vertices: Floats
    rotation: Floats
    joints: Floats
    weights: SkinWeights
    cage_vertices: Floats
    attachments: Sequence[AttachmentPoint]


def write_avatar(avatar: FinishedAvatar) -> bytes:
    """The avatar as one GLB file. Deterministic; images are the input's, byte for byte."""
    glb = GlbBuilder(f"Rigline {__version__}")
    _add_materials(glb, avatar.source)
    bones, root = _add_skeleton(glb, avatar.joints, avatar.attachments)
    body = glb.add(
        "nodes",
        {
            "name": BODY,
            "mesh": _add_body(glb, avatar),
            "skin": _add_skin(glb, avatar.joints, bones),
        },
    )
    cages = _add_cages(glb, avatar.cage_vertices)
    glb.document["scenes"] = [{"name": "Avatar", "nodes": [root, body, *cages]}]
    glb.document["scene"] = 0
    return glb.to_bytes()


def _add_materials(glb: GlbBuilder, source: SourceModel) -> None:
    library = source.materials
    for image in library.images:
        entry: dict[str, Any] = {
            "bufferView": glb.add_bytes(image.data),
            "mimeType": image.mime_type,
        }
        if image.name:
            entry["name"] = image.name
        glb.add("images", entry)
    for name in ("samplers", "textures", "materials"):
        for value in getattr(library, name):
            glb.add(name, value)
    if library.extensions_used:
        glb.document["extensionsUsed"] = list(library.extensions_used)


def _add_skeleton(
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


def _add_skin(glb: GlbBuilder, joints: Floats, bones: list[int]) -> int:
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


def _add_body(glb: GlbBuilder, avatar: FinishedAvatar) -> int:
    source = avatar.source
    weights = avatar.weights.weights
    bones = np.where(weights > 0, avatar.weights.joints + FIRST_PART, 0).astype(np.uint8)
    attributes: dict[str, npt.NDArray[Any]] = {"POSITION": avatar.vertices.astype(np.float32)}
    if source.normals is not None:
        attributes["NORMAL"] = _unit(source.normals @ avatar.rotation.T)
    if source.uvs is not None:
        attributes["TEXCOORD_0"] = source.uvs
    if source.colors is not None:
        attributes["COLOR_0"] = source.colors
    attributes |= {"JOINTS_0": bones, "WEIGHTS_0": weights}
    faces = source.mesh.faces
    primitives = [_primitive(glb, p, attributes, faces) for p in source.primitives]
    return glb.add("meshes", {"name": BODY, "primitives": primitives})


def _primitive(
    glb: GlbBuilder,
    primitive: Primitive,
    attributes: dict[str, npt.NDArray[Any]],
    faces: npt.NDArray[np.int64],
) -> dict[str, Any]:
    rows = slice(primitive.vertex_start, primitive.vertex_stop)
    own = faces[primitive.face_start : primitive.face_stop] - primitive.vertex_start
    written: dict[str, Any] = {
        "attributes": {
            name: glb.add_array(array[rows], ARRAY_BUFFER, with_range=name == "POSITION")
            for name, array in attributes.items()
        },
        "indices": glb.add_array(_indices(own), ELEMENT_ARRAY_BUFFER),
    }
    if primitive.material is not None:
        written["material"] = primitive.material
    return written


def _indices(faces: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    # The largest value of a type would be read as "restart the primitive", so it stays unused.
    kind = np.uint16 if faces.max() < 65535 else np.uint32
    return faces.astype(kind).ravel()


def _unit(vectors: Floats) -> Float32s:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])
    return unit.astype(np.float32)


def _add_cages(glb: GlbBuilder, vertices: Floats) -> list[int]:
    topology = template()
    material = glb.add("materials", CAGE_MATERIAL)
    nodes = []
    for part, name in enumerate(CAGE_NAMES):
        own = topology.vertex_slices[part]
        faces = topology.faces[topology.face_slices[part]] - own.start
        primitive = {
            "attributes": {
                "POSITION": glb.add_array(
                    vertices[own].astype(np.float32), ARRAY_BUFFER, with_range=True
                ),
                "TEXCOORD_0": glb.add_array(topology.uvs[own].astype(np.float32), ARRAY_BUFFER),
            },
            "indices": glb.add_array(_indices(faces), ELEMENT_ARRAY_BUFFER),
            "material": material,
        }
        mesh = glb.add("meshes", {"name": name, "primitives": [primitive]})
        nodes.append(glb.add("nodes", {"name": name, "mesh": mesh}))
    return nodes
