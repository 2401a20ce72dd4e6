"""Joints that a stretch draws out of their parts come back; others stay."""

from __future__ import annotations

import numpy as np

from rigline.avatar.body import Part
from rigline.avatar.joint_reach import within_reach
from rigline.avatar.marketplace.rules import limit_of
from rigline.avatar.mesh import Floats
from tests.support.parted import parted, synthetic

LIMIT = limit_of("skeleton.bone_in_part", "distance")


def gap(place: Floats, part: Part) -> float:
    body = parted()
    own = body.vertices[np.unique(body.faces[body.rows_of(part)])]
    off = place[part] - np.clip(place[part], own.min(axis=0), own.max(axis=0))
    return float(np.linalg.norm(off) / np.ptp(body.vertices[:, 1]))


def test_a_joint_that_left_its_part_comes_near_again() -> None:
    body, joints = parted(), synthetic().joints
    away = joints.copy()
    away[Part.LEFT_FOOT] += [0.1, 0.2, 0.0]
    found = within_reach(body, joints, body.vertices, away)
    assert gap(away, Part.LEFT_FOOT) > LIMIT
    np.testing.assert_allclose(gap(found, Part.LEFT_FOOT), 0.9 * LIMIT)
    others = np.arange(15) != Part.LEFT_FOOT
    np.testing.assert_array_equal(found[others], joints[others])


def test_a_joint_that_was_never_in_its_part_stays() -> None:
    body, away = parted(), synthetic().joints.copy()
    away[Part.LEFT_FOOT] += [0.1, 0.2, 0.0]
    np.testing.assert_array_equal(within_reach(body, away, body.vertices, away), away)
