"""One solid body out of many pieces: what lies inside disappears, what interpenetrates is joined.

The union is manifold3d's, whose results are closed two-manifolds by construction (Lalish's
"Manifold", Apache-2.0, after Smith and Dodgson, "A topologically robust algorithm for
Boolean operations on polyhedral shapes", 2007). It is an extra of the package: the development
preset does without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from rigline.avatar.closing import ClosedPiece, close_pieces, signed_volume
from rigline.avatar.mending import mended
from rigline.avatar.mesh import Bools, Floats, Ints, face_areas, islands
from rigline.avatar.skinning import SkinWeights
from rigline.errors import ContractViolation, InvalidInput

if TYPE_CHECKING:
    from manifold3d import Manifold

SPECK_SHARE: Final = 1e-4
"""Pieces with less than this share of the area are dropped: nobody sees them."""

SAME_PLACE: Final = 1e-7

COARSE_FACES: Final = 3000
COARSE_EDGE: Final = 0.12
REFINED_EDGE: Final = 0.04
"""A body of so few and so long triangles is divided until its edges are this short."""

MAX_GROWTH: Final = 1.35
GROWTH_SLACK: Final = 200
"""A union may have so many times the triangles of its pieces, and so many more."""


@dataclass(frozen=True, eq=False)
class SolidBody:
    """The body as one closed surface, in the canonical frame.

    ``vertices (V, 3)`` float64, ``faces (F, 3)`` int64, wound outwards; every edge belongs to two
    triangles. ``weights (V, 15)`` by part, rows sum to one. ``source_face (F,)`` is the triangle of
    the canonical mesh that each lies in, -1 for what closes an opening.
    """

    vertices: Floats
    faces: Ints
    weights: Floats
    source_face: Ints


def solid_body(vertices: Floats, faces: Ints, weights: SkinWeights) -> SolidBody:
    """The union of all pieces of a soup ``vertices (N, 3)``, ``faces (M, 3)`` of height about 1.

    New vertices, where pieces cut each other, have the weights of the surface they lie in. Hollows
    that nothing leads to are filled. Deterministic. Raises ``InvalidInput`` where manifold3d is
    missing, ``ContractViolation`` if nothing solid is left.
    """
    pieces = _without_specks(close_pieces(vertices, faces))
    joined = _joined(pieces)
    coarse = _is_coarse(joined, weights.joints[:, 0].astype(np.int64))
    points, corners, origin = _union(pieces, joined, REFINED_EDGE if coarse else None)
    if not len(corners):
        raise ContractViolation("The body encloses no volume.")
    kept = np.flatnonzero(_outer_shells(points, corners))
    corners, _, rows = mended(points, corners[kept], np.zeros(len(kept), np.int64))
    origin = origin[kept[rows]]
    used, local = np.unique(corners, return_inverse=True)
    points, corners = points[used], local.reshape(-1, 3)
    dense = weights.dense()[joined.source_vertex]
    return SolidBody(
        points, corners, _carried(points, corners, joined, origin, dense),
        joined.source_face[origin],
    )  # fmt: skip


def _without_specks(pieces: list[ClosedPiece]) -> list[ClosedPiece]:
    area = np.array([face_areas(p.vertices, p.faces).sum() for p in pieces])
    return [p for p, a in zip(pieces, area, strict=True) if a > SPECK_SHARE * area.sum()]


def _joined(pieces: list[ClosedPiece]) -> ClosedPiece:
    """All pieces as one, side by side."""
    start = np.cumsum([0, *(len(p.vertices) for p in pieces)])
    return ClosedPiece(
        np.concatenate([p.vertices for p in pieces]),
        np.concatenate([p.faces + s for p, s in zip(pieces, start[:-1], strict=True)]),
        np.concatenate([p.source_vertex for p in pieces]),
        np.concatenate([p.source_face for p in pieces]),
    )


def _is_coarse(joined: ClosedPiece, part: Ints) -> bool:
    """Whether triangles reach from part to part over so much of the body that a cut through them
    could not tell an elbow from a wrist."""
    corners = joined.vertices[joined.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    of_corner = part[joined.source_vertex[joined.faces]]
    mixed = (of_corner != of_corner[:, :1]).any(axis=1)
    return len(joined.faces) < COARSE_FACES and bool((mixed & (longest > COARSE_EDGE)).any())


def _union(
    pieces: list[ClosedPiece], joined: ClosedPiece, longest: float | None
) -> tuple[Floats, Ints, Ints]:
    """Vertices, triangles, and of each triangle the row of ``joined.faces`` that it lies in; edges
    no longer than ``longest``."""
    try:
        import manifold3d
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "The marketplace preset needs the library manifold3d.",
            remedy="Run pip install 'rigline[marketplace]'.",
        ) from error
    solids: list[Manifold] = []
    row = 0
    first_id = manifold3d.Manifold.reserve_ids(len(pieces))
    for number, piece in enumerate(pieces):
        rows = np.arange(row, row + len(piece.faces), dtype=np.uint64)
        row += len(piece.faces)
        solid = manifold3d.Manifold(
            manifold3d.Mesh64(
                np.ascontiguousarray(piece.vertices),
                np.ascontiguousarray(piece.faces, np.uint64),
                run_index=np.array([0, piece.faces.size], np.uint64),
                run_original_id=np.array([first_id + number], np.uint32),
                face_id=rows,
            )
        )
        if solid.status() == manifold3d.Error.NoError:
            solids.append(solid)
    bodies = [manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add)]
    if bodies[0].num_tri() > MAX_GROWTH * len(joined.faces) + GROWTH_SLACK:
        bodies = _united_where_simple(solids)
    if longest is not None:
        bodies = [body.refine_to_length(longest) for body in bodies]
    meshes = [body.to_mesh64() for body in bodies]
    points = [np.asarray(mesh.vert_properties, np.float64)[:, :3] for mesh in meshes]
    start = np.cumsum([0, *(len(p) for p in points)])
    corners = [np.asarray(m.tri_verts, np.int64) + s for m, s in zip(meshes, start, strict=False)]
    origin = [np.asarray(mesh.face_id, np.int64) for mesh in meshes]
    return np.concatenate(points), np.concatenate(corners), np.concatenate(origin)


def _united_where_simple(solids: list[Manifold]) -> list[Manifold]:
    """The union of all pieces but for those whose surface flickers in and out of it.

    A glove modelled a hair off the hand cuts it in thousands of places; it stays a shell of its
    own, as the artist made it.
    """
    body, apart = solids[0], []
    for piece in solids[1:]:
        joined = body + piece
        growth = joined.num_tri() - body.num_tri() - piece.num_tri()
        if growth > (MAX_GROWTH - 1) * piece.num_tri() + GROWTH_SLACK:
            apart.append(piece)
        else:
            body = joined
    return [body, *apart]


def _outer_shells(points: Floats, corners: Ints) -> Bools:
    """``(F,)`` the triangles of shells that enclose something, rather than bound a hollow."""
    count, shell = islands(len(points), corners)
    of_face = shell[corners[:, 0]]
    area = np.bincount(of_face, face_areas(points, corners), count)
    kept = area > SPECK_SHARE * area.sum()
    for number in np.flatnonzero(kept):
        kept[number] = signed_volume(points, corners[of_face == number]) > 0
    return np.asarray(kept[of_face])


def _carried(
    points: Floats, corners: Ints, joined: ClosedPiece, origin: Ints, values: Floats
) -> Floats:
    """``values (n, 15)`` at the vertices of ``joined``, carried over to the union's vertices.

    Each vertex takes what the triangles around it give, every one of which lies in a triangle of
    ``joined`` but for what was smoothed over; the mean of those that reach it best, so where pieces
    cut each other both sides agree.
    """
    where = joined.faces[origin]  # (F, 3)
    a, b, c = (joined.vertices[where[:, k]] for k in range(3))
    given, missed = [], []
    for k in range(3):
        goal = points[corners[:, k]]
        share = barycentric(goal, a, b, c)
        given.append(sum(share[:, j, None] * values[where[:, j]] for j in range(3)))
        reached = share[:, :1] * a + share[:, 1:2] * b + share[:, 2:] * c
        missed.append(np.linalg.norm(reached - goal, axis=1))
    vertex, miss = corners.T.ravel(), np.concatenate(missed)
    least = np.full(len(points), np.inf)
    np.minimum.at(least, vertex, miss)
    best = miss <= least[vertex] + SAME_PLACE
    total, count = np.zeros((len(points), values.shape[1])), np.zeros(len(points))
    np.add.at(total, vertex[best], np.concatenate(given)[best])
    np.add.at(count, vertex[best], 1.0)
    return np.asarray(total / count[:, None])


def barycentric(p: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """``(n, 3)`` coordinates of points in triangles, brought into the triangle; rows sum to one."""
    u, v, w = b - a, c - a, p - a
    uu, uv, vv = (np.einsum("ij,ij->i", x, y) for x, y in ((u, u), (u, v), (v, v)))
    wu, wv = np.einsum("ij,ij->i", w, u), np.einsum("ij,ij->i", w, v)
    double = np.maximum(uu * vv - uv * uv, 1e-30)
    second, third = (vv * wu - uv * wv) / double, (uu * wv - uv * wu) / double
    share = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, 1)
    return np.asarray(share / np.maximum(share.sum(axis=1, keepdims=True), 1e-12))
