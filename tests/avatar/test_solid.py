"""One solid out of many pieces, judged by volumes that are known."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.closing import signed_volume
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.skinning import SkinWeights
from rigline.avatar.solid import SolidBody, barycentric, solid_body
from tests.avatar.test_closing import box
from tests.support.parted import one_skin, synthetic


def rigid(part: Ints) -> SkinWeights:
    weights = np.zeros((len(part), 4), np.float32)
    weights[:, 0] = 1
    joints = np.zeros((len(part), 4), np.uint8)
    joints[:, 0] = part
    return SkinWeights(joints, weights)


def solid_of(*placed: tuple[Floats, Ints]) -> SolidBody:
    """Pieces of parts 0, 1, …"""
    count = np.cumsum([0, *(len(v) for v, _ in placed)])
    vertices = np.concatenate([v for v, _ in placed])
    faces = np.concatenate([f + s for (_, f), s in zip(placed, count[:-1], strict=True)])
    part = np.repeat(np.arange(len(placed)), np.diff(count))
    return solid_body(vertices / 3, faces, rigid(part))


def test_pieces_that_interpenetrate_become_one() -> None:
    vertices, faces = box()
    body = solid_of((vertices, faces), (vertices + [0.5, 0.3, 0.2], faces))
    assert signed_volume(body.vertices, body.faces) * 27 == pytest.approx(12 - 0.5 * 1.7 * 2.8)
    np.testing.assert_allclose(body.weights.sum(axis=1), 1)
    assert set(body.weights.argmax(axis=1)) == {0, 1}


def test_what_lies_inside_disappears() -> None:
    vertices, faces = box()
    body = solid_of((vertices, faces), (0.5 * vertices + 0.1, faces))
    assert signed_volume(body.vertices, body.faces) * 27 == pytest.approx(6)
    assert len(body.faces) == len(faces)


def test_a_hollow_is_filled() -> None:
    vertices, faces = box()
    shells = (vertices, faces), (0.5 * vertices + 0.1, faces[:, ::-1])
    body = solid_of(*shells)
    assert signed_volume(body.vertices, body.faces) * 27 == pytest.approx(6)


def test_every_triangle_lies_in_its_source() -> None:
    source, body = synthetic(), one_skin()
    triangles = source.vertices[source.faces[body.source_face]]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    offset = body.vertices[body.faces] - triangles[:, :1]
    assert np.abs((offset * normal[:, None]).sum(axis=2)).max() < 2e-4


def test_the_same_soup_gives_the_same_solid() -> None:
    body = synthetic(8)
    weights = rigid(body.part)
    one = solid_body(body.vertices, body.faces, weights)
    other = solid_body(body.vertices, body.faces, weights)
    np.testing.assert_array_equal(one.faces, other.faces)
    np.testing.assert_array_equal(one.vertices, other.vertices)


def test_barycentric_coordinates_give_the_point_back() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 50, 3))
    share = rng.dirichlet([1, 1, 1], 50)
    point = share[:, :1] * a + share[:, 1:2] * b + share[:, 2:] * c
    np.testing.assert_allclose(barycentric(point, a, b, c), share, atol=1e-9)
