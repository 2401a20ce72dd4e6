"""Fewer triangles: within budget, closed, near the surface, and whole along the cuts."""

from __future__ import annotations

from functools import cache

import manifold3d
import numpy as np
import pytest

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.closing import boundary_loops
from rigline.avatar.loop_thinning import MIN_LOOP, thinned_loops
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.partition import PartedBody, partition_evidence
from rigline.avatar.reduction import (
    GROUPS,
    Budgets,
    parted_fans,
    reduced,
    reduction_evidence,
    with_single_edges,
    without_fins,
)
from rigline.avatar.surface_queries import lattice_samples, nearest_on_surface
from tests.support.parted import parted

DENSE = 40
BUDGETS = Budgets(head=500, torso=1100, arm=800, leg=800)


@cache
def small() -> PartedBody:
    return reduced(parted(DENSE), BUDGETS)


def test_every_group_keeps_its_budget() -> None:
    assert reduction_evidence(parted(DENSE), BUDGETS)["over_budget"] > 1
    evidence = reduction_evidence(small(), BUDGETS)
    assert evidence["over_budget"] == 0
    for group, count in evidence["triangles"].items():
        assert count > 0.8 * BUDGETS.of(group), group
    assert {part for parts in GROUPS.values() for part in parts} == set(Part)


def test_every_part_stays_closed() -> None:
    body = small()
    evidence = partition_evidence(body)
    assert evidence["open_parts"] == evidence["empty_parts"] == 0
    for part in range(N_PARTS):
        used, local = np.unique(body.faces[body.rows_of(part)], return_inverse=True)
        mesh = manifold3d.Mesh64(body.vertices[used], local.reshape(-1, 3).astype(np.uint64))
        assert manifold3d.Manifold(mesh).status() == manifold3d.Error.NoError
    assert boundary_loops(body.faces[~body.lid]) == []


def test_the_surface_stays_where_it_was() -> None:
    before, after = parted(DENSE), small()
    far = []
    for one, other in ((before, after), (after, before)):
        points = lattice_samples(one.vertices, one.faces[~one.lid], 0.01, 8000).points
        goal = other.faces[~other.lid]
        samples = lattice_samples(other.vertices, goal, 0.01, 8000)
        nearest, _ = nearest_on_surface(points, other.vertices, goal, samples, 60)
        far.append(np.linalg.norm(points - nearest, axis=1))
    assert np.concatenate(far).mean() < 0.0015
    assert np.concatenate(far).max() < 0.02


def test_loops_are_thinned_and_stay_on_their_line() -> None:
    before, after = parted(DENSE), small()
    for part in range(1, N_PARTS):
        old, new = (b.faces[(b.face_part == part) & ~b.lid] for b in (before, after))
        fine, coarse = boundary_loops(old), boundary_loops(new)
        assert len(fine) == len(coarse)
        assert sum(map(len, coarse)) < sum(map(len, fine))
        assert min(map(len, coarse)) >= MIN_LOOP
        was = {row.tobytes() for row in before.vertices[np.concatenate(fine)]}
        assert all(row.tobytes() in was for row in after.vertices[np.concatenate(coarse)])


def test_weights_follow_the_surface() -> None:
    body = small()
    np.testing.assert_allclose(body.weights.sum(axis=1), 1, atol=1e-6)
    skin = body.skin()
    strong = body.weights.argmax(axis=1)
    by_part = np.zeros((N_PARTS, N_PARTS))
    np.add.at(by_part, (body.face_part.repeat(3), strong[body.faces.ravel()]), 1)
    assert (by_part.argmax(axis=1) == np.arange(N_PARTS)).all()
    assert len(skin.vertices) > 0


def test_what_is_within_budget_keeps_its_surface() -> None:
    body = parted(8)
    same = reduced(body)
    points = lattice_samples(same.vertices, same.faces[~same.lid], 0.02, 4000)
    samples = lattice_samples(body.vertices, body.faces, 0.01, 20000)
    nearest, _ = nearest_on_surface(points.points, body.vertices, body.faces, samples, 60)
    assert np.linalg.norm(points.points - nearest, axis=1).max() < 0.01


def test_reduction_is_deterministic() -> None:
    again = reduced(parted(DENSE), BUDGETS)
    np.testing.assert_array_equal(again.faces, small().faces)
    np.testing.assert_array_equal(again.vertices, small().vertices)


def tetrahedron(first: int = 0) -> Ints:
    return np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]) + first


def edge_counts(faces: Ints) -> Ints:
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def test_fins_fall_away() -> None:
    fin = np.array([(0, 1, 9), (1, 0, 9)])
    np.testing.assert_array_equal(without_fins(np.concatenate([tetrahedron(), fin])), tetrahedron())
    np.testing.assert_array_equal(without_fins(tetrahedron()), tetrahedron())


def test_two_solids_that_touch_in_a_vertex_are_parted() -> None:
    faces = np.concatenate([tetrahedron(), np.where(tetrahedron() == 0, 0, tetrahedron() + 3)])
    apart, twins = parted_fans(faces, 7)
    np.testing.assert_array_equal(twins, [0])
    assert (edge_counts(apart) == 2).all()


def test_two_solids_that_touch_in_an_edge_get_an_edge_each() -> None:
    second = np.array([0, 1, 4, 5])[tetrahedron()]
    faces = np.concatenate([tetrahedron(), second])
    assert edge_counts(faces).max() == 4
    vertices: Floats = np.random.default_rng(0).normal(size=(6, 3))
    apart, twins = parted_fans(faces, 6)
    grown = np.concatenate([vertices, vertices[twins]])
    single, middles = with_single_edges(apart, grown)
    assert (edge_counts(single) == 2).all()
    assert len(single) - len(faces) == 2 * len(middles)


@pytest.mark.parametrize("segments", [8, 16])
def test_thinning_keeps_a_closed_surface(segments: int) -> None:
    body = parted(segments)
    skin = ~body.lid
    faces = thinned_loops(
        body.vertices, body.faces[skin], body.face_part[skin].astype(np.int64), 0.001
    )
    left = faces[faces[:, 0] >= 0]
    assert (edge_counts(left) == 2).all()
    assert len(left) < skin.sum()
