"""Skin weights: they sum to one everywhere, and the bend follows the joint."""

import numpy as np
import pytest

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.skinning import JOINT_SPREAD, SkinWeights, skin, strongest, weight_evidence
from tests.support.bodies import tube

UPPER, LOWER, HAND = Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND


def arm(rings: int = 121, segments: int = 10) -> tuple[Floats, Ints, Ints, Floats]:
    """A tube along +X from 0.1 to 0.5 with shoulder, elbow and wrist: mesh, parts and joints."""
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    ring = np.c_[0.7 + 0.03 * np.cos(angle), 0.03 * np.sin(angle)]
    vertices, faces = tube(np.linspace(0.1, 0.5, rings), ring)
    x = vertices[:, 0]
    joints = np.tile([0.0, 0.6, 0.0], (N_PARTS, 1))
    joints[UPPER], joints[LOWER], joints[HAND] = [0.1, 0.7, 0], [0.28, 0.7, 0], [0.43, 0.7, 0]
    part = np.where(x < 0.28, UPPER, np.where(x < 0.43, LOWER, HAND)).astype(np.int64)
    return vertices, faces, part, joints


def half_line(vertices: Floats, weights: SkinWeights, child: int) -> float:
    """Where along X the child's weight passes one half."""
    dense = weights.dense()
    x = np.unique(vertices[:, 0])
    share = np.array([dense[vertices[:, 0] == value][:, child:].sum(axis=1).mean() for value in x])
    return float(np.interp(0.5, share, x))


def test_rows_sum_to_one_with_at_most_four_influences() -> None:
    vertices, faces, part, joints = arm()
    weights = skin(vertices, faces, part, joints)
    assert weights.joints.shape == weights.weights.shape == (len(vertices), 4)
    assert weights.weights.sum(axis=1) == pytest.approx(np.ones(len(vertices)), abs=1e-6)
    assert (weights.weights >= 0).all()
    assert (np.diff(weights.weights, axis=1) <= 0).all()


@pytest.mark.parametrize("moved", [0.05, -0.05, 0.015])
def test_the_bend_follows_the_elbow(moved: float) -> None:
    vertices, faces, part, joints = arm()
    before = half_line(vertices, skin(vertices, faces, part, joints), LOWER)
    assert before == pytest.approx(0.28, abs=0.004)
    dragged = joints.copy()
    dragged[LOWER, 0] += moved
    after = half_line(vertices, skin(vertices, faces, part, dragged, joints), LOWER)
    assert after - before == pytest.approx(moved, abs=0.008)


def test_the_boundary_at_an_ankle_is_carried_to_it() -> None:
    vertices, faces, _, _ = arm()
    leg = np.c_[vertices[:, 1] - 0.6, 0.5 - vertices[:, 0], vertices[:, 2]]  # from 0.4 down to 0
    joints = np.tile([0.0, 0.5, 0.0], (N_PARTS, 1))
    joints[Part.LEFT_UPPER_LEG], joints[Part.LEFT_LOWER_LEG] = [0.1, 0.4, 0], [0.1, 0.2, 0]
    joints[Part.LEFT_FOOT] = [0.1, 0.05, 0]
    boot = np.where(leg[:, 1] < 0.12, Part.LEFT_FOOT, Part.LEFT_LOWER_LEG).astype(np.int64)
    weights = skin(leg, faces, boot, joints).dense()
    foot = leg[weights[:, Part.LEFT_FOOT] > 0.5]
    assert foot[:, 1].max() == pytest.approx(0.05, abs=0.01)


def unsure_about(x: Floats, at: float, spread: float) -> Floats:
    """Opinions ``(n, 15)`` of vertices on an arm, whose odds turn at a place along it."""
    opinion = np.zeros((len(x), N_PARTS))
    opinion[:, LOWER] = (1 + np.tanh((x - at) / (2 * spread))) / 2
    opinion[:, UPPER] = 1 - opinion[:, LOWER]
    return opinion


@pytest.mark.parametrize(("spread", "bend"), [(JOINT_SPREAD, 0.31), (1e-4, 0.34)])
def test_the_joint_decides_the_more_the_less_the_models_are_sure(
    spread: float, bend: float
) -> None:
    vertices, faces, _, joints = arm()
    joints[HAND, 0] = 0.6  # past the end of the tube
    opinion = unsure_about(vertices[:, 0], 0.34, spread)
    weights = skin(vertices, faces, opinion.argmax(axis=1), joints, opinion=opinion)
    assert half_line(vertices, weights, LOWER) == pytest.approx(bend, abs=0.005)


def test_labels_that_are_not_the_models_opinion_stay() -> None:
    vertices, faces, _, joints = arm()
    painted = np.where(vertices[:, 0] < 0.34, UPPER, LOWER).astype(np.int64)
    opinion = unsure_about(vertices[:, 0], 0.28, 0.05)
    opinion[vertices[:, 0] >= 0.34] = np.eye(N_PARTS)[LOWER]  # painted, too, and nobody else's
    weights = skin(vertices, faces, painted, joints, opinion=opinion)
    assert half_line(vertices, weights, LOWER) == pytest.approx(0.34, abs=0.005)


def test_what_a_person_painted_stays_far_past_a_joint() -> None:
    vertices, faces, _, joints = arm()
    painted = np.where(vertices[:, 0] < 0.36, UPPER, LOWER).astype(np.int64)
    weights = skin(vertices, faces, painted, joints, opinion=np.eye(N_PARTS)[painted])
    assert half_line(vertices, weights, LOWER) == pytest.approx(0.36, abs=0.005)


def test_a_rigid_piece_is_never_cut() -> None:
    vertices, faces, part, joints = arm()
    rigid = np.full_like(part, LOWER)
    weights = skin(vertices, faces, rigid, joints)
    assert (weights.joints[:, 0] == LOWER).all()
    assert weights.weights[:, 0] == pytest.approx(1)


def test_seam_duplicates_get_equal_weights() -> None:
    vertices, faces, part, joints = arm()
    n = len(vertices)
    split = np.where(faces >= n // 2, faces + n, faces)
    doubled = np.concatenate([vertices, vertices])
    weights = skin(doubled, split, np.concatenate([part, part]), joints)
    assert np.array_equal(weights.joints[:n], weights.joints[n:])
    assert np.array_equal(weights.weights[:n], weights.weights[n:])


def test_no_vertex_is_left_without_weight_in_a_soup() -> None:
    rng = np.random.default_rng(4)
    vertices = rng.random((300, 3))
    faces = rng.integers(0, 290, (120, 3))
    part = rng.integers(0, N_PARTS, 300)
    joints = rng.random((N_PARTS, 3))
    weights = skin(vertices, faces, part, joints)
    assert weights.weights.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-6)
    assert weight_evidence(vertices, faces, weights, part)["unweighted_share"] == 0


def test_permutation_of_vertices_changes_nothing() -> None:
    vertices, faces, part, joints = arm()
    order = np.random.default_rng(0).permutation(len(vertices))
    back = np.argsort(order)
    plain = skin(vertices, faces, part, joints).dense()
    shuffled = skin(vertices[order], back[faces], part[order], joints).dense()
    assert np.abs(shuffled[back] - plain).max() < 1e-5


def test_strongest_keeps_four_and_falls_back_to_the_part() -> None:
    row = np.zeros((2, N_PARTS))
    row[0, [1, 3, 5, 7, 9]] = [0.4, 0.3, 0.15, 0.1, 0.05]
    out = strongest(row, np.array([0, 12]))
    assert out.joints[0].tolist() == [1, 3, 5, 7]
    assert out.weights[0].sum() == pytest.approx(1)
    assert out.joints[1].tolist() == [12, 0, 0, 0]
    assert out.weights[1].tolist() == [1, 0, 0, 0]
