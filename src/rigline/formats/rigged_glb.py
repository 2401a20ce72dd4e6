"""Rigged glTF files: meshes at rest with their weights, bones, cages, attachments.

The same care with untrusted bytes as in :mod:`rigline.formats.glb`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from rigline.avatar.attachments import quaternion
from rigline.avatar.mesh import Floats
from rigline.errors import InvalidInput
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_container import GLB_MAGIC, GltfFile, open_glb, open_gltf
from rigline.formats.gltf_json import JsonObject
from rigline.formats.gltf_nodes import NodeTree, read_tree
from rigline.formats.gltf_primitives import FAN, TRIANGLES, GeometryBudget, triangle_list
from rigline.formats.gltf_skin import skinned
from rigline.formats.gltf_textures import TextureShelf
from rigline.formats.image_header import read_header
from rigline.formats.limits import Limits
from rigline.formats.rigged_model import RiggedMesh, RiggedModel, RiggedNode, TextureUse
from rigline.formats.warning_log import WarningLog

COLOUR_SLOTS: Final = {
    "baseColorTexture": "base_color",
    "metallicRoughnessTexture": "metallic_roughness",
    "normalTexture": "normal",
    "emissiveTexture": "emissive",
    "occlusionTexture": "occlusion",
}


def read_rigged(data: bytes, limits: Limits | None = None) -> RiggedModel:
    """The rigged model in a glTF file, GLB or JSON with embedded buffers.

    Raises ``InvalidInput`` when it cannot be read.
    """
    limits = limits or Limits()
    if len(data) > limits.max_bytes:
        raise InvalidInput(
            f"The file has {len(data):,} bytes; at most {limits.max_bytes:,} are read.",
            limit=limits.max_bytes,
            remedy="Reduce its meshes and textures, or raise RIGLINE_MAX_BYTES.",
        )
    if data.startswith(GLB_MAGIC):
        file = open_glb(data, limits)
    elif data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        file = open_gltf(data, limits)
    else:
        raise InvalidInput("The file is not glTF.", remedy="Export the avatar as binary glTF 2.0.")
    tree = read_tree(file.document, limits)
    accessors = AccessorReader(file, limits)
    # Absurd transforms overflow; what is not finite is refused below.
    with np.errstate(all="ignore"):
        meshes = tuple(_meshes(file, tree, accessors, limits))
    skins = [file.document.item("skins", k) for k in range(file.document.size("skins"))]
    joints = dict.fromkeys(node for skin in skins for node in skin.indices("joints"))
    if any(node >= len(tree.nodes) for node in joints):
        raise InvalidInput("A skin names a joint that does not exist.")
    return RiggedModel(
        _nodes(file, tree),
        tuple(joints),
        meshes,
        tuple(_opaque(file.document)),
        tuple(_textures(file, limits)),
        _count_other_primitives(file.document, tree),
        "glb" if data.startswith(GLB_MAGIC) else "gltf",
    )


def _nodes(file: GltfFile, tree: NodeTree) -> tuple[RiggedNode, ...]:
    raw = [file.document.item("nodes", k) for k in range(len(tree.nodes))]
    parent = [-1] * len(raw)
    for k, node in enumerate(raw):
        for child in node.indices("children"):
            parent[child] = k
    return tuple(
        RiggedNode(
            node.name,
            parent[k],
            node.world_from_node,
            *_turn_and_scale(raw[k]),
        )
        for k, node in enumerate(tree.nodes)
    )


def _turn_and_scale(node: JsonObject) -> tuple[Floats, Floats]:
    """A node's own rotation ``(4,)`` and scale ``(3,)``, also where it has one matrix for all."""
    matrix = node.numbers("matrix", 16)
    if matrix is None:
        turn = np.array(node.numbers("rotation", 4) or [0.0, 0.0, 0.0, 1.0])
        return turn, np.array(node.numbers("scale", 3) or [1.0, 1.0, 1.0])
    linear = np.array(matrix).reshape(4, 4).T[:3, :3]
    scale = np.linalg.norm(linear, axis=0)
    if not np.isfinite(scale).all() or not (scale > 0).all():
        return np.array([0.0, 0.0, 0.0, 1.0]), scale
    return quaternion(linear / scale), scale


def _count_other_primitives(document: JsonObject, tree: NodeTree) -> int:
    meshes = {tree.nodes[k].mesh for k in tree.scene} - {None}
    found = [document.item("meshes", k) for k in sorted(m for m in meshes if m is not None)]
    return sum(
        mesh.item("primitives", n).integer("mode", TRIANGLES) < TRIANGLES
        for mesh in found
        for n in range(mesh.size("primitives"))
    )


def _meshes(
    file: GltfFile, tree: NodeTree, accessors: AccessorReader, limits: Limits
) -> Iterator[RiggedMesh]:
    """Every primitive of every instance; a mesh may be drawn many times, so the sum is bounded."""
    budget = GeometryBudget(limits)
    for index in tree.scene:
        node = tree.nodes[index]
        if node.mesh is None:
            continue
        mesh = file.document.item("meshes", node.mesh)
        for number in range(mesh.size("primitives")):
            primitive = mesh.item("primitives", number)
            if not TRIANGLES <= primitive.integer("mode", TRIANGLES) <= FAN:
                continue
            read = _mesh(file, tree, accessors, index, mesh.text("name"), primitive)
            budget.spend(len(read.faces), len(read.vertices))
            if not np.isfinite(read.vertices).all() or not np.isfinite(read.weights).all():
                raise InvalidInput(f"{primitive.where} has values that are not finite numbers.")
            yield read


def _mesh(
    file: GltfFile,
    tree: NodeTree,
    accessors: AccessorReader,
    index: int,
    name: str,
    primitive: JsonObject,
) -> RiggedMesh:
    attributes = primitive.required_child("attributes")
    accessors.unpack_draco(primitive)
    bind = accessors.floats(attributes.integer("POSITION"), "VEC3").astype(np.float64)
    corners = primitive.optional_integer("indices")
    order = np.arange(len(bind)) if corners is None else accessors.indices(corners)
    faces = triangle_list(order, primitive.integer("mode", TRIANGLES))
    if faces.size and faces.max() >= len(bind):
        raise InvalidInput(f"{primitive.where} names a vertex that does not exist.")
    skin = tree.nodes[index].skin
    if skin is not None and "JOINTS_0" in attributes.values:
        bound = skinned(file.document, tree, accessors, skin, attributes, bind)
        vertices, influences, weights, weight_rows = bound
    else:
        matrix = tree.nodes[index].world_from_node
        vertices = bind @ matrix[:3, :3].T + matrix[:3, 3]
        influences, weights = np.full((len(bind), 1), index), np.ones((len(bind), 1))
        weight_rows = len(bind)
    return RiggedMesh(
        index,
        name,
        vertices,
        faces,
        influences,
        weights,
        _attribute(attributes, "TEXCOORD_0", accessors, len(bind), "VEC2"),
        primitive.optional_integer("material"),
        weight_rows,
        sum(re.fullmatch(r"TEXCOORD_\d+", name) is not None for name in attributes.values),
        _attribute(attributes, "COLOR_0", accessors, len(bind), "VEC3", "VEC4"),
    )


def _attribute(
    attributes: JsonObject, name: str, accessors: AccessorReader, count: int, *types: str
) -> Floats | None:
    index = attributes.optional_integer(name)
    if index is None:
        return None
    if accessors.count(index) != count:
        raise InvalidInput(f"{attributes.place(name)} does not fit the vertices.")
    return accessors.floats(index, *types).astype(np.float64)


def _opaque(document: JsonObject) -> Iterator[bool]:
    for k in range(document.size("materials")):
        yield (document.item("materials", k).text("alphaMode") or "OPAQUE") == "OPAQUE"


def _textures(file: GltfFile, limits: Limits) -> Iterator[TextureUse]:
    shelf = TextureShelf(file, limits, WarningLog())
    for k in range(file.document.size("materials")):
        material = file.document.item("materials", k)
        for place in (material.child("pbrMetallicRoughness"), material):
            for slot, role in COLOUR_SLOTS.items():
                use = place.child(slot) if place is not None else None
                texture = None if use is None else shelf.texture(use.integer("index"))
                source = None if texture is None else shelf.textures[texture].get("source")
                header = None if source is None else read_header(shelf.images[source].data)
                if header is not None:
                    yield TextureUse(role, header.width, header.height, k)
