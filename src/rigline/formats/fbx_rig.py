"""The bones of an FBX file's skins, and how they move its meshes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from rigline.avatar.mesh import Floats
from rigline.formats.fbx_arrays import ElementGuard, matrix_of, numbers, reals
from rigline.formats.gltf_json import clean_text
from rigline.formats.source_assembly import Piece
from rigline.formats.source_rig import MAX_BONES, Influences, SourceRig, rig_of_pieces
from rigline.formats.warning_log import WarningLog

KEPT: Final = 8
"""Influences of a vertex that are kept on the way; the strongest four of them stay."""


class FbxBones:
    """The bones of all skins, ``nodes``; a rig that is too large is left out with a warning."""

    def __init__(self, scene: Any, guard: ElementGuard, warnings: WarningLog) -> None:
        self._guard = guard
        self.nodes: list[Any] = []
        self._number: dict[int, int] = {}
        for deformer in guard.all(scene.skin_deformers):
            for cluster in guard.all(deformer.clusters):
                node = guard.one(cluster.bone_node)
                if node is not None and node.typed_id not in self._number:
                    self._number[node.typed_id] = len(self.nodes)
                    self.nodes.append(node)
        if len(self.nodes) > MAX_BONES:
            warnings.add("The file's own skeleton is too large; it was left out.")
            self.nodes, self._number = [], {}
        places = [matrix_of(node.node_to_world)[:3, 3] for node in self.nodes]
        self._positions: Floats = np.array(places).reshape(-1, 3)
        self._bound: dict[int, Floats] = {}
        if self.nodes:
            self._bind_all(scene)

    def position(self, node: Any) -> Floats | None:
        """Where the bind pose has a bone, in the space of the meshes that were asked for; None for
        what is no bone."""
        number = self._number.get(node.typed_id)
        return None if number is None else self._positions[number]

    def influences(self, node: Any, mesh: Any) -> Influences | None:
        """Bones and weights of a mesh's vertices; without skin it follows the bone above it."""
        if not self.nodes:
            return None
        count = mesh.num_vertices
        skin = self._guard.first(mesh.skin_deformers)
        if skin is None:
            bone = self._above(node)
            if bone < 0:
                return None
            return Influences(np.full((count, 1), bone), np.ones((count, 1), np.float32))
        vertex, bone_of, weight = [], [], []
        for cluster in self._guard.all(skin.clusters):
            moved_by = self._guard.one(cluster.bone_node)
            if moved_by is None:
                continue
            bone = self._number[moved_by.typed_id]
            own = numbers(cluster.vertices)
            vertex.append(own)
            bone_of.append(np.full(len(own), bone))
            weight.append(reals(cluster.weights)[: len(own)])
        if not vertex:
            return None
        return _by_vertex(
            np.concatenate(vertex), np.concatenate(bone_of), np.concatenate(weight), count
        )

    def placement(self, node: Any, mesh: Any) -> Floats:
        """``(4, 4)`` places the mesh of a node in the bind pose.

        As in glTF the topmost bone's place counts, with the armature's scale and axes, and the pose
        of the others does not. What has no skin moves with the bone above it.
        """
        skin = self._guard.first(mesh.skin_deformers)
        placed = self._carried(node) if skin is None else self._skinned(skin)
        return matrix_of(node.geometry_to_world) if placed is None else placed

    def _carried(self, node: Any) -> Floats | None:
        """Where the bind pose of the bone above carries a mesh without skin."""
        above = self._above(node)
        if above not in self._bound:
            return None
        posed = matrix_of(self.nodes[above].node_to_world)
        if not np.isfinite(posed).all() or not np.linalg.det(posed[:3, :3]):
            return None
        bone_from_geometry = np.linalg.solve(posed, matrix_of(node.geometry_to_world))
        return np.asarray(self._bound[above] @ bone_from_geometry)

    def _skinned(self, skin: Any) -> Floats | None:
        """Where the topmost bone of a skin places its mesh."""
        chosen: tuple[int, Floats] | None = None
        for cluster in self._guard.all(skin.clusters):
            node = self._guard.one(cluster.bone_node)
            if node is not None:
                depth = self._depth(node)
                if chosen is None or depth < chosen[0]:
                    chosen = depth, matrix_of(cluster.geometry_to_world)
        return chosen[1] if chosen is not None and np.isfinite(chosen[1]).all() else None

    def _depth(self, node: Any) -> int:
        depth = 0
        while (node := self._guard.one(node.parent)) is not None:
            depth += 1
        return depth

    def rig(self, pieces: Sequence[Piece]) -> SourceRig | None:
        """The rig over the merged pieces; None where nothing is moved by bones."""
        if not self.nodes or not np.isfinite(self._positions).all():
            return None
        names = tuple(clean_text(node.name) for node in self.nodes)
        parents = tuple(self._above(self._guard.one(node.parent)) for node in self.nodes)
        return rig_of_pieces(names, parents, self._positions, ("",) * len(names), pieces)

    def _above(self, node: Any) -> int:
        while node is not None:
            if node.typed_id in self._number:
                return self._number[node.typed_id]
            node = self._guard.one(node.parent)
        return -1

    def _bind_all(self, scene: Any) -> None:
        """Every bone to where the first skin that it is in has it in the bind pose."""
        for node in self._guard.all(scene.nodes):
            mesh = self._guard.one(node.mesh)
            skin = None if mesh is None else self._guard.first(mesh.skin_deformers)
            if skin is not None:
                world_from_geometry = self.placement(node, mesh)
                for cluster in self._guard.all(skin.clusters):
                    bone = self._guard.one(cluster.bone_node)
                    if bone is not None:
                        bone_from_geometry = matrix_of(cluster.geometry_to_bone)
                        self._bind(
                            self._number[bone.typed_id], bone_from_geometry, world_from_geometry
                        )

    def _bind(self, bone: int, bone_from_geometry: Floats, world_from_geometry: Floats) -> None:
        """The bone to where the bind pose has it, in the space that its mesh is placed in."""
        sound = np.isfinite(bone_from_geometry).all()
        if bone in self._bound or not sound or not np.linalg.det(bone_from_geometry[:3, :3]):
            return
        self._bound[bone] = world_from_geometry @ np.linalg.inv(bone_from_geometry)
        self._positions[bone] = self._bound[bone][:3, 3]


def _by_vertex(vertex: Any, bone: Any, weight: Any, count: int) -> Influences | None:
    """Lists of influences as rows, the strongest of each vertex."""
    sound = (vertex >= 0) & (vertex < count) & np.isfinite(weight) & (weight > 0)
    vertex, bone, weight = vertex[sound], bone[sound], weight[sound]
    order = np.lexsort((-weight, vertex))
    vertex, bone, weight = vertex[order], bone[order], weight[order]
    start = np.searchsorted(vertex, np.arange(count))
    rank = np.arange(len(vertex)) - start[vertex]
    kept = rank < KEPT
    bones, weights = np.zeros((count, KEPT), np.int64), np.zeros((count, KEPT), np.float32)
    bones[vertex[kept], rank[kept]] = bone[kept]
    weights[vertex[kept], rank[kept]] = weight[kept]
    return Influences(bones, weights)
