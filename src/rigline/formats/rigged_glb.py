"""Rigged GLB files as values: meshes at rest with their weights, bones, cages, attachments.

For checking and measuring avatars, our own and those of other tools; the same care with untrusted
bytes as in :mod:`rigline.formats.glb`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_container import GLB_MAGIC, GltfFile, open_glb
from rigline.formats.gltf_json import JsonObject
from rigline.formats.gltf_nodes import NodeTree, read_tree
from rigline.formats.gltf_textures import TextureShelf
from rigline.formats.image_header import read_header
from rigline.formats.limits import Limits
from rigline.formats.warning_log import WarningLog

MAX_INFLUENCE_SETS: Final = 4
COLOUR_SLOTS: Final = {
    "baseColorTexture": "base_color",
    "metallicRoughnessTexture": "metallic_roughness",
    "normalTexture": "normal",
    "emissiveTexture": "emissive",
    "occlusionTexture": "occlusion",
}


@dataclass(frozen=True, eq=False)
class RiggedNode:
    """A node at rest: its parent's index (-1 for none), place in the world, and own transform."""

    name: str
    parent: int
    world_from_node: Floats
    rotation: Floats
    scale: Floats


@dataclass(frozen=True, eq=False)
class RiggedMesh:
    """One primitive at rest, in the world: ``vertices (n, 3)``, ``faces (m, 3)``.

    ``influence_nodes`` and ``weights (n, k)`` name nodes of the file by index; a mesh without skin
    has one influence, its own node, of weight one. ``weights`` are as the file has them.
    """

    node: int
    mesh_name: str
    vertices: Floats
    faces: Ints
    influence_nodes: Ints
    weights: Floats
    uvs: Floats | None
    material: int | None


@dataclass(frozen=True)
class TextureUse:
    """An image as a material uses it."""

    role: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class RiggedModel:
    """A whole file. ``joints`` are the nodes that any skin names, in order, each once."""

    nodes: tuple[RiggedNode, ...]
    joints: tuple[int, ...]
    meshes: tuple[RiggedMesh, ...]
    opaque_materials: tuple[bool, ...]
    textures: tuple[TextureUse, ...]

    def ancestors(self, node: int) -> Iterator[int]:
        """The node, its parent, and so on up to a root."""
        while node >= 0:
            yield node
            node = self.nodes[node].parent


def read_rigged(data: bytes, limits: Limits | None = None) -> RiggedModel:
    """The rigged model in a GLB file; ``InvalidInput`` when it cannot be read."""
    limits = limits or Limits()
    if not data.startswith(GLB_MAGIC):
        raise InvalidInput("The file is not GLB.", remedy="Export the avatar as binary glTF 2.0.")
    file = open_glb(data, limits)
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
            np.array(raw[k].numbers("rotation", 4) or [0.0, 0.0, 0.0, 1.0]),
            np.array(raw[k].numbers("scale", 3) or [1.0, 1.0, 1.0]),
        )
        for k, node in enumerate(tree.nodes)
    )


def _meshes(
    file: GltfFile, tree: NodeTree, accessors: AccessorReader, limits: Limits
) -> Iterator[RiggedMesh]:
    """Every primitive of every instance; a mesh may be drawn many times, so the sum is bounded."""
    vertices = 0
    for index in tree.scene:
        node = tree.nodes[index]
        if node.mesh is None:
            continue
        mesh = file.document.item("meshes", node.mesh)
        for number in range(mesh.size("primitives")):
            primitive = mesh.item("primitives", number)
            if primitive.integer("mode", 4) != 4:
                continue
            read = _mesh(file, tree, accessors, index, mesh.text("name"), primitive)
            vertices += len(read.vertices)
            if vertices > limits.max_vertices:
                raise InvalidInput(
                    f"The file draws more than {limits.max_vertices:,} vertices.",
                    limit=limits.max_vertices,
                )
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
    bind = accessors.floats(attributes.integer("POSITION"), "VEC3").astype(np.float64)
    corners = primitive.optional_integer("indices")
    order = np.arange(len(bind)) if corners is None else accessors.indices(corners)
    faces = order[: len(order) // 3 * 3].reshape(-1, 3)
    if faces.size and faces.max() >= len(bind):
        raise InvalidInput(f"{primitive.where} names a vertex that does not exist.")
    skin = tree.nodes[index].skin
    if skin is not None and "JOINTS_0" in attributes.values:
        vertices, influences, weights = _skinned(file, tree, accessors, skin, attributes, bind)
    else:
        matrix = tree.nodes[index].world_from_node
        vertices = bind @ matrix[:3, :3].T + matrix[:3, 3]
        influences, weights = np.full((len(bind), 1), index), np.ones((len(bind), 1))
    uvs = attributes.optional_integer("TEXCOORD_0")
    if uvs is not None and accessors.count(uvs) != len(bind):
        raise InvalidInput(f"{attributes.place('TEXCOORD_0')} does not fit the vertices.")
    return RiggedMesh(
        index,
        name,
        vertices,
        faces,
        influences,
        weights,
        None if uvs is None else accessors.floats(uvs, "VEC2").astype(np.float64),
        primitive.optional_integer("material"),
    )


def _skinned(
    file: GltfFile,
    tree: NodeTree,
    accessors: AccessorReader,
    skin_index: int,
    attributes: JsonObject,
    bind: Floats,
) -> tuple[Floats, Ints, Floats]:
    """Vertices as the rest pose of the nodes places them, influences by node, and weights."""
    skin = file.document.item("skins", skin_index)
    joints = np.array(skin.indices("joints"))
    inverse: Floats = np.tile(np.eye(4), (len(joints), 1, 1))
    given = skin.optional_integer("inverseBindMatrices")
    if given is not None:
        matrices = accessors.floats(given, "MAT4").astype(np.float64)
        inverse = matrices.reshape(-1, 4, 4).transpose(0, 2, 1)
    if len(inverse) < len(joints) or not len(joints):
        raise InvalidInput(f"{skin.where} lacks bind matrices or joints.")
    world_from_bind = np.stack(
        [tree.nodes[j].world_from_node @ m for j, m in zip(joints, inverse, strict=False)]
    )
    slots, weights = [], []
    for k in range(MAX_INFLUENCE_SETS):
        if f"JOINTS_{k}" not in attributes.values:
            break
        slots.append(accessors.floats(attributes.integer(f"JOINTS_{k}"), "VEC4").astype(np.int64))
        weights.append(accessors.floats(attributes.integer(f"WEIGHTS_{k}"), "VEC4"))
    if {len(rows) for rows in slots} | {len(rows) for rows in weights} != {len(bind)} or any(
        ((s < 0) | (s >= len(joints))).any() for s in slots
    ):
        raise InvalidInput(f"{attributes.where} has influences that do not fit its vertices.")
    slot, weight = np.concatenate(slots, axis=1), np.concatenate(weights, axis=1).astype(np.float64)
    total = weight.sum(axis=1, keepdims=True)
    share = np.where(total > 1e-9, weight / np.maximum(total, 1e-9), np.eye(1, weight.shape[1]))
    moved = np.zeros_like(bind)
    for k in range(slot.shape[1]):
        matrix = world_from_bind[slot[:, k]]
        placed = np.einsum("nij,nj->ni", matrix[:, :3, :3], bind) + matrix[:, :3, 3]
        moved += share[:, k, None] * placed
    return moved, joints[slot], weight


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
                    yield TextureUse(role, header.width, header.height)
