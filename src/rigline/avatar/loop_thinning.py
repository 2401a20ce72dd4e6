"""Fewer vertices on the loops between parts, before the rest of the surface is reduced.

A cut through a fine mesh leaves a vertex on every edge that it crossed. Two parts share a loop, so
neither can be reduced alone without tearing it; here an edge of a loop is shrunk in both at once.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Final

import numpy as np

from rigline.avatar.mesh import Floats, Ints

MIN_LOOP: Final = 8
"""A loop keeps so many vertices."""

LIFT_SHARE: Final = 2.0
MIN_LIFT: Final = 0.001
"""A merge may lift the surface beside the loop by so many times what it may move the loop."""

SHORT: Final = 0.004
"""The ends of a shorter edge become one whatever the offset, up to half of it."""

MIN_COSINE: Final = 0.3
"""A triangle that would turn farther than this, as a cosine, keeps the edge."""


def thinned_loops(vertices: Floats, faces: Ints, face_part: Ints, max_offset: float) -> Ints:
    """``(F, 3)`` faces after loop vertices were merged, -1 in all corners of those that are gone.

    ``vertices (V, 3)`` of a closed surface ``faces (F, 3)`` in the canonical frame, ``face_part
    (F,)``. A vertex leaves if its loop then passes within ``max_offset`` of where it was. Those
    that are left stay where they are; the surface stays a closed two-manifold, and every loop keeps
    at least ``MIN_LOOP`` vertices if it had them. Deterministic.
    """
    thinner = _Thinner(vertices, faces, face_part, max_offset)
    thinner.run()
    return thinner.faces_left()


class _Thinner:
    """The surface around the loops, as sets that edges can be shrunk in."""

    def __init__(self, vertices: Floats, faces: Ints, face_part: Ints, max_offset: float) -> None:
        self._max_offset = max_offset
        self._max_lift = max(LIFT_SHARE * max_offset, MIN_LIFT)
        self._at = vertices.tolist()
        self._faces = faces.copy()
        self._along = _loop_neighbours(faces, face_part)
        touched = np.isin(faces, np.fromiter(self._along, np.int64, len(self._along))).any(axis=1)
        # Whatever shrinks is a neighbour of a loop's vertex, so its faces are all among these.
        rows = np.flatnonzero(np.isin(faces, np.unique(faces[touched])).any(axis=1))
        self._rows: dict[int, set[int]] = defaultdict(set)
        for row in rows.tolist():
            for vertex in faces[row].tolist():
                self._rows[vertex].add(row)
        self._loop, self._size = self._loops()
        # Where vertices were that left, by the edge of the loop that passes them now.
        self._gone: dict[tuple[int, int], list[list[float]]] = defaultdict(list)

    def faces_left(self) -> Ints:
        return self._faces

    def run(self) -> None:
        """Shrink edges, the least change first, until none is left that may."""
        heap = [(cost, v, u) for v in self._along for cost, u in self._choices(v)]
        heapq.heapify(heap)
        while heap:
            cost, vertex, into = heapq.heappop(heap)
            if vertex not in self._along or (cost, into) not in self._choices(vertex):
                continue
            if self._size[self._loop[vertex]] <= MIN_LOOP or not self._may_shrink(vertex, into):
                continue
            beside = set(self._along[vertex])
            self._shrink(vertex, into)
            for other in beside:
                for again, u in self._choices(other):
                    heapq.heappush(heap, (again, other, u))

    def _loops(self) -> tuple[dict[int, int], dict[int, int]]:
        """The connected loop of each vertex and how many vertices it has."""
        loop: dict[int, int] = {}
        size: dict[int, int] = {}
        for start in sorted(self._along):
            if start in loop:
                continue
            stack, loop[start], size[start] = [start], start, 0
            while stack:
                vertex = stack.pop()
                size[start] += 1
                for other in self._along[vertex]:
                    if other not in loop:
                        loop[other] = start
                        stack.append(other)
        return loop, size

    def _choices(self, vertex: int) -> list[tuple[float, int]]:
        """What the vertex may be merged into, with the cost; nothing where three parts meet."""
        beside = self._along[vertex]
        if len(beside) != 2:
            return []
        one, other = sorted(beside)
        passed = [
            self._at[vertex],
            *self._gone[_edge(vertex, one)],
            *self._gone[_edge(vertex, other)],
        ]
        offset = max(_off_segment(p, self._at[one], self._at[other]) for p in passed)
        found = []
        for into in (one, other):
            length = _distance(self._at[vertex], self._at[into])
            if offset <= self._max_offset or (length < SHORT and offset < 0.5 * SHORT):
                found.append((offset + 0.05 * length, into))
        return found

    def _may_shrink(self, vertex: int, into: int) -> bool:
        around = self._around(vertex)
        if len(around & self._around(into)) != 2:
            return False
        beside = self._along[vertex] - {into}
        if beside & self._along[into]:
            return False
        for row in self._rows[vertex] - self._rows[into]:
            before = self._normal(self._faces[row].tolist())
            after = self._normal([into if k == vertex else k for k in self._faces[row].tolist()])
            if not _keeps_side(before, after) or self._lift(before, vertex, into) > self._max_lift:
                return False
        return True

    def _lift(self, normal: tuple[float, float, float], vertex: int, into: int) -> float:
        """How far ``into`` is from the plane of a triangle at ``vertex``."""
        size = sum(x * x for x in normal) ** 0.5
        a, b = self._at[vertex], self._at[into]
        return abs(sum(normal[k] * (b[k] - a[k]) for k in range(3))) / max(size, 1e-30)

    def _shrink(self, vertex: int, into: int) -> None:
        for row in list(self._rows[vertex]):
            if row in self._rows[into]:
                for corner in self._faces[row].tolist():
                    self._rows[corner].discard(row)
                self._faces[row] = -1
            else:
                self._faces[row][self._faces[row] == vertex] = into
                self._rows[into].add(row)
        (beside,) = self._along.pop(vertex) - {into}
        passed = [self._at[vertex], *self._gone.pop(_edge(vertex, into), [])]
        self._gone[_edge(into, beside)] = passed + self._gone.pop(_edge(vertex, beside), [])
        self._rows.pop(vertex)
        self._along[into] = (self._along[into] - {vertex}) | {beside}
        self._along[beside] = (self._along[beside] - {vertex}) | {into}
        self._size[self._loop[vertex]] -= 1

    def _around(self, vertex: int) -> set[int]:
        return {k for row in self._rows[vertex] for k in self._faces[row].tolist()} - {vertex}

    def _normal(self, corners: list[int]) -> tuple[float, float, float]:
        a, b, c = (self._at[k] for k in corners)
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


def _loop_neighbours(faces: Ints, face_part: Ints) -> dict[int, set[int]]:
    """For every vertex on a loop, those it is joined to along loops."""
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    part = np.repeat(face_part, 3)
    count = int(faces.max()) + 1
    key = np.minimum(start, end) * count + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    one, other = order[:-1][same], order[1:][same]
    along: dict[int, set[int]] = defaultdict(set)
    for k in one[part[one] != part[other]].tolist():
        a, b = int(start[k]), int(end[k])
        along[a].add(b)
        along[b].add(a)
    return dict(along)


def _edge(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _distance(a: list[float], b: list[float]) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2) ** 0.5)


def _off_segment(p: list[float], a: list[float], b: list[float]) -> float:
    """The distance of a point from a segment."""
    along = [b[k] - a[k] for k in range(3)]
    squared = sum(x * x for x in along)
    share = sum((p[k] - a[k]) * along[k] for k in range(3)) / max(squared, 1e-30)
    share = min(max(share, 0.0), 1.0)
    return _distance(p, [a[k] + share * along[k] for k in range(3)])


def _keeps_side(before: tuple[float, float, float], after: tuple[float, float, float]) -> bool:
    """Whether a triangle's normal, its length twice the area, does not turn too far."""
    old, new = sum(x * x for x in before) ** 0.5, sum(x * x for x in after) ** 0.5
    if new < 1e-10:
        return False
    if old < 1e-8:
        return True
    return sum(x * y for x, y in zip(before, after, strict=True)) > MIN_COSINE * old * new
