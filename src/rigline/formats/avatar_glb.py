"""A finished avatar to GLB: the input's geometry and looks on an R15 skeleton, with its cages.

The scene::

    Root                            at the origin
      HumanoidRootNode              at the hips
        LowerTorso                  no translation of its own
          UpperTorso … LeftUpperLeg … the other parts, and the attachments on their parts' joints
    Body                            the skinned mesh, one primitive for each of the input's
    Head_OuterCage … RightFoot_OuterCage
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline import __version__
from rigline.avatar.attachments import AttachmentPoint
from rigline.avatar.cage import OuterCage
from rigline.avatar.cage_transfer import own_cages
from rigline.avatar.mesh import Floats
from rigline.avatar.skinning import SkinWeights
from rigline.formats.avatar_rig import (
    add_cages,
    add_skeleton,
    add_skin,
    indices,
    influences,
    unit,
)
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder
from rigline.formats.source_model import Primitive, SourceModel

BODY: Final = "Body"


@dataclass(frozen=True, eq=False)
class FinishedAvatar:
    """What goes into the file; positions in one frame: +Y up, facing +Z, floor at Y = 0.

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
    bones, root = add_skeleton(glb, avatar.joints, avatar.attachments)
    body = glb.add(
        "nodes",
        {
            "name": BODY,
            "mesh": _add_body(glb, avatar),
            "skin": add_skin(glb, avatar.joints, bones),
        },
    )
    cages = add_cages(glb, own_cages(OuterCage(avatar.cage_vertices)))
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


def _add_body(glb: GlbBuilder, avatar: FinishedAvatar) -> int:
    source = avatar.source
    attributes: dict[str, npt.NDArray[Any]] = {"POSITION": avatar.vertices.astype(np.float32)}
    if source.normals is not None:
        attributes["NORMAL"] = unit(source.normals @ avatar.rotation.T)
    if source.uvs is not None:
        attributes["TEXCOORD_0"] = source.uvs
    if source.colors is not None:
        attributes["COLOR_0"] = source.colors
    attributes |= influences(avatar.weights)
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
        "indices": glb.add_array(indices(own), ELEMENT_ARRAY_BUFFER),
    }
    if primitive.material is not None:
        written["material"] = primitive.material
    return written
