"""Rigged FBX files: meshes in their bind pose with weights, bones, cages, attachments.

The scene is turned +Y up and keeps the numbers of the file's own unit, which is what tools that
import an avatar go by. Read by ``ufbx``, as in :mod:`rigline.formats.fbx`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.fbx import load_scene, pieces_by_material
from rigline.formats.fbx_arrays import ElementGuard, matrix_of
from rigline.formats.fbx_rig import FbxBones
from rigline.formats.gltf_json import clean_text
from rigline.formats.gltf_primitives import GeometryBudget, placed
from rigline.formats.image_header import read_header
from rigline.formats.limits import Limits
from rigline.formats.rigged_model import RiggedMesh, RiggedModel, RiggedNode, TextureUse
from rigline.formats.throwaway import is_throwaway
from rigline.formats.warning_log import WarningLog

MAPS: Final = {
    "base_color": "base_color",
    "metalness": "metallic_roughness",
    "roughness": "metallic_roughness",
    "normal_map": "normal",
    "emission_color": "emissive",
    "ambient_occlusion": "occlusion",
}
"""Maps of ``ufbx`` by their role in a material."""


@np.errstate(all="ignore")  # absurd transforms overflow; what is not finite is refused below
def read_rigged_fbx(data: bytes, limits: Limits) -> RiggedModel:
    """The rigged model in an FBX file, always read in a process of its own.

    Raises ``InvalidInput`` when it cannot be used, and where ``ufbx`` is not installed.
    """
    if not is_throwaway():
        from rigline.formats.isolation import read_rigged_isolated

        return read_rigged_isolated(data, "", limits)
    return _Reader.open(data, limits).model()


@dataclass
class _Reader:
    """One scene on its way to a model."""

    scene: Any
    guard: ElementGuard
    bones: FbxBones
    nodes: list[Any]
    number: dict[int, int]
    limits: Limits

    @classmethod
    def open(cls, data: bytes, limits: Limits) -> _Reader:
        scene = load_scene(data, limits, unit_m=None)
        guard = ElementGuard(scene)
        if len(scene.nodes) > limits.max_nodes:
            raise InvalidInput(
                f"The scene has {len(scene.nodes)} nodes; at most {limits.max_nodes} are read.",
                remedy="Export the character alone.",
            )
        nodes = list(guard.all(scene.nodes))
        number = {node.typed_id: k for k, node in enumerate(nodes)}
        return cls(scene, guard, FbxBones(scene, guard, WarningLog()), nodes, number, limits)

    def model(self) -> RiggedModel:
        """The whole file; materials are numbered as they are met."""
        materials: dict[int, Any] = {}
        meshes = tuple(self._meshes(materials))
        nodes = tuple(self._node(node) for node in self.nodes)
        if not all(np.isfinite(node.world_from_node).all() for node in nodes):
            raise InvalidInput("A node of the file stands at no place.")
        joints = tuple(self.number[node.typed_id] for node in self.bones.nodes)
        return RiggedModel(
            nodes, joints, meshes, tuple(_is_opaque(material) for material in materials.values()),
            tuple(self._textures(materials)), format="fbx",
        )  # fmt: skip

    def _node(self, node: Any) -> RiggedNode:
        own, above = node.local_transform, self.guard.one(node.parent)
        turn = np.array([own.rotation.x, own.rotation.y, own.rotation.z, own.rotation.w])
        scale = np.array([own.scale.x, own.scale.y, own.scale.z])
        name = "" if node.is_root else clean_text(node.name)
        parent = -1 if above is None else self.number[above.typed_id]
        return RiggedNode(name, parent, self._place(node), turn, scale)

    def _place(self, node: Any) -> Floats:
        """Where a node stands; bones stand where the bind pose has them."""
        place = matrix_of(node.node_to_world)
        bound = self.bones.position(node)
        if bound is not None:
            place[:3, 3] = bound
        return place

    def _meshes(self, materials: dict[int, Any]) -> Iterator[RiggedMesh]:
        budget = GeometryBudget(self.limits)
        for index, node in enumerate(self.nodes):
            mesh = self.guard.one(node.mesh)
            if mesh is None or not mesh.num_faces:
                continue
            budget.spend(mesh.num_triangles, min(mesh.num_indices, 3 * mesh.num_triangles))
            world = self.bones.placement(node, mesh)
            influences = self.bones.influences(node, mesh)
            given = list(self.guard.all(node.materials))
            for number, piece in pieces_by_material(clean_text(node.name), mesh, influences):
                piece = placed(piece, world)
                count = len(piece.positions)
                nodes, weights = np.full((count, 1), index), np.ones((count, 1))
                if piece.influences is not None:
                    nodes = self._nodes_of(piece.influences.bones)
                    weights = piece.influences.weights.astype(np.float64)
                if not np.isfinite(piece.positions).all() or not np.isfinite(weights).all():
                    raise InvalidInput(f"{piece.name} has values that are not finite numbers.")
                yield RiggedMesh(
                    index, piece.name, piece.positions, piece.faces, nodes, weights,
                    _wide(piece.uvs), _numbered(materials, given, number), count,
                    len(mesh.uv_sets), _wide(piece.colors),
                )  # fmt: skip

    def _nodes_of(self, bones: Ints) -> Ints:
        numbers = [self.number[node.typed_id] for node in self.bones.nodes]
        return np.array(numbers, np.int64)[bones]

    def _textures(self, materials: dict[int, Any]) -> Iterator[TextureUse]:
        for number, material in enumerate(materials.values()):
            for name, role in MAPS.items():
                texture = self.guard.one(getattr(material.pbr, name).texture)
                video = None if texture is None else self.guard.one(texture.video)
                data = b"" if texture is None else bytes(texture.content or b"")
                if not data and video is not None:
                    data = bytes(video.content or b"")
                header = read_header(data)
                if header is not None:
                    yield TextureUse(role, header.width, header.height, number)


def _numbered(materials: dict[int, Any], given: list[Any], number: int) -> int | None:
    if number >= len(given):
        return None
    materials.setdefault(given[number].typed_id, given[number])
    return list(materials).index(given[number].typed_id)


def _is_opaque(material: Any) -> bool:
    opacity = material.pbr.opacity
    return opacity.texture is None and not (opacity.has_value and opacity.value_vec4.x < 1)


def _wide(array: Any) -> Floats | None:
    return None if array is None else array.astype(np.float64)
