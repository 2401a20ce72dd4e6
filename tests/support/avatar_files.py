"""Finished avatars as GLB files, cut into fifteen meshes; and flaws that only a file can have."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from rigline.avatar.attachments import rotation_matrix
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.mesh import Floats
from rigline.formats.glb_builder import GlbBuilder

Document = dict[str, Any]
SLOTS = {"normal": "normalTexture", "emissive": "emissiveTexture"}


@dataclass(frozen=True)
class FileFlaw:
    """What the file says besides the avatar: a change of each primitive, then of the document."""

    primitive: Callable[[GlbBuilder, int, Document], None] = lambda glb, part, primitive: None
    document: Callable[[GlbBuilder], None] = lambda glb: None


def avatar_glb(avatar: AvatarUnderTest, flaw: FileFlaw | None = None) -> bytes:
    """The avatar as a file: bones with rotations and scales, one mesh for each part, cages."""
    flaw = flaw or FileFlaw()
    glb = GlbBuilder("tests")
    bones, worlds = _bones(avatar)
    for bone in bones:
        glb.add("nodes", bone)
    root = [k for k, above in enumerate(avatar.joint_parents) if above < 0]
    _attachments(glb, avatar, bones, worlds)
    skin = _skin(glb, worlds)
    material = _material(glb, avatar)
    tops = [*root]
    for part, name in enumerate(avatar.mesh_names):
        primitive = _primitive(glb, avatar, part, material)
        flaw.primitive(glb, part, primitive)
        mesh = glb.add("meshes", {"name": name, "primitives": [primitive]})
        tops.append(glb.add("nodes", {"name": name, "mesh": mesh, "skin": skin}))
    for cage in avatar.cages:
        attributes = {
            "POSITION": glb.add_array(cage.vertices.astype(np.float32), with_range=True),
            "TEXCOORD_0": glb.add_array(cage.uvs.astype(np.float32)),
        }
        indices = glb.add_array(cage.faces.astype(np.uint32).ravel())
        mesh = glb.add("meshes", {"primitives": [{"attributes": attributes, "indices": indices}]})
        tops.append(glb.add("nodes", {"name": cage.name, "mesh": mesh}))
    glb.document["scenes"] = [{"nodes": tops}]
    glb.document["scene"] = 0
    flaw.document(glb)
    return glb.to_bytes()


def node_named(glb: GlbBuilder, name: str) -> Document:
    """A node of the document, to change."""
    return next(node for node in glb.document["nodes"] if node.get("name") == name)


def _bones(avatar: AvatarUnderTest) -> tuple[list[Document], Floats]:
    assert avatar.joint_rotations is not None
    assert avatar.joint_scales is not None
    worlds: Floats = np.zeros((len(avatar.joint_names), 4, 4))
    done: dict[int, Floats] = {}

    def world(k: int) -> Floats:
        if k < 0:
            return np.eye(4)
        if k not in done:
            local = np.eye(4)
            local[:3, :3] = rotation_matrix(avatar.joint_rotations[k]) * avatar.joint_scales[k]
            placed = world(avatar.joint_parents[k]) @ local
            placed[:3, 3] = avatar.joint_positions[k]
            done[k] = placed
        return done[k]

    bones: list[Document] = []
    for k, name in enumerate(avatar.joint_names):
        worlds[k] = world(k)
        above = world(avatar.joint_parents[k])
        offset = np.linalg.solve(above, np.append(avatar.joint_positions[k], 1))[:3]
        bones.append({
            "name": name, "translation": offset.tolist(),
            "rotation": avatar.joint_rotations[k].tolist(),
            "scale": avatar.joint_scales[k].tolist(),
        })  # fmt: skip
    for k, above in enumerate(avatar.joint_parents):
        if above >= 0:
            bones[above].setdefault("children", []).append(k)
    return bones, worlds


def _attachments(
    glb: GlbBuilder, avatar: AvatarUnderTest, bones: list[Document], worlds: Floats
) -> None:
    first_part = avatar.joint_names.index("Head")
    for point in avatar.attachments:
        bone = first_part + point.part
        inverse = np.linalg.inv(worlds[bone])
        node = {
            "name": point.name,
            "translation": (inverse @ np.append(point.position, 1))[:3].tolist(),
            "rotation": point.rotation.tolist(),
        }
        bones[bone].setdefault("children", []).append(glb.add("nodes", node))


def _skin(glb: GlbBuilder, worlds: Floats) -> int:
    inverse = np.linalg.inv(worlds).transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)
    joints = list(range(len(worlds)))
    return glb.add("skins", {"joints": joints, "inverseBindMatrices": glb.add_array(inverse)})


def _material(glb: GlbBuilder, avatar: AvatarUnderTest) -> int:
    material: Document = {"pbrMetallicRoughness": {}}
    if avatar.opaque is False:
        material["alphaMode"] = "BLEND"
    for image in avatar.images:
        data = io.BytesIO()
        Image.new("RGB", (image.width, image.height), (128, 128, 255)).save(data, "PNG")
        source = glb.add(
            "images", {"bufferView": glb.add_bytes(data.getvalue()), "mimeType": "image/png"}
        )
        use = {"index": glb.add("textures", {"source": source})}
        if image.role == "base_color":
            material["pbrMetallicRoughness"]["baseColorTexture"] = use
        else:
            material[SLOTS[image.role]] = use
    return glb.add("materials", material)


def _primitive(glb: GlbBuilder, avatar: AvatarUnderTest, part: int, material: int) -> Document:
    """The mesh of a part. Influences beyond four go into further sets."""
    own = avatar.part == part
    index = np.cumsum(own) - 1
    faces = index[avatar.faces[own[avatar.faces].all(axis=1)]]
    attributes = {"POSITION": glb.add_array(avatar.vertices[own].astype(np.float32),
                                            with_range=True)}  # fmt: skip
    if avatar.uvs is not None:
        for k in range(avatar.uv_sets):
            attributes[f"TEXCOORD_{k}"] = glb.add_array(avatar.uvs[own].astype(np.float32))
    if avatar.vertex_colours is not None:
        attributes["COLOR_0"] = glb.add_array(avatar.vertex_colours[own].astype(np.float32))
    sets = -(-avatar.weights.shape[1] // 4)
    spare = ((0, 0), (0, 4 * sets - avatar.weights.shape[1]))
    weights = np.pad(avatar.weights[: len(own)][own], spare).astype(np.float32)
    joints = np.pad(avatar.weight_joints[: len(own)][own], spare).astype(np.uint8)
    for k in range(sets):
        columns = slice(4 * k, 4 * k + 4)
        attributes[f"JOINTS_{k}"] = glb.add_array(np.ascontiguousarray(joints[:, columns]))
        attributes[f"WEIGHTS_{k}"] = glb.add_array(np.ascontiguousarray(weights[:, columns]))
    indices = glb.add_array(faces.astype(np.uint32).ravel())
    return {"attributes": attributes, "indices": indices, "material": material}
