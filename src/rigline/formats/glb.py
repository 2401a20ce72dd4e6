"""glTF 2.0 in its two single-file forms: binary GLB, and JSON with embedded ``data:`` buffers.

A reader of our own on numpy and json, because no library we know keeps materials and textures byte
for byte, checks every count against hard limits before it allocates, and never opens a file or
address that the model names.

What is read: all triangles (lists, strips, fans; indexed or not) of all instances in the default
scene, in world space, with normals, the first set of texture coordinates and the first colours.
Skinned meshes are taken in bind pose, morph targets at rest. Cages of avatars (``*_OuterCage``,
``*_InnerCage``) are no part of the body and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rigline.avatar.mesh import Floats
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_container import GltfFile, compressed, open_glb, open_gltf
from rigline.formats.gltf_json import JsonObject, brief
from rigline.formats.gltf_materials import MaterialShelf
from rigline.formats.gltf_nodes import Node, NodeTree, read_tree, world_from_bind
from rigline.formats.gltf_primitives import GeometryBudget, placed, read_primitive
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece, assemble
from rigline.formats.source_model import SourceModel
from rigline.formats.warning_log import WarningLog

COMPRESSIONS = (
    "KHR_draco_mesh_compression",
    "EXT_meshopt_compression",
    "KHR_meshopt_compression",
)
CAGE_SUFFIXES = ("_OuterCage", "_InnerCage")

_UNDERSTOOD_PREFIXES = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "VRM")
_UNDERSTOOD = ("KHR_mesh_quantization", "KHR_lights_punctual", "KHR_xmp_json_ld")


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
    # Absurd transforms overflow; the assembly refuses what is not finite, so numpy may be silent.
    with np.errstate(all="ignore"):
        pieces = list(_pieces(file, tree, limits, warnings))
        has_uvs = any(piece.uvs is not None for piece in pieces)
        shelf = MaterialShelf(file, limits, warnings, has_uvs)
        pieces = [replace(piece, material=shelf.material(piece.material)) for piece in pieces]
        return assemble(pieces, shelf.library(), file_format, "Y", warnings)


def _pieces(
    file: GltfFile, tree: NodeTree, limits: Limits, warnings: WarningLog
) -> Iterator[Piece]:
    """Every primitive of every instance in the scene, in world space."""
    accessors = AccessorReader(file, limits)
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
        for number in range(mesh.size("primitives")):
            primitive = mesh.item("primitives", number)
            piece = read_primitive(primitive, _name(node, mesh), accessors, budget, warnings)
            if piece is not None:
                yield placed(piece, world_from_mesh)


def _name(node: Node, mesh: JsonObject) -> str:
    return node.name or mesh.text("name")


def _check_extensions(document: JsonObject, warnings: WarningLog) -> None:
    document.size("extensionsRequired")
    for name in document.values.get("extensionsRequired", []):
        if not isinstance(name, str):
            document.reject("extensionsRequired", "a list of names")
        if name in COMPRESSIONS:
            raise compressed(name)
        if not name.startswith(_UNDERSTOOD_PREFIXES) and name not in _UNDERSTOOD:
            warnings.add(f"The file requires the extension {brief(name)}, which was ignored.")
