"""What plain geometry says against an asset being one standing humanoid."""

import numpy as np
import pytest

from rigline.avatar.likeness import shape_evidence
from rigline.avatar.mesh import TriangleMesh
from tests.support.bodies import capsule_body


def beside(mesh: TriangleMesh, step: tuple[float, float, float], scale: float = 1) -> TriangleMesh:
    """The mesh twice: where it is, and scaled and moved."""
    n = len(mesh.vertices)
    return TriangleMesh(
        np.concatenate([mesh.vertices, mesh.vertices * scale + step]),
        np.concatenate([mesh.faces, mesh.faces + n]),
    )


@pytest.fixture
def body() -> TriangleMesh:
    return capsule_body(pose="A").mesh


def test_one_body_is_one(body: TriangleMesh) -> None:
    found = shape_evidence(body, 0)
    assert found["bodies"] == 1
    assert 0.05 < found["thickness"] < 0.6


@pytest.mark.parametrize(
    ("step", "scale"), [((1.6, 0, 0), 1), ((0.9, 0, -0.9), 1), ((0, 0, 0.8), 1), ((1.4, 0, 0), 0.7)]
)
def test_two_bodies_are_told_apart(
    body: TriangleMesh, step: tuple[float, float, float], scale: float
) -> None:
    assert shape_evidence(beside(body, step, scale), 0)["bodies"] == 2


def test_a_spear_beside_the_body_is_no_second_one(body: TriangleMesh) -> None:
    thin = TriangleMesh(body.vertices * [0.05, 1.2, 0.05] + [0.8, 0, 0], body.faces)
    n = len(body.vertices)
    both = TriangleMesh(
        np.concatenate([body.vertices, thin.vertices]),
        np.concatenate([body.faces, thin.faces + n]),
    )
    assert shape_evidence(both, 0)["bodies"] == 1


def test_a_sheet_has_no_thickness_and_a_cube_is_as_thick_as_long() -> None:
    triangle = TriangleMesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), np.array([[0, 1, 2]]))
    assert shape_evidence(triangle, 0)["thickness"] == pytest.approx(0, abs=1e-9)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    assert shape_evidence(TriangleMesh(corners, faces), 0)["thickness"] == pytest.approx(1, abs=0.1)
