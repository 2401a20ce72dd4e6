"""Limbs that leave most of their box empty are filled out, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rigline.avatar.body import PART_NAMES, Part
from rigline.avatar.girth import BARELY, CLEAR, MOST_GIRTH, with_girth
from rigline.avatar.marketplace.coverage_checks import at_attention, covered_shares
from rigline.avatar.marketplace.shape_checks import LEFT_LEG
from rigline.avatar.mesh import Floats
from rigline.avatar.partition import PartedBody
from tests.support.parted import parted, synthetic

JOINTS = synthetic().joints


def with_long_foot(scale: float) -> PartedBody:
    """The body with its left foot so many times as long, from heel to toe."""
    body = parted()
    share = body.weights[:, Part.LEFT_FOOT]
    vertices = body.vertices.copy()
    vertices[:, 2] += share * (scale - 1) * (vertices[:, 2] - JOINTS[Part.LEFT_FOOT, 2])
    return replace(body, vertices=vertices)


def side_share(body: PartedBody) -> float:
    return leg_share(body, "side")


def leg_share(body: PartedBody, view: str) -> float:
    own = np.isin(body.face_part, LEFT_LEG)
    corners = at_attention(body.vertices, body.faces, body.face_part.astype(np.int64), JOINTS)
    return covered_shares(corners[own])[view]


def test_a_body_that_fills_its_boxes_stays_as_it_is() -> None:
    body = parted()
    found, girths = with_girth(body, JOINTS)
    assert girths == {}
    assert found is body


def test_a_leg_with_a_long_foot_is_filled_out() -> None:
    longest = next(s for s in np.arange(1.0, 4.0, 0.1) if side_share(with_long_foot(s)) < 0.48)
    body = with_long_foot(float(longest))
    found, girths = with_girth(body, JOINTS)
    assert side_share(found) >= 0.5 * CLEAR
    assert set(girths) <= {PART_NAMES[p] for p in LEFT_LEG}
    assert girths["LeftLowerLeg"][1] > 1 > girths["LeftFoot"][1]
    assert all(1 / MOST_GIRTH <= f <= MOST_GIRTH for pair in girths.values() for f in pair)
    far = body.weights[:, list(LEFT_LEG)].sum(axis=1) == 0
    np.testing.assert_array_equal(found.vertices[far], body.vertices[far])


def test_a_leg_whose_foot_stands_aside_is_filled_out_step_by_step() -> None:
    """Drawing its parts together would make the box wider still."""
    body = parted()
    vertices = body.vertices.copy()
    shin, foot = body.weights[:, Part.LEFT_LOWER_LEG], body.weights[:, Part.LEFT_FOOT]
    thin = (vertices[:, 0] - JOINTS[Part.LEFT_LOWER_LEG, 0]) * -0.6
    vertices[:, 0] += 0.04 * foot + shin * thin
    body = replace(body, vertices=vertices)
    assert leg_share(body, "front") < 0.5
    found, girths = with_girth(body, JOINTS)
    assert leg_share(found, "front") >= 0.5 * BARELY
    assert all(1 / MOST_GIRTH <= f <= MOST_GIRTH for pair in girths.values() for f in pair)


def test_a_leg_that_would_become_another_is_left_alone() -> None:
    body = with_long_foot(6.0)
    found, girths = with_girth(body, JOINTS)
    assert girths == {}
    np.testing.assert_array_equal(found.vertices, body.vertices)


def test_a_leg_without_its_foot_is_left_alone() -> None:
    body = with_long_foot(6.0)
    rest = np.where(body.face_part == Part.LEFT_FOOT, Part.LEFT_LOWER_LEG, body.face_part)
    assert with_girth(replace(body, face_part=rest.astype(np.uint8)), JOINTS)[1] == {}


def test_at_attention_limbs_hang_and_keep_their_shape() -> None:
    body = parted()
    part = body.face_part.astype(np.int64)
    corners = at_attention(body.vertices, body.faces, part, JOINTS)

    def edges(points: Floats) -> Floats:
        return np.linalg.norm(points - np.roll(points, 1, axis=1), axis=2)

    np.testing.assert_allclose(edges(corners), edges(body.vertices[body.faces]), atol=1e-9)
    arm = corners[part == Part.LEFT_LOWER_ARM].reshape(-1, 3)
    assert abs(np.median(arm[:, 0]) - JOINTS[Part.LEFT_UPPER_ARM, 0]) < 0.02
    still = part == Part.UPPER_TORSO
    np.testing.assert_array_equal(corners[still], body.vertices[body.faces[still]])


def test_without_joints_nothing_is_turned() -> None:
    body = parted()
    none = np.full((15, 3), np.nan)
    corners = at_attention(body.vertices, body.faces, body.face_part.astype(np.int64), none)
    np.testing.assert_array_equal(corners, body.vertices[body.faces])
