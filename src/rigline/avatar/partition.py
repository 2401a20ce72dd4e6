"""A solid body cut into its fifteen parts along clean loops, each part closed with lids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES
from rigline.avatar.closing import INVENTED, boundary_loops, signed_volume
from rigline.avatar.joint_cuts import JointCuts, joint_cuts
from rigline.avatar.mending import mended
from rigline.avatar.mesh import Floats, Ints, face_areas, face_cross, islands
from rigline.avatar.solid import SolidBody

FLAT_AREA: Final = 1e-11
DRAWN_SHARE: Final = 0.1
NUDGE: Final = 0.15
MIN_LID_AREA: Final = 1e-8
SUNK: Final = (0.005, 0.01, 0.02, 0.04, 0.08)
"""How deep, in heights, the lids of a part without a volume may be sunk to give it one."""

CLEARANCE: Final = 0.08
"""A cut keeps so much of an edge away from its ends, so that no triangle loses its area."""


@dataclass(frozen=True, eq=False)
class PartedBody:
    """Fifteen parts over shared vertices, in the canonical frame.

    ``vertices (V, 3)`` float64; ``faces (F, 3)`` int64; ``face_part (F,)`` uint8; ``lid (F,)`` bool
    marks what closes a cut; ``source_face (F,)`` int64 the triangle of the canonical mesh that each
    lies in, -1 where there is none. ``weights (V, 15)`` float64. The triangles of a part are a
    closed surface; parts share the vertices of the loops between them, so that these have one
    weight.
    """

    vertices: Floats
    faces: Ints
    face_part: npt.NDArray[np.uint8]
    lid: npt.NDArray[np.bool_]
    source_face: Ints
    weights: Floats

    def rows_of(self, part: int) -> Ints:
        """The triangles of a part, by index."""
        return np.flatnonzero(self.face_part == part)

    def scaled(self, scale: float) -> PartedBody:
        """The body with positions multiplied by ``scale``."""
        return replace(self, vertices=self.vertices * scale)

    def skin(self) -> PartedSkin:
        """What is seen of the body: the parts without their lids, each with vertices of its own."""
        rows = np.flatnonzero(~self.lid)
        part = self.face_part[rows].astype(np.int64)
        key = self.faces[rows] * N_PARTS + part[:, None]
        own, local = np.unique(key, return_inverse=True)
        return PartedSkin(self.vertices[own // N_PARTS], local.reshape(-1, 3), own % N_PARTS)

    def vertex_part(self) -> Ints:
        """``(V,)`` a part of each vertex; that nearer to the root of those that share it."""
        out = np.full(len(self.vertices), -1)
        for part in np.argsort([-_depth(p) for p in range(N_PARTS)], kind="stable"):
            out[self.faces[self.face_part == part]] = part
        return out


@dataclass(frozen=True, eq=False)
class PartedSkin:
    """``vertices (n, 3)``, ``faces (m, 3)``, ``part (n,)``; no triangle is of two parts."""

    vertices: Floats
    faces: Ints
    part: Ints


def _depth(part: int) -> int:
    return 0 if PARENT[part] < 0 else 1 + _depth(PARENT[part])


def partition(body: SolidBody, joints: Floats) -> PartedBody:
    """Cut a solid body at ``joints (15, 3)`` and close every part. Deterministic.

    Every triangle that the line between two parts crosses is divided along it, so the loops are
    the line itself and not a row of teeth.
    """
    cut = _cut(body, joint_cuts(body, joints))
    return with_lids(without_needles(cut))


def without_needles(body: PartedBody) -> PartedBody:
    """A body without lids, rid of needles and flat triangles.

    Where a needle holds the surface together it stays, and its corners are drawn apart a little.
    """
    part = body.face_part.astype(np.int64)
    faces, part, rows = mended(body.vertices, body.faces, part)
    return replace(
        body, vertices=_drawn_apart(body.vertices, faces), faces=faces,
        face_part=part.astype(np.uint8), lid=body.lid[rows], source_face=body.source_face[rows],
    )  # fmt: skip


def _drawn_apart(vertices: Floats, faces: Ints) -> Floats:
    """Vertices, those of triangles without area a little nearer to the middle of those around."""
    flat = face_areas(vertices, faces) < FLAT_AREA
    if not flat.any():
        return vertices
    moved = vertices.copy()
    for vertex in np.unique(faces[flat]):
        around = faces[(faces == vertex).any(axis=1)]
        moved[vertex] += DRAWN_SHARE * (vertices[around].mean(axis=(0, 1)) - vertices[vertex])
    return moved


def _cut(body: SolidBody, cuts: JointCuts) -> PartedBody:
    """The surface with every triangle of one part, without lids."""
    of_corner = cuts.part[body.faces]
    mixed = (of_corner != of_corner[:, :1]).any(axis=1)
    divider = _Divider(body, cuts)
    whole, divided = np.flatnonzero(~mixed), np.flatnonzero(mixed)
    pieces = [divider.divided(corners) for corners in body.faces[divided].tolist()]
    new = np.array([t for piece in pieces for t, _ in piece], np.int64).reshape(-1, 3)
    new_part = np.array([part for piece in pieces for _, part in piece], np.int64)
    source = np.repeat(body.source_face[divided], [len(piece) for piece in pieces])
    vertices, weights = divider.grown()
    return PartedBody(
        vertices,
        np.concatenate([body.faces[whole], new]),
        np.concatenate([of_corner[whole, 0], new_part]).astype(np.uint8),
        np.zeros(len(whole) + len(new), bool),
        np.concatenate([body.source_face[whole], source]),
        weights,
    )


class _Divider:
    """Divides triangles whose corners belong to different parts, and keeps the new vertices."""

    def __init__(self, body: SolidBody, cuts: JointCuts) -> None:
        self._body, self._cuts = body, cuts
        self._points: list[Floats] = []
        self._weights: list[Floats] = []
        self._on_edge: dict[tuple[int, int], int] = {}

    def grown(self) -> tuple[Floats, Floats]:
        """Vertices and weights, the new ones behind the old ones."""
        if not self._points:
            return self._body.vertices, self._body.weights
        return (
            np.concatenate([self._body.vertices, np.array(self._points)]),
            np.concatenate([self._body.weights, np.array(self._weights)]),
        )

    def divided(self, corners: list[int]) -> list[tuple[tuple[int, int, int], int]]:
        """Triangles of one part each that together are the given one."""
        a, b, c = corners
        parts = self._cuts.part
        if parts[a] != parts[b] and parts[b] != parts[c] and parts[c] != parts[a]:
            return self._in_three((a, b, c))
        while parts[b] != parts[c]:
            a, b, c = b, c, a
        ab, ac = self._crossing(a, b), self._crossing(a, c)
        found = [((a, ab, ac), int(parts[a]))]
        if self._distance(ab, c) < self._distance(b, ac):
            rest = [(ab, b, c), (ab, c, ac)]
        else:
            rest = [(ab, b, ac), (b, c, ac)]
        return found + [(triangle, int(parts[b])) for triangle in rest]

    def _in_three(self, corners: tuple[int, int, int]) -> list[tuple[tuple[int, int, int], int]]:
        a, b, c = corners
        ab, bc, ca = self._crossing(a, b), self._crossing(b, c), self._crossing(c, a)
        rows = list(corners)
        middle = self._add(
            self._body.vertices[rows].mean(axis=0), self._body.weights[rows].mean(axis=0)
        )
        return [
            (triangle, int(self._cuts.part[corner]))
            for corner, after, before in ((a, ab, ca), (b, bc, ab), (c, ca, bc))
            for triangle in ((corner, after, middle), (corner, middle, before))
        ]

    def _crossing(self, a: int, b: int) -> int:
        """The new vertex where the line crosses the edge between two old ones."""
        key = (min(a, b), max(a, b))
        if key not in self._on_edge:
            a, b = key
            share = self._share(a, b)
            vertices, weights = self._body.vertices, self._body.weights
            self._on_edge[key] = self._add(
                (1 - share) * vertices[a] + share * vertices[b],
                (1 - share) * weights[a] + share * weights[b],
            )
        return self._on_edge[key]

    def _share(self, a: int, b: int) -> float:
        """How far along the edge the line crosses it."""
        one, other = int(self._cuts.part[a]), int(self._cuts.part[b])
        for child, parent in ((one, other), (other, one)):
            if PARENT[child] == parent:
                above, below = self._cuts.height[[a, b], child]
                if above * below < 0:  # false where either is NaN
                    return _kept_clear(above / (above - below))
        weights = self._body.weights
        lead = weights[a, one] - weights[a, other]
        lag = weights[b, one] - weights[b, other]
        return _kept_clear(lead / (lead - lag)) if lead > 0 > lag else 0.5

    def _distance(self, one: int, other: int) -> float:
        return float(np.linalg.norm(self._at(one) - self._at(other)))

    def _at(self, vertex: int) -> Floats:
        old = len(self._body.vertices)
        return self._body.vertices[vertex] if vertex < old else self._points[vertex - old]

    def _add(self, point: Floats, weights: Floats) -> int:
        self._points.append(point)
        self._weights.append(weights)
        return len(self._body.vertices) + len(self._points) - 1


def _kept_clear(share: float) -> float:
    return float(np.clip(share, CLEARANCE, 1 - CLEARANCE))


def with_lids(body: PartedBody) -> PartedBody:
    """The parts closed: a fan around the middle of every loop, on both of its sides.

    The middle of a lid has the mean weights of its loop, so that it stays where the loop goes.
    """
    vertices, weights = [body.vertices], [body.weights]
    faces, parts = [body.faces], [body.face_part]
    count = len(body.vertices)
    for part in range(N_PARTS):
        own = body.faces[body.rows_of(part)]
        for loop in boundary_loops(own) if len(own) else []:
            after = np.roll(loop, -1)
            if len(loop) == 3:
                lid = loop[None, ::-1]
            else:
                lid = np.stack([after, loop, np.full(len(loop), count)], axis=1)
                vertices.append(_middle(body.vertices[loop])[None])
                weights.append(body.weights[loop].mean(axis=0, keepdims=True))
                count += 1
            faces.append(lid)
            parts.append(np.full(len(lid), part, np.uint8))
    new = sum(len(f) for f in faces[1:])
    closed = PartedBody(
        np.concatenate(vertices), np.concatenate(faces), np.concatenate(parts),
        np.concatenate([body.lid, np.ones(new, bool)]),
        np.concatenate([body.source_face, np.full(new, INVENTED)]), np.concatenate(weights),
    )  # fmt: skip
    return with_volume(closed)


def with_volume(body: PartedBody) -> PartedBody:
    """The body with a volume for every part: lids of one that is a mere patch are sunk into the
    body until it has one. Only what the lids brought along moves."""
    vertices = body.vertices.copy()
    for part in range(N_PARTS):
        rows = body.rows_of(part)
        faces = body.faces[rows]
        if not len(rows) or signed_volume(vertices, faces) > 0:
            continue
        middles = np.setdiff1d(faces[body.lid[rows]], body.faces[~body.lid])
        outward = face_cross(vertices, faces[~body.lid[rows]]).sum(axis=0)
        inward = -outward / max(float(np.linalg.norm(outward)), 1e-30)
        for depth in SUNK:
            sunk = vertices.copy()
            sunk[middles] += depth * inward
            if signed_volume(sunk, faces) > 0:
                vertices = sunk
                break
    return replace(body, vertices=vertices)


def _middle(loop: Floats) -> Floats:
    """A point from which every edge of a loop ``(n, 3)`` is seen as a triangle with an area.

    Of the mean of the vertices, that of the edges, and points beside them, the one whose smallest
    triangle is largest.
    """
    after = np.roll(loop, -1, axis=0)
    length = np.linalg.norm(after - loop, axis=1)
    mean = loop.mean(axis=0)
    by_edge = (length[:, None] * (loop + after) / 2).sum(axis=0) / max(length.sum(), 1e-30)
    tries = [mean, by_edge, *(mean + NUDGE * (loop[k] - mean) for k in (0, len(loop) // 3))]
    area = [np.linalg.norm(np.cross(loop - p, after - p), axis=1).min() for p in tries]
    return tries[0] if area[0] > MIN_LID_AREA else tries[int(np.argmax(area))]


def partition_evidence(body: PartedBody) -> dict[str, Any]:
    """What can be measured of the parts: ``triangles`` and ``pieces`` by part, ``empty_parts``,
    ``open_parts`` with an edge that is not two triangles', and ``lid_share`` of the area."""
    triangles, pieces, open_parts = {}, {}, 0
    for part, name in enumerate(PART_NAMES):
        own = body.faces[body.rows_of(part)]
        triangles[name] = len(own)
        if not len(own):
            continue
        used, local = np.unique(own, return_inverse=True)
        pieces[name] = islands(len(used), local.reshape(-1, 3))[0]
        edges = np.sort(own[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        open_parts += bool((np.unique(edges, axis=0, return_counts=True)[1] != 2).any())
    area = face_areas(body.vertices, body.faces)
    return {
        "triangles": triangles,
        "pieces": pieces,
        "empty_parts": float(N_PARTS - len(pieces)),
        "open_parts": float(open_parts),
        "lid_share": float(area[body.lid].sum() / area.sum()),
    }
