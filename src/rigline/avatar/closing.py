"""From a triangle soup to closed, oriented, two-manifold pieces that a solid modeller accepts.

What artists upload is open (a sleeve without a lid), doubled (two-sided hair), glued at edges that
three faces share, and pushed into one another. Here each connected sheet is oriented, cut where it
is not a surface, and closed: a tube by lids over its openings, a sheet by a thin back side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rigline.avatar.mesh import (
    Bools,
    Floats,
    Ints,
    components,
    face_areas,
    vertex_normals,
    weld,
)

SHEET_SHARE: Final = 0.2
SHEET_VOLUME: Final = 0.02
"""A piece is a sheet if lids would make up more than this share of its area and leave it flat: its
volume over its area to the power of 3/2. A ball has 0.09, a tube as long as wide 0.08."""

SHEET_THICKNESS: Final = 0.004
"""How thick a sheet becomes, in shares of the body's height."""

INVENTED: Final = -1
"""The source of a face that closes a piece."""

MIN_AREA: Final = 1e-12


@dataclass(frozen=True, eq=False)
class ClosedPiece:
    """A closed oriented two-manifold of positive volume.

    ``vertices (n, 3)``, ``faces (m, 3)``; ``source_vertex (n,)`` is the vertex of the soup that
    each stands for, or one beside it for a vertex that was invented; ``source_face (m,)`` the
    triangle of the soup that each face is, or ``INVENTED``.
    """

    vertices: Floats
    faces: Ints
    source_vertex: Ints
    source_face: Ints


def close_pieces(vertices: Floats, faces: Ints) -> list[ClosedPiece]:
    """All pieces of a soup ``vertices (N, 3)``, ``faces (M, 3)``, closed; largest area first.

    Triangles without area and repeated ones are dropped. Deterministic. Pieces may intersect each
    other and themselves; every edge belongs to just two triangles, which run along it in opposite
    directions.
    """
    first, inverse = weld(vertices)
    kept = _distinct(inverse[faces], vertices[first])
    if not len(kept):
        return []
    turned, sheet = _oriented(inverse[faces[kept]])
    pieces = []
    for rows, fans in _sheets(turned, sheet):
        corners, local = np.unique(fans, return_inverse=True)
        welded = np.zeros(len(corners), np.int64)
        welded[local.ravel()] = turned[rows].ravel()
        own = first[welded]
        pieces.append(_closed(vertices[own], own, local.reshape(-1, 3), kept[rows]))
    pieces.sort(key=lambda piece: -float(face_areas(piece.vertices, piece.faces).sum()))
    return pieces


def _distinct(faces: Ints, positions: Floats) -> Ints:
    """Rows of ``faces`` that have an area and are not another row over again."""
    proper = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    rows = np.flatnonzero(proper)
    rows = rows[face_areas(positions, faces[rows]) > MIN_AREA]
    _, index = np.unique(np.sort(faces[rows], axis=1), axis=0, return_index=True)
    return rows[np.sort(index)]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Half-edges ``(k,)`` in pairs, ``3 * face + corner``, of edges that just two triangles share.

    ``opposed (k,)`` says whether the two run in opposite directions, as on an oriented surface.
    """

    one: Ints
    other: Ints
    opposed: Bools


def _paired(faces: Ints) -> _Pairs:
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    count = int(faces.max()) + 1
    key = np.minimum(start, end) * count + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    heads = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    sizes = np.diff(np.append(heads, len(ranked)))
    twos = heads[sizes == 2]
    one, other = order[twos], order[twos + 1]
    return _Pairs(one, other, start[one] != start[other])


def _oriented(faces: Ints) -> tuple[Ints, Ints]:
    """``faces (m, 3)`` turned so that neighbours agree, and the sheet of each triangle ``(m,)``.

    Triangles are joined over edges that two of them share; each sheet keeps the winding that most
    of its triangles had. A one-sided sheet (Möbius) is cut where its sides meet.
    """
    count = len(faces)
    pairs = _paired(faces)
    one, other = pairs.one // 3, pairs.other // 3
    for _ in range(2):
        # Each triangle twice, as it is and turned; joined are those whose windings agree.
        turned = np.where(pairs.opposed, 0, count)
        rows = np.concatenate([one, one + count])
        columns = np.concatenate([other + turned, other + count - turned])
        _, sheet = components(2 * count, np.stack([rows, columns], axis=1))
        one_sided = sheet[:count] == sheet[count:]
        if not one_sided.any():
            break
        kept = pairs.opposed | ~one_sided[one]
        pairs = _Pairs(pairs.one[kept], pairs.other[kept], pairs.opposed[kept])
        one, other = one[kept], other[kept]
    size = np.bincount(sheet[:count], minlength=int(sheet.max()) + 1)
    keep = size[sheet[:count]] >= size[sheet[count:]]
    tie = size[sheet[:count]] == size[sheet[count:]]
    keep = np.where(tie, sheet[:count] < sheet[count:], keep)
    turned_faces = np.where(keep[:, None], faces, faces[:, ::-1])
    return turned_faces, np.minimum(sheet[:count], sheet[count:])


def _sheets(faces: Ints, sheet: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Rows of each sheet, and its triangles ``(m, 3)`` over corners that were parted wherever the
    surface only touches itself: every vertex is the middle of one fan."""
    pairs = _paired(faces)
    joined = pairs.opposed & (sheet[pairs.one // 3] == sheet[pairs.other // 3])
    one, other = pairs.one[joined], pairs.other[joined]
    rows = np.concatenate([one, _next(one)])
    columns = np.concatenate([_next(other), other])
    fan = components(3 * len(faces), np.stack([rows, columns], axis=1))[1].reshape(-1, 3)
    order = np.argsort(sheet, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(sheet[order])) + 1):
        yield rows, fan[rows]


def _next(half_edge: Ints) -> Ints:
    """The half-edge after each in its triangle."""
    return half_edge - half_edge % 3 + (half_edge + 1) % 3


def _closed(positions: Floats, source: Ints, faces: Ints, rows: Ints) -> ClosedPiece:
    """One sheet closed: ``positions (n, 3)``, ``source (n,)``, ``faces (m, 3)``, ``rows (m,)``."""
    lids = [loop for loop in boundary_loops(faces) if len(loop) >= 3]
    piece = _with_lids(ClosedPiece(positions, faces, source, rows), lids)
    if lids and _is_sheet(piece, len(faces)):
        piece = _thickened(ClosedPiece(positions, faces, source, rows))
    if signed_volume(piece.vertices, piece.faces) < 0:
        piece = replace(piece, faces=piece.faces[:, ::-1])
    return piece


def boundary_loops(faces: Ints) -> list[Ints]:
    """The vertices of each boundary of an oriented two-manifold, in the direction of its faces."""
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    count = int(faces.max()) + 1
    alone = ~np.isin(start * count + end, end * count + start)
    after = dict(zip(start[alone].tolist(), end[alone].tolist(), strict=True))
    loops = []
    while after:
        first, vertex = after.popitem()
        loop = [first]
        while vertex != first:
            loop.append(vertex)
            vertex = after.pop(vertex)
        loops.append(np.array(loop))
    return loops


def _with_lids(piece: ClosedPiece, loops: list[Ints]) -> ClosedPiece:
    """Every loop closed by a fan around its middle, or by one triangle."""
    vertices, faces = [piece.vertices], [piece.faces]
    source_vertex, source_face = [piece.source_vertex], [piece.source_face]
    count = len(piece.vertices)
    for loop in loops:
        after = np.roll(loop, -1)
        if len(loop) == 3:
            lid = loop[None, ::-1]
        else:
            lid = np.stack([after, loop, np.full(len(loop), count)], axis=1)
            vertices.append(piece.vertices[loop].mean(axis=0, keepdims=True))
            source_vertex.append(piece.source_vertex[loop[:1]])
            count += 1
        faces.append(lid)
        source_face.append(np.full(len(lid), INVENTED))
    return ClosedPiece(
        np.concatenate(vertices), np.concatenate(faces),
        np.concatenate(source_vertex), np.concatenate(source_face),
    )  # fmt: skip


def _is_sheet(piece: ClosedPiece, n_own: int) -> bool:
    """Whether the lids close a sheet flatly on itself rather than a tube over its openings."""
    area = face_areas(piece.vertices, piece.faces)
    whole = float(area.sum())
    if area[n_own:].sum() < SHEET_SHARE * whole:
        return False
    return abs(signed_volume(piece.vertices, piece.faces)) < SHEET_VOLUME * whole**1.5


def _thickened(piece: ClosedPiece) -> ClosedPiece:
    """A sheet with a back side, as far behind it as a sheet is thick, and with walls around."""
    behind = len(piece.vertices)
    normals = vertex_normals(piece.vertices, piece.faces)
    back = piece.vertices - SHEET_THICKNESS * normals
    walls = []
    for loop in boundary_loops(piece.faces):
        after = np.roll(loop, -1)
        walls.append(np.stack([after, loop, loop + behind], axis=1))
        walls.append(np.stack([after, loop + behind, after + behind], axis=1))
    wall = np.concatenate(walls)
    return ClosedPiece(
        np.concatenate([piece.vertices, back]),
        np.concatenate([piece.faces, piece.faces[:, ::-1] + behind, wall]),
        np.tile(piece.source_vertex, 2),
        np.concatenate([piece.source_face, piece.source_face, np.full(len(wall), INVENTED)]),
    )


def signed_volume(vertices: Floats, faces: Ints) -> float:
    """Volume that a closed mesh encloses; negative if its faces look inwards."""
    middle = vertices.mean(axis=0)
    a, b, c = (vertices[faces[:, k]] - middle for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
