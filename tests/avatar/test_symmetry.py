"""A symmetric body is named and jointed alike on both sides; another is left as it is."""

import numpy as np
import pytest

from rigline.avatar.body import FLIP, N_PARTS, SWAP, Part
from rigline.avatar.canonical import CanonicalMesh, to_canonical
from rigline.avatar.mesh import Floats, TriangleMesh, weld
from rigline.avatar.segmentation import segment
from rigline.avatar.skeleton import JointOpinions, join_opinions
from rigline.avatar.symmetry import NOBODY, TOLERANCE, find_symmetry
from tests.support.bodies import box_body, capsule_body


def upright(vertices: Floats, faces: np.ndarray) -> CanonicalMesh:
    return to_canonical(TriangleMesh(vertices, faces), np.eye(3))


@pytest.fixture(scope="module")
def body() -> CanonicalMesh:
    made = capsule_body()
    return upright(made.vertices, made.faces)


def with_a_sword(shift: float = 0.0) -> CanonicalMesh:
    """A box body whose left hand holds a rod: the middle of the box is not the body's."""
    made = box_body()
    low = made.vertices.max(axis=0)
    rod = np.array([[0, -0.5, 0], [0.9, -0.5, 0], [0.9, -0.48, 0], [0, -0.48, 0]]) + low
    faces = np.array([[0, 1, 2], [0, 2, 3]]) + len(made.vertices)
    vertices = np.concatenate([made.vertices, rod]) + [shift, 0, 0]
    return upright(vertices, np.concatenate([made.faces, faces]))


def test_counterparts_mirror_each_other(body: CanonicalMesh) -> None:
    symmetry = find_symmetry(body)
    assert symmetry is not None
    vertices = body.vertices[weld(body.vertices)[0]]
    paired = symmetry.partner != NOBODY
    image = vertices * FLIP + np.array([2 * symmetry.middle, 0, 0])
    apart = np.linalg.norm(image[paired] - vertices[symmetry.partner[paired]], axis=1)
    assert apart.max() <= TOLERANCE
    assert (np.abs(vertices[~paired, 0] - symmetry.middle) <= TOLERANCE).all()


def test_the_plane_is_the_bodys_not_the_boxs() -> None:
    mesh = with_a_sword()
    symmetry = find_symmetry(mesh)
    assert symmetry is not None
    assert symmetry.middle == pytest.approx(mesh.canonical_from_asset[0, 3])
    assert abs(symmetry.middle) > 0.1
    assert find_symmetry(with_a_sword(shift=3.0)) is None  # nothing tells where its middle is


def test_a_body_that_raises_one_arm_is_not_symmetric(body: CanonicalMesh) -> None:
    moved = body.vertices.copy()
    moved[moved[:, 0] > 0.12, 1] += 0.2
    moved[moved[:, 0] < -0.12, 2] += 0.2
    moved[moved[:, 1] < 0.45, 2] += 0.3 * moved[moved[:, 1] < 0.45, 0]
    assert find_symmetry(upright(moved, body.faces)) is None


def test_joints_of_a_symmetric_body_are_evened_out(body: CanonicalMesh) -> None:
    said = np.random.default_rng(0).normal(0, 0.1, (2, N_PARTS, 3))
    opinions = JointOpinions(said, np.zeros((2, N_PARTS)), np.zeros((2, N_PARTS)))
    symmetry = find_symmetry(body)
    assert symmetry is not None
    joints = join_opinions(opinions, symmetry).joints
    np.testing.assert_allclose(joints, joints[SWAP] * FLIP + [2 * symmetry.middle, 0, 0], atol=1e-9)
    np.testing.assert_array_equal(join_opinions(opinions).joints, said.mean(axis=0))


def test_parts_of_a_symmetric_body_are_named_alike(body: CanonicalMesh) -> None:
    rng = np.random.default_rng(1)
    corners = body.vertices[body.faces].reshape(-1, 3)
    left = corners[:, 0] > 0
    wanted = np.where(left, int(Part.LEFT_UPPER_LEG), int(Part.RIGHT_UPPER_LEG))
    opinion = 0.3 * np.eye(N_PARTS)[wanted] + rng.random((len(corners), N_PARTS))
    found = segment(body, opinion / opinion.sum(axis=1, keepdims=True))
    first, _ = weld(body.vertices)
    symmetry = find_symmetry(body)
    assert symmetry is not None
    paired = np.flatnonzero(symmetry.partner != NOBODY)
    likely = found.probability[first]
    np.testing.assert_allclose(likely[paired], likely[symmetry.partner[paired]][:, SWAP], atol=0.02)
