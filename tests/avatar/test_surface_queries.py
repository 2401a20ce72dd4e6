"""Samples, nearest points, rays and winding numbers against shapes with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.surface_queries import (
    farthest_hit,
    lattice_samples,
    nearest_on_surface,
    share_inside,
    winding_numbers,
)
from tests.support.bodies import box_body


def cube() -> tuple[Floats, Ints]:
    """A closed cube [-1, 1]³ wound outwards."""
    body = box_body(segments=1)
    head = body.part == 0
    size = np.ptp(body.vertices[head], axis=0)
    centre = body.vertices[head].mean(axis=0)
    return (body.vertices[head] - centre) / (size / 2), body.faces[:12]


def test_winding_number_is_one_inside_and_zero_outside() -> None:
    vertices, faces = cube()
    rng = np.random.default_rng(1)
    points = rng.uniform(-2, 2, (300, 3))
    inside = (np.abs(points) < 1).all(axis=1)
    found = winding_numbers(points, vertices, faces)
    np.testing.assert_allclose(found, inside, atol=0.02)


def test_far_field_agrees_with_the_exact_sum() -> None:
    body = box_body(segments=6)
    points = np.random.default_rng(2).uniform([-0.5, 0, -0.2], [0.5, 1, 0.2], (200, 3))
    found = winding_numbers(points, body.vertices, body.faces)
    whole = np.round(found)
    assert np.abs(found - whole).max() < 0.05


def test_share_inside_counts_the_enclosed() -> None:
    vertices, faces = cube()
    points = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [3, 0, 0], [0, 3, 0]], float)
    assert share_inside(points, vertices, faces) == 0.5
    assert share_inside(points, vertices, faces[:, ::-1]) == 0.5


def test_nearest_point_on_a_cube() -> None:
    vertices, faces = cube()
    samples = lattice_samples(vertices, faces, 0.1, 20_000)
    points = np.random.default_rng(3).uniform(-2, 2, (200, 3))
    nearest, face = nearest_on_surface(points, vertices, faces, samples)
    outside = (np.abs(points) > 1).any(axis=1)
    np.testing.assert_allclose(nearest[outside], np.clip(points[outside], -1, 1), atol=1e-9)
    depth = 1 - np.abs(points[~outside]).max(axis=1)
    distance = np.linalg.norm(nearest[~outside] - points[~outside], axis=1)
    np.testing.assert_allclose(distance, depth, atol=1e-9)
    assert ((face >= 0) & (face < len(faces))).all()


def test_ray_meets_the_far_side_last() -> None:
    vertices, faces = cube()
    hit = farthest_hit(np.array([0.1, 0.2, -5.0]), np.array([0.0, 0.0, 2.0]), vertices, faces)
    assert hit == pytest.approx(3.0)
    missed = farthest_hit(np.array([4.0, 0, 0]), np.array([0.0, 0.0, 1.0]), vertices, faces)
    assert missed is None


def test_samples_keep_to_the_budget_and_the_surface() -> None:
    vertices, faces = cube()
    samples = lattice_samples(vertices, faces, 1e-6, 3000)
    assert len(samples.points) <= 3000 + len(vertices)
    np.testing.assert_allclose(np.abs(samples.points).max(axis=1), 1, atol=1e-12)
