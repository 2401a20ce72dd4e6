"""A synthetic character: pieces of mesh with known parts, and the joints that move them.

Frame of every array here: +Y up, facing +Z, the character's left at +X. The unit is free; a
character is normalised only when it is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rigline.avatar.body import N_PARTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Solid:
    """The closed shape behind a primitive piece, for telling what lies hidden inside it.

    ``axes`` (3, 3) holds the shape's own axes as columns, ``half`` (3,) its half extents.
    """

    kind: str
    half: Floats
    centre: Floats
    axes: Floats

    def contains(self, points: Floats, shrink: float = 0.98) -> NDArray[np.bool_]:
        """(n,) whether each point (n, 3) lies inside the solid, shrunk by a factor."""
        q = np.abs((points - self.centre) @ self.axes) / np.maximum(self.half, 1e-6)
        if self.kind == "box":
            return q.max(axis=1) < shrink
        if self.kind in ("cylinder", "capsule"):
            return (np.hypot(q[:, 0], q[:, 2]) < shrink) & (q[:, 1] < shrink)
        if self.kind == "ellipsoid":
            return np.linalg.norm(q, axis=1) < shrink
        return np.zeros(len(points), bool)


@dataclass(frozen=True)
class Piece:
    """One connected or loose piece of surface.

    ``vertices`` (n, 3), ``faces`` (m, 3), ``labels`` (n,) the part of each vertex. ``solid`` is set
    for closed primitives. ``covers`` says that body points inside the solid are usually removed,
    as modellers do under helmets and boots. ``area_share`` weights the piece when it is sampled.
    """

    vertices: Floats
    faces: Ints
    labels: Ints
    solid: Solid | None = None
    covers: bool = False
    name: str = "body"

    def moved(self, vertices: Floats) -> Piece:
        """The same piece with other positions and no solid."""
        return replace(self, vertices=vertices, solid=None)


@dataclass(frozen=True)
class Character:
    """Pieces and the fifteen joints (15, 3); ``style`` names how it was made."""

    pieces: tuple[Piece, ...]
    joints: Floats
    style: str
    tags: tuple[str, ...] = field(default=())

    def merged(self) -> tuple[Floats, Ints, Ints]:
        """All pieces as one mesh: vertices (N, 3), faces (M, 3), labels (N,)."""
        offset, faces = 0, []
        for piece in self.pieces:
            faces.append(piece.faces + offset)
            offset += len(piece.vertices)
        return (
            np.concatenate([p.vertices for p in self.pieces]),
            np.concatenate(faces),
            np.concatenate([p.labels for p in self.pieces]),
        )


def one_hot(labels: Ints) -> Floats:
    """(n, 15) one-hot rows of part labels (n,)."""
    return np.eye(N_PARTS)[labels]


def rotation(axis: Floats, angle_rad: float) -> Floats:
    """(3, 3) right-handed rotation about an axis (Rodrigues)."""
    axis = np.asarray(axis, float)
    norm = np.linalg.norm(axis)
    if norm < 1e-9 or angle_rad == 0:
        return np.eye(3)
    x, y, z = axis / norm
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle_rad) * k + (1 - np.cos(angle_rad)) * (k @ k)


def basis_along(direction: Floats) -> Floats:
    """(3, 3) right-handed axes as columns; the second one runs along the direction."""
    y = np.asarray(direction, float) / (np.linalg.norm(direction) + 1e-12)
    hint = np.array([0.0, 0, 1]) if abs(y[2]) < 0.9 else np.array([1.0, 0, 0])
    x = np.cross(y, hint)
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], axis=1)
