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
from rigline.avatar.cage_transfer import CageMeshes
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
CLAMP_TO_EDGE: Final = 33071


@dataclass(frozen=True)
class AtlasImages:
    """The one material as PNG: colour; green roughness and blue metalness; normal."""

    base_color: bytes
    metallic_roughness: bytes
    normal: bytes


@dataclass(frozen=True, eq=False)
class PartedAvatar:
    """What goes into the file; positions in one frame: +Y up, facing +Z, feet on Y = 0, in studs.

    ``joints (15, 3)``.
    """

    meshes: Sequence[PartMesh]
    joints: Floats
    cages: CageMeshes
    attachments: Sequence[AttachmentPoint]
    atlas: AtlasImages | None = None


def write_parted_avatar(avatar: PartedAvatar) -> bytes:
    """The avatar as one GLB file. Deterministic."""
    glb = GlbBuilder(f"Rigline {__version__}")
    material = _add_material(glb, avatar.atlas)
    bones, root = add_skeleton(glb, avatar.joints, avatar.attachments)
    skin = add_skin(glb, avatar.joints, bones)
    body = [_add_part(glb, mesh, material, skin) for mesh in avatar.meshes]
    cages = add_cages(glb, avatar.cages)
    glb.document["scenes"] = [{"name": "Avatar", "nodes": [root, *body, *cages]}]
    glb.document["scene"] = 0
    return glb.to_bytes()


def _add_material(glb: GlbBuilder, atlas: AtlasImages | None) -> int:
    if atlas is None:
        return glb.add("materials", {"name": MATERIAL})
    sampler = glb.add("samplers", {"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE})

    def texture(name: str, data: bytes) -> dict[str, int]:
        image = {"bufferView": glb.add_bytes(data), "mimeType": "image/png", "name": name}
        return {
            "index": glb.add("textures", {"source": glb.add("images", image), "sampler": sampler})
        }

    pbr = {
        "baseColorTexture": texture("base_color", atlas.base_color),
        "metallicRoughnessTexture": texture("metallic_roughness", atlas.metallic_roughness),
    }
    normal = texture("normal", atlas.normal)
    return glb.add(
        "materials",
        {"name": MATERIAL, "pbrMetallicRoughness": pbr, "normalTexture": normal},
    )


def _add_part(glb: GlbBuilder, mesh: PartMesh, material: int, skin: int) -> int:
    name = PART_NAMES[mesh.part] + GEO_SUFFIX
    attributes: dict[str, npt.NDArray[Any]] = {
        "POSITION": mesh.positions.astype(np.float32),
        "NORMAL": unit(mesh.normals),
    }
    if mesh.tangents is not None:
        flat = (
            mesh.tangents
            - (mesh.tangents * attributes["NORMAL"]).sum(axis=1, keepdims=True)
            * attributes["NORMAL"]
        )
        side = np.ones((len(flat), 1), np.float32)
        attributes["TANGENT"] = np.concatenate([unit(flat), side], axis=1)
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
