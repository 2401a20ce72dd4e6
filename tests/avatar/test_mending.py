"""Needles are taken out, and the surface stays closed."""

from __future__ import annotations

import numpy as np

from rigline.avatar.mending import MIN_EDGE, mended
from rigline.avatar.mesh import Floats, Ints, face_areas
from tests.avatar.test_closing import box
from tests.avatar.test_reduction import edge_counts, tetrahedron
from tests.support.parted import one_skin


def with_needle(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """A face's middle added twice, a hair apart."""
    a, b, c = faces[0]
    middle = vertices[[a, b, c]].mean(axis=0)
    grown = np.concatenate([vertices, [middle, middle + 0.3 * MIN_EDGE]])
    m, n = len(vertices), len(vertices) + 1
    fan = [(a, b, m), (b, c, m), (c, n, m), (c, a, n), (a, m, n)]
    return grown, np.concatenate([faces[1:], fan])


def test_a_needle_shrinks_to_a_point() -> None:
    vertices, faces = with_needle(*box())
    fewer, _, rows = mended(vertices, faces, np.zeros(len(faces), np.int64))
    assert len(fewer) == len(faces) - 2 == len(rows)
    assert (edge_counts(fewer) == 2).all()


def test_a_flat_triangle_goes_to_its_neighbour() -> None:
    vertices, faces = box()
    a, b, c = faces[0]
    grown = np.concatenate([vertices, [(vertices[a] + vertices[b]) / 2]])
    split = np.concatenate([faces[1:], [(a, 8, c), (8, b, c), (a, b, 8)]])
    same, part, _ = mended(grown, split, np.zeros(len(split), np.int64))
    assert (edge_counts(same) == 2).all()
    assert face_areas(grown, same).min() > 1e-3
    assert len(part) == len(split)


def test_specks_are_dropped_and_small_solids_survive() -> None:
    vertices, faces = box()
    corner = 0.0003 * np.random.default_rng(0).random((4, 3))
    both = np.concatenate([vertices, corner + 5]), np.concatenate([faces, tetrahedron(8)])
    kept, _, _ = mended(*both, np.zeros(len(both[1]), np.int64))
    np.testing.assert_array_equal(kept, faces)


def test_a_sound_surface_stays_as_it_is() -> None:
    body = one_skin()
    part = body.weights.argmax(axis=1)[body.faces[:, 0]]
    faces, kept, rows = mended(body.vertices, body.faces, part)
    assert (edge_counts(faces) == 2).all()
    np.testing.assert_array_equal(kept, part[rows])
