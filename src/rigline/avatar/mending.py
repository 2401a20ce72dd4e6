"""Needles and flat triangles taken out of a closed surface, which stays closed."""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.mesh import Floats, Ints, islands

MIN_EDGE: Final = 1e-4
"""A shorter edge shrinks to a point, in shares of the body's height."""

MIN_HEIGHT: Final = 4e-6
"""A triangle less high over its longest edge is divided among its neighbours."""

SPECK: Final = 2e-3
"""A separate shell that fits into a box of this size is dropped."""

ROUNDS: Final = 6


def mended(vertices: Floats, faces: Ints, part: Ints) -> tuple[Ints, Ints, Ints]:
    """Triangles without needles: ``(F', 3)``, the part of each, and the row that each was.

    ``vertices (V, 3)`` of a closed surface ``faces (F, 3)`` in the canonical frame, ``part (F,)``.
    Vertices stay where they are; lines between parts lose or gain a vertex that lies on them. What
    cannot be mended without opening the surface is left. Deterministic.
    """
    rows = np.flatnonzero(~_specks(vertices, faces))
    mender = _Mender(vertices, faces[rows], part[rows])
    for _ in range(ROUNDS):
        if not mender.shrink_edges() + mender.flip_flat():
            break
    left = np.flatnonzero(mender.faces[:, 0] >= 0)
    return mender.faces[left], mender.part[left], rows[left]


def _specks(vertices: Floats, faces: Ints) -> Ints:
    """Which triangles belong to shells too small to be seen."""
    count, shell = islands(len(vertices), faces)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    used = np.unique(faces)
    np.minimum.at(low, shell[used], vertices[used])
    np.maximum.at(high, shell[used], vertices[used])
    return np.asarray((high - low).max(axis=1)[shell[faces[:, 0]]] < SPECK)


class _Mender:
    """A surface whose neighbourhoods are looked up where something is to be mended."""

    def __init__(self, vertices: Floats, faces: Ints, part: Ints) -> None:
        self._vertices = vertices
        self.faces, self.part = faces.copy(), part.copy()
        corner = faces.ravel()
        self._order = np.argsort(corner, kind="stable") // 3
        self._start = np.searchsorted(np.sort(corner), np.arange(len(vertices) + 1))
        self._near: dict[int, set[int]] = {}

    def shrink_edges(self) -> int:
        """Merge the ends of short edges; how many."""
        alive = np.flatnonzero(self.faces[:, 0] >= 0)
        start = self.faces[alive].ravel()
        end = self.faces[alive][:, [1, 2, 0]].ravel()
        length = np.linalg.norm(self._vertices[start] - self._vertices[end], axis=1)
        short = np.flatnonzero((length < MIN_EDGE) & (start < end))
        order = short[np.argsort(length[short], kind="stable")]
        pairs = zip(start[order].tolist(), end[order].tolist(), strict=True)
        return sum(self._shrink(a, b) for a, b in pairs)

    def flip_flat(self) -> int:
        """Give flat triangles to the neighbour over their longest edge; how many."""
        alive = np.flatnonzero(self.faces[:, 0] >= 0)
        corners = self._vertices[self.faces[alive]]
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        longest = sides.max(axis=1)
        height = np.linalg.norm(cross, axis=1) / np.maximum(longest, 1e-30)
        flat = np.flatnonzero((height < MIN_HEIGHT) & (longest >= MIN_EDGE))
        return sum(self._flip(int(alive[k]), int(sides[k].argmax())) for k in flat)

    def _rows(self, vertex: int) -> set[int]:
        if vertex not in self._near:
            found = self._order[self._start[vertex] : self._start[vertex + 1]].tolist()
            # Rows change hands; those that are not of this vertex any more are left out.
            self._near[vertex] = {row for row in found if vertex in self.faces[row]}
        return self._near[vertex]

    def _around(self, vertex: int) -> set[int]:
        return {k for row in self._rows(vertex) for k in self.faces[row].tolist()} - {vertex}

    def _on_line(self, vertex: int) -> bool:
        return len({int(self.part[row]) for row in self._rows(vertex)}) > 1

    def _shrink(self, a: int, b: int) -> bool:
        both = self._rows(a) & self._rows(b)
        if len(both) != 2 or len(self._around(a) & self._around(b)) != 2:
            return False
        leaves, stays = (a, b) if not self._on_line(a) else (b, a)
        if self._on_line(leaves) and len({int(self.part[row]) for row in both}) == 1:
            return False
        moved = [
            {stays if k == leaves else k for k in self.faces[row].tolist()}
            for row in self._rows(leaves) - both
        ]
        there = [set(self.faces[row].tolist()) for row in self._rows(stays) - both]
        if any(face in there for face in moved):
            return False
        for row in both:
            for corner in self.faces[row].tolist():
                self._rows(corner).discard(row)
            self.faces[row] = -1
        for row in self._rows(leaves):
            self.faces[row][self.faces[row] == leaves] = stays
            self._rows(stays).add(row)
        self._near[leaves] = set()
        return True

    def _flip(self, row: int, corner: int) -> bool:
        a, b, c = (int(self.faces[row, (corner + k) % 3]) for k in range(3))
        others = (self._rows(a) & self._rows(b)) - {row} if a >= 0 else set()
        if len(others) != 1:
            return False
        (other,) = others
        d = next(k for k in self.faces[other].tolist() if k not in (a, b))
        if d == c or d in self._around(c):
            return False
        for vertex in (a, b, c, d):
            self._rows(vertex)
        self.faces[row], self.faces[other] = (a, d, c), (d, b, c)
        self.part[row] = self.part[other]
        self._near[a].discard(other)
        self._near[b].discard(row)
        self._near[c].add(other)
        self._near[d].add(row)
        return True
