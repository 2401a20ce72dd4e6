"""The z-buffer: the right triangle in the right pixel, compared with the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.mesh import Floats, Ints
from rigline.render import raster
from rigline.render.raster import NOTHING, shaded, visible_faces

WIDTH, HEIGHT = 23, 17


def one(*corners: tuple[float, float, float]) -> Floats:
    return np.array(corners, np.float64)


def by_brute_force(screen: Floats, faces: Ints, width: int, height: int) -> Ints:
    """Each pixel against each triangle, by the signs of three areas."""
    nearest = np.full((height, width), NOTHING)
    for row in range(height):
        for column in range(width):
            best = -np.inf
            for index, face in enumerate(faces):
                depth = depth_at(screen[face], column + 0.5, row + 0.5)
                if depth is not None and depth > best:
                    nearest[row, column], best = index, depth
    return nearest


def depth_at(corners: Floats, x: float, y: float) -> float | None:
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners
    whole = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if abs(whole) < 1e-9:
        return None
    a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / whole
    b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / whole
    c = 1 - a - b
    return None if min(a, b, c) < 0 else a * az + b * bz + c * cz


@pytest.mark.parametrize("corners", [(0, 1, 2), (0, 2, 1)])
def test_a_triangle_covers_the_pixels_whose_centres_lie_in_it(corners: tuple[int, ...]) -> None:
    screen = one((1, 1, 0), (7, 1, 0), (1, 7, 0))[list(corners)]
    found = visible_faces(screen, np.array([[0, 1, 2]]), 9, 8)
    row, column = np.mgrid[0:8, 0:9]
    inside = (column >= 1) & (row >= 1) & (column + row + 1 <= 8)
    assert np.array_equal(found == 0, inside)
    assert set(np.unique(found)) == {NOTHING, 0}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_wins_in_any_order(order: tuple[int, int]) -> None:
    screen = one((0, 0, 1), (9, 0, 1), (0, 9, 1), (0, 0, 2), (9, 0, 2), (0, 9, 2))
    faces = np.array([[0, 1, 2], [3, 4, 5]])[list(order)]
    found = visible_faces(screen, faces, 9, 9)
    assert set(np.unique(found)) == {NOTHING, order.index(1)}


def test_where_two_triangles_cross_each_is_seen_on_its_own_side() -> None:
    falling = one((0, 0, 10), (10, 0, 0), (0, 40, 10))
    rising = one((0, 0, 0), (10, 0, 10), (10, 40, 10))
    found = visible_faces(np.concatenate([falling, rising]), np.arange(6).reshape(2, 3), 10, 4)
    assert (found[0, :5] == 0).all()
    assert (found[0, 5:] == 1).all()


def test_triangles_off_the_screen_are_not_drawn() -> None:
    corners = one((0, 0, 0), (3, 0, 0), (0, 3, 0))
    for offset in ([-9, 0], [WIDTH + 1, 0], [0, -9], [0, HEIGHT + 1], [-1e6, -1e6], [1e6, 1e6]):
        screen = np.add(corners, (*offset, 0))
        found = visible_faces(screen, np.array([[0, 1, 2]]), WIDTH, HEIGHT)
        assert (found == NOTHING).all(), offset


def test_a_triangle_larger_than_the_screen_covers_it_all() -> None:
    screen = one((-1e3, -1e3, 0), (4e3, -1e3, 0), (-1e3, 4e3, 0))
    found = visible_faces(screen, np.array([[0, 1, 2]]), WIDTH, HEIGHT)
    assert (found == 0).all()


def test_degenerate_triangles_are_left_out_and_indices_stay() -> None:
    screen = one((2, 2, 5), (2, 2, 5), (8, 8, 5), (5, 5, 5), (0, 0, 0), (9, 0, 0), (0, 9, 0))
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 0, 0], [4, 5, 6]])
    found = visible_faces(screen, faces, 9, 9)
    assert set(np.unique(found)) == {NOTHING, 3}


def test_nothing_to_draw_gives_an_empty_picture() -> None:
    for faces in (np.zeros((0, 3), np.int64), np.array([[0, 0, 0]])):
        found = visible_faces(np.zeros((1, 3)), faces, 4, 3)
        assert found.shape == (3, 4)
        assert (found == NOTHING).all()


@pytest.mark.parametrize("at_once", [1, 50, 400_000])
@pytest.mark.parametrize("seed", range(4))
def test_it_sees_what_brute_force_sees(
    monkeypatch: pytest.MonkeyPatch, seed: int, at_once: int
) -> None:
    monkeypatch.setattr(raster, "CANDIDATES_AT_ONCE", at_once)
    rng = np.random.default_rng(seed)
    screen = rng.uniform(-6, 29, (60, 3))
    faces = rng.integers(0, len(screen), (25, 3))
    found = visible_faces(screen, faces, WIDTH, HEIGHT)
    assert np.array_equal(found, by_brute_force(screen, faces, WIDTH, HEIGHT))
    assert len(np.unique(found)) > 5


def test_neighbours_leave_no_gap_between_them() -> None:
    rng = np.random.default_rng(7)
    x, y = np.meshgrid(np.linspace(-1, WIDTH + 1, 9), np.linspace(-1, HEIGHT + 1, 7))
    screen = np.c_[x.ravel(), y.ravel(), np.zeros(x.size)] + rng.normal(0, 0.3, (x.size, 3))
    screen[:, :2] += np.where(np.abs(screen[:, :2]) < 1, -1.5, 0)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(6), np.arange(8), indexing="ij"))
    a = i * 9 + j
    faces = np.concatenate([np.c_[a, a + 1, a + 9], np.c_[a + 1, a + 10, a + 9]])
    found = visible_faces(screen, faces, WIDTH, HEIGHT)
    assert (found[2:-2, 2:-2] != NOTHING).all()


def test_shading_keeps_the_hue_and_leaves_the_rest_clear() -> None:
    nearest = np.array([[0, NOTHING], [1, 1]])
    normals = one((0, 0, 1), (1, 0, 0))
    colours = np.array([[200, 100, 0], [0, 100, 200]], np.uint8)
    picture = shaded(nearest, normals, colours)
    assert picture.shape == (2, 2, 4)
    assert picture.dtype == np.uint8
    assert picture[0, 1].tolist() == [0, 0, 0, 0]
    assert picture[..., 3].tolist() == [[255, 0], [255, 255]]
    facing, edge_on = picture[0, 0], picture[1, 0]
    assert facing[0] == pytest.approx(2 * facing[1], abs=2)
    assert facing[0] > edge_on[2] > 0


def test_both_sides_of_a_triangle_are_lit_alike() -> None:
    colours = np.full((2, 3), 180, np.uint8)
    normals = one((0.3, 0.4, 0.866), (-0.3, -0.4, -0.866))
    picture = shaded(np.array([[0, 1]]), normals, colours)
    assert np.array_equal(picture[0, 0], picture[0, 1])


def test_a_soup_of_large_triangles_is_drawn_coarser_in_bounded_time() -> None:
    rng = np.random.default_rng(3)
    screen = rng.uniform([0, 0, -1], [400, 500, 1], (60_000, 3))
    faces = np.arange(60_000).reshape(-1, 3)
    seen = visible_faces(screen, faces, 400, 500)
    assert seen.shape == (500, 400)
    assert (seen >= 0).mean() > 0.9
