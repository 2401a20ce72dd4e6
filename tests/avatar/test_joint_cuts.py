"""Which part each vertex is cut to: what links a part to its child stays with it."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.joint_cuts import joint_cuts
from rigline.avatar.mesh import Ints
from rigline.avatar.solid import SolidBody
from tests.support.bodies import tube


def strip(parts: list[int]) -> SolidBody:
    """A ribbon of unit squares, the vertices of column k following ``parts[k]``."""
    columns = np.arange(len(parts) - 1)
    vertices = np.array([[k, row, 0.0] for k in range(len(parts)) for row in (0, 1)])
    a, b, c, d = 2 * columns, 2 * columns + 1, 2 * columns + 2, 2 * columns + 3
    faces = np.concatenate([np.stack([a, c, d], axis=1), np.stack([a, d, b], axis=1)])
    weights = np.eye(N_PARTS)[np.repeat(parts, 2)]
    return SolidBody(vertices, faces, weights, np.zeros(len(faces), np.int64))


def cut(body: SolidBody) -> Ints:
    """The part of each column; with all joints at one place no missing part takes anything."""
    return joint_cuts(body, np.zeros((N_PARTS, 3))).part[::2]


HEAD, CHEST, HIPS = [Part.HEAD] * 5, [Part.UPPER_TORSO] * 3, [Part.LOWER_TORSO] * 5
FOOT, CAPE = [Part.LEFT_FOOT] * 5, [Part.UPPER_TORSO] * 24


def test_a_chest_beside_a_larger_cape_is_no_stray() -> None:
    """The cape hangs down to a foot."""
    found = cut(strip([*HEAD, *CHEST, *HIPS, *FOOT, *CAPE]))
    assert found[6] == found[-3] == Part.UPPER_TORSO


def test_a_patch_that_links_nothing_is_a_stray() -> None:
    found = cut(strip([*HIPS, *CHEST, *HIPS, *FOOT, *CAPE]))
    assert found[6] == Part.LOWER_TORSO
    assert found[-3] == Part.UPPER_TORSO


@pytest.mark.parametrize(
    ("parent", "child", "flat"),
    [
        (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, False),
        (Part.LEFT_LOWER_LEG, Part.LEFT_FOOT, False),
        (Part.UPPER_TORSO, Part.LEFT_UPPER_ARM, True),
    ],
)
def test_no_cut_leans_far_at_a_hinge(parent: Part, child: Part, flat: bool) -> None:
    """A square bar along x, whose labels change along a plane that leans by 56 degrees: a flat cut
    at a shoulder, and none at an elbow or ankle."""
    side = np.linspace(-0.1, 0.1, 9)
    ring = np.concatenate([
        np.c_[side[:-1], np.full(8, -0.1)], np.c_[np.full(8, 0.1), side[:-1]],
        np.c_[side[:0:-1], np.full(8, 0.1)], np.c_[np.full(8, -0.1), side[:0:-1]],
    ])  # fmt: skip
    vertices, faces = tube(np.linspace(0.0, 1.2, 61), ring)
    lean = np.tan(np.deg2rad(56))
    part = np.where(vertices[:, 0] - 0.6 > lean * vertices[:, 1], child, parent)
    joints = np.zeros((N_PARTS, 3))
    joints[parent], joints[child] = [-0.4, 0, 0], [0.6, 0, 0]
    joints[Part.LEFT_HAND] = joints[Part.LEFT_LOWER_ARM] + [0.4, 0, 0]
    body = SolidBody(vertices, faces, np.eye(N_PARTS)[part], np.zeros(len(faces), np.int64))
    assert np.isfinite(joint_cuts(body, joints).height[:, child]).any() == flat
