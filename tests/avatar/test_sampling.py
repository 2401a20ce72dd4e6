"""Surface sampling: even by area, deterministic, and ordered as the models expect."""

import numpy as np
import pytest

from rigline.avatar.mesh import TriangleMesh
from rigline.avatar.sampling import farthest_points, patches, sample_surface
from rigline.errors import InvalidInput


def two_squares() -> TriangleMesh:
    """A unit square at z = 0 and one of nine times its area at z = 1."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    vertices = np.concatenate([square, square * 3 + [0, 0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    return TriangleMesh(vertices, faces)


def test_points_follow_area() -> None:
    cloud = sample_surface(two_squares(), 4000, np.random.default_rng(1))
    assert (cloud.points[:, 2] == 0).mean() == pytest.approx(0.1, abs=0.002)
    assert np.allclose(cloud.normals, [0, 0, 1])
    large = cloud.points[cloud.points[:, 2] == 1]
    assert large[:, :2].mean(axis=0) == pytest.approx([1.5, 1.5], abs=0.05)


def test_same_seed_same_points() -> None:
    first = sample_surface(two_squares(), 64, np.random.default_rng(3))
    second = sample_surface(two_squares(), 64, np.random.default_rng(3))
    assert np.array_equal(first.points, second.points)


def test_a_mesh_without_area_is_refused() -> None:
    line = TriangleMesh(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]]), np.array([[0, 1, 2]]))
    with pytest.raises(InvalidInput, match="no surface area"):
        sample_surface(line, 8, np.random.default_rng(0))


def test_farthest_points_on_a_line() -> None:
    line = np.c_[np.linspace(0, 1, 101), np.zeros((101, 2))]
    assert farthest_points(line, 4).tolist() == [0, 100, 50, 25]


def test_patch_centres_come_first_and_are_their_own_nearest_neighbour() -> None:
    seen = patches(sample_surface(two_squares(), 300, np.random.default_rng(2)), 20, 6)
    assert seen.features.shape == (300, 6)
    assert seen.neighbours.shape == (20, 6)
    assert seen.neighbours[:, 0].tolist() == list(range(20))
    points = seen.features[:, :3]
    gap = np.linalg.norm(points[seen.neighbours] - points[:20, None], axis=2)
    assert (np.diff(gap, axis=1) >= 0).all()
