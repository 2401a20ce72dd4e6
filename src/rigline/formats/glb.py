"""glTF 2.0 in its two single-file forms: binary GLB, and JSON with embedded ``data:`` buffers.

A reader of our own on numpy and json, because no library we know keeps materials and textures byte
for byte, checks every count against hard limits before it allocates, and never opens a file or
address that the model names.

What is read: all triangles (lists, strips, fans; indexed or not) of all instances in the default
scene, in world space, with normals, the first colours, and the set of texture coordinates that the
material's base colour is laid out by. Skinned meshes are taken in bind pose, with their bones and
weights; morph targets in the mix that the file shows, and then let go. VRM's humanoid bones and
front are read. Cages of avatars (``*_OuterCage``,
``*_InnerCage``) are no part of the body and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rigline.avatar.mesh import Floats
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_compression import DRACO, MESHOPT
from rigline.formats.gltf_container import GltfFile, open_glb, open_gltf
from rigline.formats.gltf_json import JsonObject, brief
from rigline.formats.gltf_materials import MaterialShelf, shown_uv_set
from rigline.formats.gltf_nodes import Node, NodeTree, read_tree, world_from_bind
from rigline.formats.gltf_primitives import GeometryBudget, placed, read_primitive
from rigline.formats.gltf_rig import RigShelf
from rigline.formats.gltf_vrm import read_vrm
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece, assemble
from rigline.formats.source_model import SourceModel
from rigline.formats.warning_log import WarningLog

CAGE_SUFFIXES = ("_OuterCage", "_InnerCage")

_UNDERSTOOD_PREFIXES = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "VRM")
_UNDERSTOOD = (DRACO, *MESHOPT, "KHR_mesh_quantization", "KHR_lights_punctual", "KHR_xmp_json_ld")


def read_glb(data: bytes, limits: Limits) -> SourceModel:
    """The model in a binary GLB 2.0 file; ``InvalidInput`` when it cannot be used."""
    return _read(open_glb(data, limits), "glb", limits)


def read_gltf(data: bytes, limits: Limits) -> SourceModel:
    """The model in a .gltf file with embedded buffers; ``InvalidInput`` when it cannot be used."""
    return _read(open_gltf(data, limits), "gltf", limits)


def _read(file: GltfFile, file_format: str, limits: Limits) -> SourceModel:
    warnings = WarningLog()
    _check_extensions(file.document, warnings)
    tree = read_tree(file.document, limits)
    humanoid = read_vrm(file.document)
    accessors = AccessorReader(file, limits)
    # Absurd transforms overflow; the assembly refuses what is not finite, so numpy may be silent.
    with np.errstate(all="ignore"):
        bones = RigShelf(file.document, accessors, tree, warnings)
        pieces = list(_pieces(file, tree, accessors, bones, limits, warnings))
        has_uvs = any(piece.uvs is not None for piece in pieces)
        shelf = MaterialShelf(file, limits, warnings, has_uvs)
        pieces = [replace(piece, material=shelf.material(piece.material)) for piece in pieces]
        front = "Z" if humanoid is None else humanoid.front
        return assemble(
            pieces,
            shelf.library(),
            file_format if humanoid is None else "vrm",
            "Y",
            warnings,
            bones.rig(pieces, humanoid) if pieces else None,
            front,
        )


def _pieces(
    file: GltfFile,
    tree: NodeTree,
    accessors: AccessorReader,
    bones: RigShelf,
    limits: Limits,
    warnings: WarningLog,
) -> Iterator[Piece]:
    """Every primitive of every instance in the scene, in world space."""
    budget = GeometryBudget(limits)
    skins: dict[int, Floats] = {}
    for index in tree.scene:
        node = tree.nodes[index]
        if node.mesh is None:
            continue
        mesh = file.document.item("meshes", node.mesh)
        if node.name.endswith(CAGE_SUFFIXES):
            warnings.add("The file holds cages of an avatar; they were left out.")
            continue
        world_from_mesh = node.world_from_node
        if node.skin is not None:
            if node.skin not in skins:
                skins[node.skin] = world_from_bind(
                    file.document, accessors, tree, node.skin, warnings
                )
            world_from_mesh = skins[node.skin]
        morphs = _morph_weights(file.document, index, mesh)
        for number in range(mesh.size("primitives")):
            primitive = mesh.item("primitives", number)
            if primitive.size("targets"):
                warnings.add("Morph targets were left out; the model stands as the file shows it.")
            uv_set = shown_uv_set(file.document, primitive.optional_integer("material"))
            read = read_primitive(
                primitive, _name(node, mesh), accessors, budget, warnings, morphs, uv_set
            )
            if read is not None:
                piece, used = read
                count = accessors.count(primitive.required_child("attributes").integer("POSITION"))
                moved_by = bones.influences(index, primitive, used, count, world_from_mesh)
                yield placed(replace(piece, influences=moved_by), world_from_mesh)


def _morph_weights(document: JsonObject, node: int, mesh: JsonObject) -> list[float]:
    """The mix of morph targets at rest: the node's own weights go before its mesh's."""
    for holder in (document.item("nodes", node), mesh):
        if holder.size("weights"):
            return holder.numbers("weights", holder.size("weights")) or []
    return []


def _name(node: Node, mesh: JsonObject) -> str:
    return node.name or mesh.text("name")


def _check_extensions(document: JsonObject, warnings: WarningLog) -> None:
    document.size("extensionsRequired")
    for name in document.values.get("extensionsRequired", []):
        if not isinstance(name, str):
            document.reject("extensionsRequired", "a list of names")
        if not name.startswith(_UNDERSTOOD_PREFIXES) and name not in _UNDERSTOOD:
            warnings.add(f"The file requires the extension {brief(name)}, which was ignored.")
