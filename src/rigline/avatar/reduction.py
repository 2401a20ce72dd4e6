"""Triangle budgets: a parted body reduced part by part, its loops and outline kept.

The core is quadric edge collapse (Garland and Heckbert, "Surface simplification using quadric error
metrics", 1997) by pyfqmr, which leaves borders where they are; docs/adr/0006 says why this library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.closing import INVENTED
from rigline.avatar.loop_thinning import thinned_loops
from rigline.avatar.mesh import Floats, Ints, components
from rigline.avatar.partition import PartedBody, with_lids, without_needles
from rigline.avatar.solid import barycentric
from rigline.avatar.surface_queries import lattice_samples, nearest_on_surface
from rigline.errors import InvalidInput

AGGRESSIVENESS: Final = 3
"""How fast the library raises the error it accepts; low keeps the shape and costs little."""
ATTEMPTS: Final = 4
LEAST_AIM: Final = 0.8
"""Who cannot come near its budget is not reduced to shreds for it."""

LOOP_OFFSETS: Final = (0.0003, 0.0012, 0.004, 0.012)
"""How far a thinned loop may leave its line: the first for a body within its budgets, the next ones
as long as a group is not."""
SAME_PLACE: Final = 1e-9

GROUPS: Final[Mapping[str, tuple[int, ...]]] = {
    "head": (Part.HEAD,),
    "torso": (Part.UPPER_TORSO, Part.LOWER_TORSO),
    "left arm": (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND),
    "right arm": (Part.RIGHT_UPPER_ARM, Part.RIGHT_LOWER_ARM, Part.RIGHT_HAND),
    "left leg": (Part.LEFT_UPPER_LEG, Part.LEFT_LOWER_LEG, Part.LEFT_FOOT),
    "right leg": (Part.RIGHT_UPPER_LEG, Part.RIGHT_LOWER_LEG, Part.RIGHT_FOOT),
}
"""Parts that share a budget of triangles."""


@dataclass(frozen=True)
class Budgets:
    """The most triangles of each group of parts, lids included."""

    head: int = 4000
    torso: int = 1750
    arm: int = 1248
    leg: int = 1248

    def of(self, group: str) -> int:
        """The budget of one of ``GROUPS``."""
        return int(getattr(self, group.split()[-1]))


def reduced(body: PartedBody, budgets: Budgets | None = None) -> PartedBody:
    """The body within its budgets: loops thinned, parts reduced, lids laid anew. Deterministic.

    Vertices on loops are among those of ``body``; the rest may move to where they keep the shape
    best, and take the weights of the nearest point of their part. What is within its budget keeps
    its triangles but for thinned loops. ``source_face`` of what was reduced becomes -1. Raises
    ``InvalidInput`` where pyfqmr is missing.
    """
    budgets = budgets or Budgets()
    over = reduction_evidence(body, budgets)["over_budget"] > 0
    for max_offset in LOOP_OFFSETS[1 if over else 0 :]:
        open_body = _thinned(body, max_offset)
        lids = _lid_counts(open_body)
        pieces: list[_Piece] = []
        for group, parts in GROUPS.items():
            room = budgets.of(group) - int(lids[list(parts)].sum())
            pieces += _reduced_group(open_body, parts, room)
        found = with_lids(without_needles(_joined(open_body, pieces)))
        if reduction_evidence(found, budgets)["over_budget"] == 0:
            break
    return found


def _reduced_group(body: PartedBody, parts: tuple[int, ...], room: int) -> list[_Piece]:
    """The parts' surfaces with no more than ``room`` triangles together, if that can be."""
    own = {part: len(body.rows_of(part)) for part in parts}
    aim = room
    for _ in range(ATTEMPTS):
        share = min(1.0, max(aim, 0) / max(sum(own.values()), 1))
        pieces = [_reduced_part(body, part, int(share * own[part])) for part in parts]
        excess = sum(len(piece.faces) for piece in pieces) - room
        if excess <= 0 or aim < LEAST_AIM * room:
            break
        aim -= excess + 4
    return pieces


def _thinned(body: PartedBody, max_offset: float) -> PartedBody:
    """The body without lids, its loops thinned."""
    skin = np.flatnonzero(~body.lid)
    part = body.face_part[skin].astype(np.int64)
    faces = thinned_loops(body.vertices, body.faces[skin], part, max_offset)
    left = faces[:, 0] >= 0
    skin = skin[left]
    return replace(
        body, faces=faces[left], face_part=body.face_part[skin], lid=body.lid[skin],
        source_face=body.source_face[skin],
    )  # fmt: skip


def _lid_counts(body: PartedBody) -> Ints:
    """``(15,)`` how many triangles the lids of each part will have."""
    closed = with_lids(body)
    return np.bincount(closed.face_part[closed.lid], minlength=N_PARTS)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A part's surface: vertices that stay by number, new ones behind them with their weights."""

    part: int
    kept: Ints
    new: Floats
    new_weights: Floats
    faces: Ints
    source_face: Ints


def _reduced_part(body: PartedBody, part: int, target: int) -> _Piece:
    rows = body.rows_of(part)
    used, local = np.unique(body.faces[rows], return_inverse=True)
    corners = local.reshape(-1, 3)
    none = np.zeros((0, 3)), np.zeros((0, N_PARTS))
    if len(rows) <= target:
        return _Piece(part, used, *none, corners, body.source_face[rows])
    old, border = body.vertices[used], _border(corners)
    points, faces = _collapsed(old, corners, target)
    faces = without_fins(faces)
    place = _numbers_of(points, old, border)
    moved = np.flatnonzero(place < 0)
    place[moved] = len(used) + np.arange(len(moved))
    faces, twins = parted_fans(place[faces], len(used) + len(moved))
    new = np.concatenate([points[moved], np.concatenate([old, points[moved]])[twins]])
    faces, middles = with_single_edges(faces, np.concatenate([old, new]))
    new = np.concatenate([new, middles])
    weights = _weights_at(new, old, corners, body.weights[used])
    return _Piece(part, used, new, weights, faces, np.full(len(faces), INVENTED))


def _collapsed(vertices: Floats, faces: Ints, target: int) -> tuple[Floats, Ints]:
    try:
        import pyfqmr
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "The marketplace preset needs the library pyfqmr.",
            remedy="Run pip install 'rigline[marketplace]'.",
        ) from error
    simplifier = pyfqmr.Simplify()
    simplifier.setMesh(vertices, faces.astype(np.int32))
    simplifier.simplify_mesh(
        target_count=target, aggressiveness=AGGRESSIVENESS, preserve_border=True, verbose=False
    )
    points, found, _ = simplifier.getMesh()
    return np.asarray(points, np.float64), np.asarray(found, np.int64)


def _border(faces: Ints) -> Ints:
    """The vertices on borders."""
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    count = int(faces.max()) + 1
    alone = ~np.isin(start * count + end, end * count + start)
    return np.unique(start[alone])


def _numbers_of(points: Floats, old: Floats, border: Ints) -> Ints:
    """Of each point the border vertex that is there, or -1."""
    number = np.full(len(points), -1)
    if len(border):
        distance, nearest = cKDTree(points).query(old[border])
        assert float(np.max(distance)) < SAME_PLACE, "the library moved a border"
        number[nearest] = border
    return number


def without_fins(faces: Ints) -> Ints:
    """Triangles without those that lie back to back on others and enclose nothing."""
    _, group = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    lowest = faces.argmin(axis=1)
    rows = np.arange(len(faces))
    forward = faces[rows, (lowest + 1) % 3] < faces[rows, (lowest + 2) % 3]
    seen = [np.zeros(int(group.max()) + 1, np.int64) for _ in range(2)]
    rank = np.zeros(len(faces), np.int64)
    for side in (0, 1):
        own = np.flatnonzero(forward == bool(side))
        order = np.argsort(group[own], kind="stable")
        sizes = np.bincount(group[own], minlength=len(seen[side]))
        starts = np.cumsum(sizes) - sizes
        rank[own[order]] = np.arange(len(own)) - starts[group[own][order]]
        seen[side] = sizes
    return faces[rank >= np.minimum(seen[0], seen[1])[group]]


def parted_fans(faces: Ints, count: int) -> tuple[Ints, Ints]:
    """Triangles over vertices that are each the middle of one fan.

    Where more than two triangles share an edge they are paired off; a vertex with more than one fan
    is doubled, but for open ones. Returns the triangles, with doubles numbered from ``count``, and
    for each double the vertex that it was ``(k,)``.
    """
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    forward, backward = _matched(start * count + end, end * count + start)
    links = np.concatenate(
        [np.stack([forward, _next(backward)], axis=1), np.stack([_next(forward), backward], axis=1)]
    )
    number, fan = components(faces.size, links)
    is_open = np.zeros(number, bool)
    alone = np.setdiff1d(np.arange(faces.size), np.concatenate([forward, backward]))
    is_open[fan[alone]] = True
    is_open[fan[_next(alone)]] = True
    vertex_of = np.zeros(number, np.int64)
    vertex_of[fan] = faces.ravel()
    order = np.lexsort((np.arange(number), ~is_open, vertex_of))
    first = np.append(True, np.diff(vertex_of[order]) != 0)
    doubled = order[~first & ~is_open[order]]
    target = vertex_of.copy()
    target[doubled] = count + np.arange(len(doubled))
    return target[fan].reshape(-1, 3), vertex_of[doubled]


def with_single_edges(faces: Ints, vertices: Floats) -> tuple[Ints, Floats]:
    """Triangles no two pairs of which share the same edge, and the vertices that this adds.

    Two sheets that touch along an edge stay two sheets: the edge of the second gets a middle of its
    own, which divides its triangles.
    """
    faces = faces.copy()
    middles: list[Floats] = []
    while True:
        count = len(vertices) + len(middles)
        start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
        forward, backward = _matched(start * count + end, end * count + start)
        low = np.minimum(start[forward], end[forward])
        high = np.maximum(start[forward], end[forward])
        _, first = np.unique(low * count + high, return_index=True)
        again = np.setdiff1d(np.arange(len(forward)), first)
        if not len(again):
            break
        one, other = int(forward[again[0]]), int(backward[again[0]])
        a, b = int(start[one]), int(end[one])
        middles.append(0.5 * (_at(vertices, middles, a) + _at(vertices, middles, b)))
        faces = np.concatenate([faces, _halved(faces, one, count), _halved(faces, other, count)])
    return faces, np.array(middles).reshape(-1, 3)


def _halved(faces: Ints, half_edge: int, middle: int) -> Ints:
    """The far half ``(1, 3)`` of a triangle divided at an edge; the near half takes its row."""
    row, corner = divmod(half_edge, 3)
    far = faces[row].copy()
    far[corner] = middle
    faces[row, (corner + 1) % 3] = middle
    return far[None]


def _at(vertices: Floats, more: list[Floats], number: int) -> Floats:
    return vertices[number] if number < len(vertices) else more[number - len(vertices)]


def _matched(keys: Ints, reverse: Ints) -> tuple[Ints, Ints]:
    """Half-edges and their opposites, each at most once, the k-th of one edge with the k-th."""
    by_key, by_reverse = np.argsort(keys, kind="stable"), np.argsort(reverse, kind="stable")
    rank = np.zeros((2, len(keys)), np.int64)
    for side, (order, values) in enumerate(((by_key, keys), (by_reverse, reverse))):
        ranked = values[order]
        head = np.append(True, ranked[1:] != ranked[:-1])
        starts = np.maximum.accumulate(np.where(head, np.arange(len(ranked)), 0))
        rank[side, order] = np.arange(len(ranked)) - starts
    span = int(rank.max()) + 1
    _, one, other = np.intersect1d(
        keys * span + rank[0], reverse * span + rank[1], return_indices=True
    )
    half = one < other
    return one[half], other[half]


def _next(half_edge: Ints) -> Ints:
    return half_edge - half_edge % 3 + (half_edge + 1) % 3


def _weights_at(points: Floats, vertices: Floats, faces: Ints, weights: Floats) -> Floats:
    """Weights of the nearest points of a surface."""
    if not len(points):
        return np.zeros((0, N_PARTS))
    extent = float(np.ptp(vertices, axis=0).max())
    samples = lattice_samples(vertices, faces, extent / 40, 4000)
    nearest, face = nearest_on_surface(points, vertices, faces, samples)
    corners = faces[face]
    share = barycentric(nearest, *(vertices[corners[:, k]] for k in range(3)))
    return np.asarray(np.einsum("nk,nkp->np", share, weights[corners]))


def _joined(body: PartedBody, pieces: list[_Piece]) -> PartedBody:
    """The pieces over shared vertices, without vertices that nothing uses."""
    vertices, weights = [body.vertices], [body.weights]
    faces, count = [], len(body.vertices)
    for piece in pieces:
        number = np.concatenate([piece.kept, count + np.arange(len(piece.new))])
        faces.append(number[piece.faces].reshape(-1, 3))
        vertices.append(piece.new)
        weights.append(piece.new_weights)
        count += len(piece.new)
    used, local = np.unique(np.concatenate(faces), return_inverse=True)
    parts = np.concatenate([np.full(len(p.faces), p.part, np.uint8) for p in pieces])
    return PartedBody(
        np.concatenate(vertices)[used], local.reshape(-1, 3), parts, np.zeros(len(parts), bool),
        np.concatenate([p.source_face for p in pieces]), np.concatenate(weights)[used],
    )  # fmt: skip


def reduction_evidence(body: PartedBody, budgets: Budgets | None = None) -> dict[str, Any]:
    """Triangles of each group, and by how much the worst one exceeds its budget."""
    budgets = budgets or Budgets()
    size = np.bincount(body.face_part, minlength=N_PARTS)
    groups = {group: int(size[list(parts)].sum()) for group, parts in GROUPS.items()}
    excess = max(count / budgets.of(group) - 1 for group, count in groups.items())
    return {"triangles": groups, "over_budget": float(max(excess, 0.0))}
