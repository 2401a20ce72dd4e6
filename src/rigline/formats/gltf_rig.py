"""The bones of a glTF file's skins, and how they move its primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_json import JsonObject
from rigline.formats.gltf_nodes import NodeTree
from rigline.formats.gltf_vrm import VrmHumanoid
from rigline.formats.source_assembly import Piece
from rigline.formats.source_rig import MAX_BONES, Influences, SourceRig, rig_of_pieces
from rigline.formats.warning_log import WarningLog

MAX_SETS: Final = 4


class RigShelf:
    """The bones of all skins that are drawn, gathered while primitives are read.

    A rig is a help and never a condition: where it is broken, it is left out with a warning.
    """

    def __init__(
        self, document: JsonObject, accessors: AccessorReader, tree: NodeTree, warnings: WarningLog
    ) -> None:
        self._document = document
        self._accessors = accessors
        self._tree = tree
        self._warnings = warnings
        self._parents = _parents(document, len(tree.nodes))
        self._bones = self._listed()
        self._positions: Floats = np.array(
            [tree.nodes[node].world_from_node[:3, 3] for node in self._bones]
        ).reshape(-1, 3)
        self._bound: set[int] = set()
        self._skins: set[int] = set()

    def _listed(self) -> dict[int, int]:
        """Number of each bone's node, for the skins of nodes that are drawn."""
        skins = dict.fromkeys(self._tree.nodes[node].skin for node in self._tree.scene)
        bones: dict[int, int] = {}
        for skin in skins:
            if skin is not None:
                for node in self._document.item("skins", skin).indices("joints"):
                    bones.setdefault(node, len(bones))
        if len(bones) > MAX_BONES or any(node >= len(self._tree.nodes) for node in bones):
            self._warnings.add("The file's own skeleton is broken or too large; it was left out.")
            return {}
        return bones

    def influences(
        self, node: int, primitive: JsonObject, used: Ints, count: int, world_from_bind: Floats
    ) -> Influences | None:
        """Bones and weights of the vertices ``used`` out of ``count`` that a primitive draws.

        What has no skin follows the nearest bone above its node.
        """
        if not self._bones:
            return None
        try:
            return self._read(node, primitive, used, count, world_from_bind)
        except InvalidInput:
            self._warn()
            return None

    def _read(
        self, node: int, primitive: JsonObject, used: Ints, count: int, world_from_bind: Floats
    ) -> Influences | None:
        skin = self._tree.nodes[node].skin
        if skin is None:
            return self._rigid(node, len(used))
        joints = self._document.item("skins", skin).indices("joints")
        self._bind(skin, joints, world_from_bind)
        attributes = primitive.required_child("attributes")
        slots, weights = [], []
        for k in range(MAX_SETS):
            pair = [attributes.optional_integer(f"{kind}_{k}") for kind in ("JOINTS", "WEIGHTS")]
            if pair[0] is None or pair[1] is None:
                break
            if any(self._accessors.count(index) != count for index in pair if index is not None):
                self._warn()
                return None
            slots.append(self._accessors.floats(pair[0], "VEC4", rows=used))
            weights.append(self._accessors.floats(pair[1], "VEC4", rows=used))
        if not slots:
            return None
        slot = np.concatenate(slots, axis=1)
        if not np.isfinite(slot).all() or slot.min() < 0 or slot.max() >= len(joints):
            self._warn()
            return None
        bones = np.array([self._bones[joint] for joint in joints])[slot.astype(np.int64)]
        return Influences(bones, np.concatenate(weights, axis=1))

    def rig(self, pieces: Sequence[Piece], humanoid: VrmHumanoid | None) -> SourceRig | None:
        """The rig over the merged pieces; None where no piece has influences."""
        if not self._bones:
            return None
        if not np.isfinite(self._positions).all():
            self._warn()
            return None
        roles = {} if humanoid is None else humanoid.roles
        return rig_of_pieces(
            tuple(self._tree.nodes[node].name for node in self._bones),
            tuple(self._above(node) for node in self._bones),
            self._positions,
            tuple(roles.get(node, "") for node in self._bones),
            pieces,
        )

    def _rigid(self, node: int, count: int) -> Influences | None:
        bone = self._bones.get(node, self._above(node))
        if bone < 0:
            return None
        return Influences(np.full((count, 1), bone), np.ones((count, 1), np.float32))

    def _above(self, node: int) -> int:
        above = self._parents[node]
        while above >= 0 and above not in self._bones:
            above = self._parents[above]
        return self._bones.get(above, -1)

    def _bind(self, skin: int, joints: list[int], world_from_bind: Floats) -> None:
        """Bones to where the bind pose has them, in the space that its mesh is placed in."""
        if skin in self._skins:
            return
        self._skins.add(skin)
        given = self._document.item("skins", skin).optional_integer("inverseBindMatrices")
        if given is None:
            return
        matrices = self._accessors.floats(given, "MAT4").astype(np.float64)
        for joint, matrix in zip(
            joints, matrices.reshape(-1, 4, 4).transpose(0, 2, 1), strict=False
        ):
            if joint in self._bound or not np.isfinite(matrix).all():
                continue
            linear, origin = matrix[:3, :3], matrix[:3, 3]
            if abs(np.linalg.det(linear)) > 1e-30:
                place = -np.linalg.solve(linear, origin)
                self._positions[self._bones[joint]] = (
                    world_from_bind[:3, :3] @ place + world_from_bind[:3, 3]
                )
                self._bound.add(joint)

    def _warn(self) -> None:
        self._warnings.add("The file's own skin weights are broken; they were left out.")


def _parents(document: JsonObject, count: int) -> list[int]:
    parents = [-1] * count
    for k in range(count):
        for child in document.item("nodes", k).indices("children"):
            parents[child] = k
    return parents
