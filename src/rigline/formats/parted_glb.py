"""An avatar of fifteen meshes to GLB, as the marketplace takes it.

The scene::

    Root                            at the origin
      HumanoidRootNode              at the hips
        LowerTorso … the other parts, and the attachments on their parts' joints
    Head_Geo … RightFoot_Geo        skinned, each one primitive, all with one material
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
from rigline.avatar.body import PART_NAMES
from rigline.avatar.mesh import Floats
from rigline.avatar.part_meshes import PartMesh
from rigline.formats.avatar_rig import (
    add_cages,
    add_skeleton,
    add_skin,
    indices,
    influences,
    unit,
)
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder

GEO_SUFFIX: Final = "_Geo"
MATERIAL: Final = "Body"


@dataclass(frozen=True, eq=False)
class PartedAvatar:
    """What goes into the file; positions in one frame: +Y up, facing +Z, feet on Y = 0, in studs.

    ``joints (15, 3)``; ``cage_vertices (C, 3)`` in the template's order.
    """

    meshes: Sequence[PartMesh]
    joints: Floats
    cage_vertices: Floats
    attachments: Sequence[AttachmentPoint]


def write_parted_avatar(avatar: PartedAvatar) -> bytes:
    """The avatar as one GLB file. Deterministic."""
    glb = GlbBuilder(f"Rigline {__version__}")
    material = glb.add("materials", {"name": MATERIAL})
    bones, root = add_skeleton(glb, avatar.joints, avatar.attachments)
    skin = add_skin(glb, avatar.joints, bones)
    body = [_add_part(glb, mesh, material, skin) for mesh in avatar.meshes]
    cages = add_cages(glb, avatar.cage_vertices)
    glb.document["scenes"] = [{"name": "Avatar", "nodes": [root, *body, *cages]}]
    glb.document["scene"] = 0
    return glb.to_bytes()


def _add_part(glb: GlbBuilder, mesh: PartMesh, material: int, skin: int) -> int:
    name = PART_NAMES[mesh.part] + GEO_SUFFIX
    attributes: dict[str, npt.NDArray[Any]] = {
        "POSITION": mesh.positions.astype(np.float32),
        "NORMAL": unit(mesh.normals),
    }
    if mesh.uvs is not None:
        attributes["TEXCOORD_0"] = mesh.uvs.astype(np.float32)
    attributes |= influences(mesh.weights)
    primitive = {
        "attributes": {
            key: glb.add_array(array, ARRAY_BUFFER, with_range=key == "POSITION")
            for key, array in attributes.items()
        },
        "indices": glb.add_array(indices(mesh.faces), ELEMENT_ARRAY_BUFFER),
        "material": material,
    }
    own = glb.add("meshes", {"name": name, "primitives": [primitive]})
    return glb.add("nodes", {"name": name, "mesh": own, "skin": skin})
