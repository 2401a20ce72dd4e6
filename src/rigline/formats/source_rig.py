"""The rig that a file came with: bones at rest, and the weights of the merged mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import ContractViolation

MAX_BONES: Final = 4096
INFLUENCES: Final = 4


@dataclass(frozen=True, eq=False)
class Influences:
    """What moves the vertices of a piece: ``bones (n, k)`` by number and ``weights (n, k)``."""

    bones: Ints
    weights: npt.NDArray[np.float32]


class Influenced(Protocol):
    """A piece of a mesh that bones may move."""

    @property
    def positions(self) -> Floats:
        """``(n, 3)``."""

    @property
    def influences(self) -> Influences | None:
        """None where no bone moves it."""


@dataclass(frozen=True, eq=False)
class SourceRig:
    """B bones by name, each with its ``parents`` index (-1 for none) and ``positions (B, 3)``.

    Positions are those of the bind pose, in the frame and unit of the mesh. ``roles`` name the
    humanoid bone where the format says so (VRM), else ``""``. ``joints (N, 4)`` uint16 and
    ``weights (N, 4)`` float32 are the strongest influences of each vertex, descending, rows summing
    to one; a vertex that no bone moves has a row of zeros.

    Raises ``ContractViolation`` when these do not belong together.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    positions: Floats
    roles: tuple[str, ...]
    joints: npt.NDArray[np.uint16]
    weights: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.names)
        fits = (
            len(self.parents) == len(self.roles) == count <= MAX_BONES
            and self.positions.shape == (count, 3)
            and self.joints.shape == self.weights.shape
            and (not self.joints.size or int(self.joints.max()) < count)
            and all(-1 <= above < count for above in self.parents)
        )
        if not fits:
            raise ContractViolation("The arrays of a source rig do not belong together.")

    def plain(self) -> dict[str, Any]:
        """What is no array, as JSON."""
        return {"names": self.names, "parents": self.parents, "roles": self.roles}

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return {
            "rig_positions": self.positions, "rig_joints": self.joints, "rig_weights": self.weights,
        }  # fmt: skip

    @classmethod
    def from_parts(cls, plain: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> SourceRig:
        """What ``plain`` and ``tensors`` gave."""
        names = (tuple(plain[key]) for key in ("names", "parents", "roles"))
        name, parents, roles = names
        return cls(
            name, parents, tensors["rig_positions"], roles, tensors["rig_joints"],
            tensors["rig_weights"],
        )  # fmt: skip


def strongest(
    bones: npt.NDArray[Any], weights: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float32]]:
    """The four largest influences of rows ``(n, k)``, descending and normalised.

    One bone that comes twice in a row counts once with both weights. What is negative or not a
    number counts nothing.
    """
    sound = np.where(np.isfinite(weights) & (weights > 0), weights, 0.0).astype(np.float64)
    by_bone = np.argsort(bones, axis=1, kind="stable")
    bones = np.take_along_axis(bones, by_bone, axis=1)
    sound = np.take_along_axis(sound, by_bone, axis=1)
    for k in range(bones.shape[1] - 1, 0, -1):
        same = bones[:, k] == bones[:, k - 1]
        sound[same, k - 1] += sound[same, k]
        sound[same, k] = 0.0
    spare = max(INFLUENCES - sound.shape[1], 0)
    sound, bones = (np.pad(array, ((0, 0), (0, spare))) for array in (sound, bones))
    order = np.argsort(-sound, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(sound, order, axis=1)
    total = kept.sum(axis=1, keepdims=True)
    share = np.divide(kept, total, out=np.zeros_like(kept), where=total > 1e-9)
    chosen = np.where(share > 0, np.take_along_axis(bones, order, axis=1), 0)
    return chosen.astype(np.uint16), share.astype(np.float32)


def rig_of_pieces(
    names: tuple[str, ...],
    parents: tuple[int, ...],
    positions: Floats,
    roles: tuple[str, ...],
    pieces: Sequence[Influenced],
) -> SourceRig | None:
    """The rig over merged pieces, in their order; None where no piece has influences."""
    if all(piece.influences is None for piece in pieces):
        return None
    rows = [_strongest_of(piece) for piece in pieces]
    joints = np.concatenate([bones for bones, _ in rows])
    weights = np.concatenate([shares for _, shares in rows])
    return SourceRig(names, parents, positions, roles, joints, weights)


def _strongest_of(
    piece: Influenced,
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float32]]:
    if piece.influences is None:
        shape = (len(piece.positions), INFLUENCES)
        return np.zeros(shape, np.uint16), np.zeros(shape, np.float32)
    return strongest(piece.influences.bones, piece.influences.weights)
