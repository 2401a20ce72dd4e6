"""FBX, binary or text, of any version from 3.0 on, as Maya, Blender and Mixamo write it.

Read by ``ufbx``, an extra of the wheel, because the format has no public specification and twenty
years of dialects. Of the readers on PyPI it is the one that takes every dialect, turns axes, units
and pre-rotations right, and comes for all systems. Its binding counts references wrongly, though,
so it is let loose only in a process that ends with the file (docs/security.md).

The scene comes out +Y up and in metres, whatever axes and unit the file is in. Skinned meshes are
taken in bind pose, blend shapes at rest. Embedded textures are kept; files beside it never opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.fbx_arrays import ElementGuard, kept, numbers, rows, vectors
from rigline.formats.fbx_materials import FbxMaterialShelf
from rigline.formats.fbx_rig import FbxBones
from rigline.formats.gltf_json import clean_text
from rigline.formats.gltf_primitives import GeometryBudget, placed
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece, assemble
from rigline.formats.source_model import Float32s, SourceModel
from rigline.formats.source_rig import Influences
from rigline.formats.throwaway import is_throwaway
from rigline.formats.warning_log import WarningLog

SIGNATURES = (b"Kaydara FBX Binary", b"; FBX")
CAGE_SUFFIXES = ("_OuterCage", "_InnerCage")
BONE_SHAPE = "Icosphere"
REMEDY = "Export it again as FBX 7.4 binary, or as GLB."


# Absurd transforms overflow; the assembly refuses what is not finite, so numpy may be silent.
@np.errstate(all="ignore")
def read_fbx(data: bytes, limits: Limits) -> SourceModel:
    """The model in an FBX file, always read in a process of its own.

    Raises ``InvalidInput`` when it cannot be used, and where ``ufbx`` is not installed.
    """
    if not is_throwaway():
        from rigline.formats.isolation import read_isolated

        return read_isolated(data, "", limits)
    scene = load_scene(data, limits)
    guard, warnings = ElementGuard(scene), WarningLog()
    bones = FbxBones(scene, guard, warnings)
    shelf = FbxMaterialShelf(guard, limits, warnings)
    pieces = list(_pieces(scene, guard, bones, shelf, limits, warnings))
    rig = bones.rig(pieces) if pieces else None
    return assemble(pieces, shelf.library(), "fbx", "Y", warnings, rig, "Z")


def load_scene(data: bytes, limits: Limits, unit_m: float | None = 1.0) -> Any:
    """The scene of a file, +Y up, in units of ``unit_m`` metres or in those of the file.

    Raises ``InvalidInput`` when it cannot be read, and where ``ufbx`` is not installed.
    """
    unit = {} if unit_m is None else {"target_unit_meters": unit_m}
    try:
        import ufbx
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "FBX files need the library ufbx.",
            remedy="Run pip install 'rigline[fbx]', or export the model as GLB.",
        ) from error
    try:
        return ufbx.load_memory(
            data,
            file_format=ufbx.FileFormat.FBX,
            ignore_animation=True,
            load_external_files=False,
            index_error_handling=ufbx.IndexErrorHandling.ABORT_LOADING,
            node_depth_limit=limits.max_depth,
            target_axes=ufbx.axes_right_handed_y_up,
            **unit,
        )
    except Exception as error:  # the library has errors of its own for each fault
        words = clean_text(str(error), 120)
        raise InvalidInput(f"The FBX file cannot be read: {words}", remedy=REMEDY) from error


def _pieces(
    scene: Any,
    guard: ElementGuard,
    bones: FbxBones,
    shelf: FbxMaterialShelf,
    limits: Limits,
    warnings: WarningLog,
) -> Iterator[Piece]:
    """Every mesh of every node in world space, one piece for each material."""
    budget = GeometryBudget(limits)
    if len(scene.nodes) > limits.max_nodes:
        raise InvalidInput(
            f"The scene has {len(scene.nodes)} nodes; at most {limits.max_nodes} are read.",
            remedy="Export the character alone.",
        )
    for node in guard.all(scene.nodes):
        mesh = guard.one(node.mesh)
        if mesh is None or not mesh.num_faces:
            continue
        name = clean_text(node.name)
        if name.endswith(CAGE_SUFFIXES):
            warnings.add("The file holds cages of an avatar; they were left out.")
            continue
        if len(mesh.blend_deformers):
            warnings.add("Blend shapes were left out; the model stands at rest.")
        budget.spend(mesh.num_triangles, min(mesh.num_indices, 3 * mesh.num_triangles))
        world = bones.placement(node, mesh)
        influences = bones.influences(node, mesh)
        materials = list(guard.all(node.materials))
        if bones.nodes and influences is None and _is_bone_shape(name) and not materials:
            warnings.add("Blender's shape for drawing bones was left out.")
            continue
        for number, piece in pieces_by_material(name, mesh, influences):
            material = materials[number] if number < len(materials) else None
            yield placed(shelf.with_material(piece, material), world)


def _is_bone_shape(name: str) -> bool:
    """Whether a mesh that nothing moves or paints is called as the sphere that Blender's glTF
    importer draws bones with, which its FBX exporter then writes among the meshes."""
    return name.split(".")[0] == BONE_SHAPE


def pieces_by_material(
    name: str, mesh: Any, influences: Influences | None
) -> Iterator[tuple[int, Piece]]:
    """The triangles of each material over vertices that differ in place, normal, UV or colour."""
    corner, number = _triangles(mesh)
    place = numbers(mesh.vertex_indices)
    (normals, normal), (uvs, uv), (colors, color) = (
        _layer(layer, len(place))
        for layer in (mesh.vertex_normal, mesh.vertex_uv, mesh.vertex_color)
    )
    keys = np.stack([place, normal, uv, color], axis=1)
    positions = vectors(mesh.vertices)
    for material in np.unique(number):
        own = corner[number == material]
        used, faces = np.unique(keys[own.ravel()], axis=0, return_inverse=True)
        moved_by = None
        if influences is not None:
            row = used[:, 0]
            moved_by = Influences(influences.bones[row], influences.weights[row])
        upwards = _of(uvs, used[:, 2])
        yield (
            int(material),
            Piece(
                name,
                None,
                positions[used[:, 0]],
                faces.reshape(-1, 3).astype(np.int64),
                _of(normals, used[:, 1]),
                None if upwards is None else np.stack([upwards[:, 0], 1 - upwards[:, 1]], axis=1),
                _of(colors, used[:, 3]),
                moved_by,
            ),
        )


def _triangles(mesh: Any) -> tuple[Ints, Ints]:
    """Corners ``(m, 3)`` of the triangles, each polygon a fan, and their materials ``(m,)``."""
    faces = rows(mesh.faces)
    count = np.maximum(faces[:, 1] - 2, 0)
    polygon = np.repeat(np.arange(len(faces)), count)
    step = np.arange(len(polygon)) - np.repeat(np.cumsum(count) - count, count)
    first = faces[polygon, 0]
    corner = np.stack([first, first + step + 1, first + step + 2], axis=1)
    material = numbers(mesh.face_material)
    return corner, material[polygon] if len(material) == len(faces) else np.zeros_like(polygon)


def _layer(layer: Any, corners: int) -> tuple[Floats | None, Ints]:
    """The values of a layer, each once, and which of them each corner has."""
    if not kept(layer).exists:
        return None, np.zeros(corners, np.int64)
    found = np.ascontiguousarray(vectors(layer.values), np.float32)
    as_bytes = found.view(np.dtype((np.void, found.itemsize * found.shape[1]))).ravel()
    _, first, number = np.unique(as_bytes, return_index=True, return_inverse=True)
    return found[first].astype(np.float64), number[numbers(layer.indices)]


def _of(values: Floats | None, index: Ints) -> Float32s | None:
    return None if values is None else values[index].astype(np.float32)
