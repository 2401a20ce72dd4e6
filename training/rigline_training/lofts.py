"""Surfaces swept along a straight axis, with a cross-section that may be round, flat or square.

Low-poly characters are mostly made of these: a torso in one piece, limbs as tubes with a few loops
at each bend. Unlike a primitive, a loft may hold several parts, and its label changes where the
joint is, not where the piece ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rigline_training.character import Floats, Ints, Piece, Solid
from rigline_training.solids import grid_faces

LOOP_GAP = 0.004
"""Half the distance of the two loops on either side of a part boundary."""


@dataclass(frozen=True)
class Section:
    """A cross-section: superellipse of this ``power`` (2 is round, 8 nearly a box) with so many
    corners, turned so that four corners make an upright box."""

    power: float
    corners: int

    def outline(self) -> Floats:
        """(corners, 2) points of the unit section."""
        angle = (np.arange(self.corners) + 0.5) / self.corners * 2 * np.pi
        c, s = np.cos(angle), np.sin(angle)
        if self.corners == 4:
            return np.stack([np.sign(c), np.sign(s)], axis=1)
        reach = (np.abs(c) ** self.power + np.abs(s) ** self.power) ** (-1 / self.power)
        return np.stack([c * reach, s * reach], axis=1)


def loft(
    stations: Floats, half: Floats, section: Section, labels: Ints, *, offset: Floats | None = None,
    solid: bool = True, name: str = "loft",
) -> Piece:  # fmt: skip
    """A closed tube along +Y through rings at heights ``stations (r,)``.

    ``half (r, 2)`` are the half widths across (x) and in depth (z), ``labels (r,)`` each ring's
    part; ``offset (r, 2)`` moves rings sideways. The tube is closed by a fan at both ends.
    """
    rings, outline = len(stations), section.outline()
    n = len(outline)
    flat = half[:, None, :] * outline[None]  # (r, n, 2)
    if offset is not None:
        flat = flat + offset[:, None, :]
    y = np.broadcast_to(stations[:, None], (rings, n))
    vertices = np.stack([flat[..., 0], y, flat[..., 1]], axis=-1).reshape(-1, 3)
    middle = flat.mean(axis=1)
    ends = np.array([[middle[k, 0], stations[k], middle[k, 1]] for k in (0, -1)])
    around = np.arange(n)
    after = (around + 1) % n
    last = (rings - 1) * n
    low = np.stack([np.full(n, rings * n), around, after], axis=1)
    high = np.stack([np.full(n, rings * n + 1), last + after, last + around], axis=1)
    faces = np.concatenate([grid_faces(rings, n), low, high])
    every = np.concatenate([np.repeat(labels, n), labels[[0, -1]]]).astype(np.int64)
    inside = _solid_within(stations, half, section, offset) if solid else None
    return Piece(np.concatenate([vertices, ends]), faces, every, inside, name=name)


def _solid_within(stations: Floats, half: Floats, section: Section, offset: Floats | None) -> Solid:
    """A simple solid that lies inside the loft, for telling what it hides."""
    kind = "box" if section.power > 4 or section.corners == 4 else "cylinder"
    narrow = np.quantile(half, 0.3, axis=0)
    shift = np.zeros(2) if offset is None else offset.mean(axis=0)
    centre = np.array([shift[0], (stations[0] + stations[-1]) / 2, shift[1]])
    size = np.array([narrow[0], (stations[-1] - stations[0]) / 2, narrow[1]])
    return Solid(kind, size, centre, np.eye(3))


def boundary_stations(
    bounds: Floats, low: float, high: float, extra: int = 0
) -> tuple[Floats, Ints]:
    """Ring heights from low to high with a pair of loops at each boundary, and each ring's section.

    ``bounds (k,)`` rising; ``extra`` more loops are spread evenly. Returns the stations and, for
    each, how many boundaries lie below it.
    """
    marks = np.concatenate([[low], *[[b - LOOP_GAP, b + LOOP_GAP] for b in bounds], [high]])
    middles = (marks[0::2] + marks[1::2]) / 2
    even = np.linspace(low, high, extra + 2)[1:-1]
    even = even[np.abs(even[:, None] - bounds[None]).min(axis=1, initial=1.0) > 2 * LOOP_GAP]
    stations = np.sort(np.concatenate([marks, middles, even]))
    return stations, np.searchsorted(bounds, stations)


def placed(piece: Piece, axes: Floats, origin: Floats) -> Piece:
    """The piece with its own axes turned to the columns of ``axes (3, 3)`` and moved to origin."""
    solid = piece.solid
    if solid is not None:
        solid = Solid(solid.kind, solid.half, solid.centre @ axes.T + origin, axes @ solid.axes)
    faces = piece.faces if np.linalg.det(axes) > 0 else piece.faces[:, ::-1]
    moved = piece.vertices @ axes.T + origin
    return Piece(moved, faces, piece.labels, solid, piece.covers, piece.name)
