"""Closing soups: whatever comes in, closed oriented pieces come out, and whole ones stay whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigline.avatar.closing import (
    INVENTED,
    ClosedPiece,
    boundary_loops,
    close_pieces,
    signed_volume,
)
from rigline.avatar.mesh import Floats, Ints
from tests.support.bodies import box_body


def box() -> tuple[Floats, Ints]:
    """A closed box of 1 × 2 × 3 with the corner at the origin, wound outwards."""
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 2) for z in (0, 3)], np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])


def assert_closed(piece: ClosedPiece) -> None:
    """Each directed edge once, and once the other way."""
    start, end = piece.faces.ravel(), piece.faces[:, [1, 2, 0]].ravel()
    edges = set(zip(start.tolist(), end.tolist(), strict=True))
    assert len(edges) == piece.faces.size
    assert {(b, a) for a, b in edges} == edges
    assert signed_volume(piece.vertices, piece.faces) >= 0


def test_what_is_closed_stays_as_it_is() -> None:
    body = box_body(2)
    pieces = close_pieces(body.vertices, body.faces)
    assert len(pieces) == 15
    assert sorted(np.concatenate([p.source_face for p in pieces])) == list(range(len(body.faces)))
    for piece in pieces:
        assert_closed(piece)
        np.testing.assert_array_equal(piece.vertices, body.vertices[piece.source_vertex])


def test_faces_that_look_inwards_are_turned() -> None:
    vertices, faces = box()
    (piece,) = close_pieces(vertices, faces[:, ::-1])
    assert signed_volume(piece.vertices, piece.faces) == pytest.approx(6)


def test_single_faces_that_look_the_wrong_way_are_turned() -> None:
    vertices, faces = box()
    faces[[3, 7]] = faces[[3, 7]][:, ::-1]
    (piece,) = close_pieces(vertices, faces)
    assert_closed(piece)
    assert signed_volume(piece.vertices, piece.faces) == pytest.approx(6)


def test_an_opening_gets_a_lid() -> None:
    vertices, faces = box()
    (piece,) = close_pieces(vertices, faces[2:])
    assert_closed(piece)
    assert signed_volume(piece.vertices, piece.faces) == pytest.approx(6)
    lid = piece.faces[piece.source_face == INVENTED]
    np.testing.assert_allclose(piece.vertices[lid][:, :, 0], 0)


def test_a_sheet_gets_a_back_side() -> None:
    n = 6
    grid = np.array([(i / n, j / n, 0.0) for i in range(n + 1) for j in range(n + 1)])
    cells = [(i * (n + 1) + j, (i + 1) * (n + 1) + j) for i in range(n) for j in range(n)]
    faces = np.array([t for a, b in cells for t in ((a, b, a + 1), (b, b + 1, a + 1))])
    (piece,) = close_pieces(grid, faces)
    assert_closed(piece)
    assert 0.002 < np.ptp(piece.vertices[:, 2]) < 0.02


def test_a_wall_between_two_boxes_is_parted_from_them() -> None:
    vertices, faces = box()
    wall_is_one = np.concatenate([faces, faces[faces.min(axis=1) < 4] + 8, faces[2:4] + 8])
    doubled = np.concatenate([vertices, vertices + [1, 0, 0]])
    pieces = close_pieces(doubled, wall_is_one)
    for piece in pieces:
        assert_closed(piece)
    volume = sum(signed_volume(p.vertices, p.faces) for p in pieces)
    assert volume == pytest.approx(12, abs=0.1)


def test_doubled_and_empty_triangles_are_dropped() -> None:
    vertices, faces = box()
    noise = np.concatenate([faces, faces[:, ::-1], [[0, 0, 1], [0, 1, 0]]])
    (piece,) = close_pieces(vertices, noise)
    assert len(piece.faces) == len(faces)


def test_a_moebius_strip_becomes_closed_pieces() -> None:
    n = 12
    angle = 2 * np.pi * np.arange(n) / n
    across = np.stack([np.cos(angle / 2) * np.cos(angle), np.cos(angle / 2) * np.sin(angle),
                       np.sin(angle / 2)], axis=1)  # fmt: skip
    middle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    vertices = np.concatenate([middle + 0.2 * across, middle - 0.2 * across])
    faces = []
    for k in range(n):
        a, b = (k, k + n), (k + 1, k + 1 + n) if k + 1 < n else (n, 0)
        faces += [(a[0], a[1], b[0]), (a[1], b[1], b[0])]
    for piece in close_pieces(vertices, np.array(faces)):
        assert_closed(piece)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 14), st.integers(1, 40))
def test_any_soup_becomes_closed_pieces(seed: int, n_vertices: int, n_faces: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(n_vertices, 3))
    faces = rng.integers(0, n_vertices, (n_faces, 3))
    pieces = close_pieces(vertices, faces)
    for piece in pieces:
        assert_closed(piece)
    proper = faces[[len(set(f)) == 3 for f in faces.tolist()]]
    sources = {int(f) for p in pieces for f in p.source_face if f != INVENTED}
    assert {tuple(sorted(faces[f])) for f in sources} == {tuple(sorted(f)) for f in proper}


def test_loops_run_with_their_faces() -> None:
    _, faces = box()
    (loop,) = boundary_loops(faces[2:])
    edges = set(zip(faces[2:].ravel().tolist(), faces[2:, [1, 2, 0]].ravel().tolist(), strict=True))
    assert all(e in edges for e in zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True))
