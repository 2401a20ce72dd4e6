"""A rig that stands where the model would put it is kept; another is refused, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.body import N_PARTS, PART_NAMES, SWAP, Part
from rigline.avatar.mesh import Floats
from rigline.avatar.rig_names import MappedRig
from rigline.avatar.rig_reuse import adopt_rig, adopt_weights, is_own_skeleton
from rigline.avatar.skeleton import Skeleton
from tests.support.bodies import box_body

BODY = box_body(3)
PREDICTED = Skeleton(BODY.joints + [0.004, -0.003, 0.002], BODY.joints + [0.004, -0.003, 0.002])
BONES = np.arange(N_PARTS)


def mapped(joints: Floats = BODY.joints) -> MappedRig:
    return MappedRig(joints.copy(), BONES)


def moved(part: Part, offset: tuple[float, float, float]) -> Floats:
    joints = BODY.joints.copy()
    joints[part] += offset
    return joints


def test_a_plausible_rig_is_kept_to_the_letter() -> None:
    adopted = adopt_rig(mapped(), PREDICTED)
    assert adopted.kept
    np.testing.assert_array_equal(adopted.skeleton.joints, BODY.joints)
    assert "15 joints" in adopted.reason
    assert is_own_skeleton(mapped(), adopted.skeleton)
    assert not is_own_skeleton(mapped(), adopted.skeleton.with_joint(0, BODY.joints[0] + 0.01))
    assert not is_own_skeleton(mapped(), PREDICTED)


@pytest.mark.parametrize("part", [Part.LEFT_HAND, Part.RIGHT_FOOT, Part.UPPER_TORSO])
def test_a_joint_without_bone_is_predicted(part: Part) -> None:
    adopted = adopt_rig(mapped(moved(part, (np.nan,) * 3)), PREDICTED)
    assert adopted.kept
    np.testing.assert_array_equal(adopted.skeleton.joints[part], PREDICTED.joints[part])
    assert adopted.reason.endswith(f"predicted: {PART_NAMES[part]}")


@pytest.mark.parametrize(
    ("part", "offset"),
    [(Part.LOWER_TORSO, (0, 0.09, 0)), (Part.UPPER_TORSO, (0, -0.079, 0))],
)
def test_a_trunk_that_no_r15_body_may_have_is_predicted(
    part: Part, offset: tuple[float, float, float]
) -> None:
    adopted = adopt_rig(mapped(moved(part, offset)), PREDICTED)
    assert adopted.kept
    np.testing.assert_array_equal(adopted.skeleton.joints[part], PREDICTED.joints[part])


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (moved(Part.LEFT_LOWER_LEG, (np.nan,) * 3), "no bone stands for LeftLowerLeg"),
        (BODY.joints[SWAP], "left is on the body's right"),
        (moved(Part.LEFT_HAND, (0.3, 0, 0)), "LeftHand is 3"),
        (moved(Part.HEAD, (0, 0.3, 0)), "Head is 3"),
        (BODY.joints + [0, 0.12, 0], "on average"),
        (np.where(np.arange(15)[:, None] == Part.LEFT_HAND, BODY.joints[Part.LEFT_LOWER_ARM],
                  BODY.joints), "LeftHand lies on top of LeftLowerArm"),
    ],
)  # fmt: skip
def test_an_implausible_rig_is_refused_with_the_reason(joints: Floats, words: str) -> None:
    adopted = adopt_rig(mapped(joints), PREDICTED)
    assert not adopted.kept
    assert words in adopted.reason
    assert adopted.skeleton is PREDICTED


def weights_of(part: Floats) -> tuple[Floats, Floats]:
    bones = np.stack([part, np.zeros_like(part)], axis=1)
    return bones, np.tile([1.0, 0.0], (len(part), 1))


def test_weights_that_follow_the_labels_are_kept() -> None:
    bones, weights = weights_of(BODY.part)
    weights[:, 0], weights[:, 1] = 0.75, 0.25
    found = adopt_weights(mapped(), bones, weights, BODY.vertices, BODY.faces, BODY.part).weights
    assert found is not None
    dense = found.dense()
    np.testing.assert_allclose(dense.sum(axis=1), 1, atol=1e-6)
    rows = np.arange(len(dense))
    np.testing.assert_allclose(dense[rows, BODY.part], np.where(BODY.part == 0, 1, 0.75), atol=1e-6)


def test_a_few_bare_vertices_follow_their_label() -> None:
    bones, weights = weights_of(BODY.part)
    bare = np.flatnonzero(BODY.part == Part.LEFT_FOOT)[:1]
    weights[bare] = 0
    found = adopt_weights(mapped(), bones, weights, BODY.vertices, BODY.faces, BODY.part).weights
    assert found is not None
    assert found.joints[bare[0], 0] == Part.LEFT_FOOT


def test_vertices_at_one_place_share_their_weights() -> None:
    vertices = np.concatenate([BODY.vertices, BODY.vertices])
    faces = np.concatenate([BODY.faces, BODY.faces + len(BODY.vertices)])
    part = np.concatenate([BODY.part, BODY.part])
    bones, weights = weights_of(part)
    weights[0] = (0.5, 0.0)
    bones[0] = (Part.UPPER_TORSO, 0)
    found = adopt_weights(mapped(), bones, weights, vertices, faces, part).weights
    assert found is not None
    twin = len(BODY.vertices)
    np.testing.assert_array_equal(found.dense()[0], found.dense()[twin])
    assert found.dense()[0, Part.UPPER_TORSO] > 0


@pytest.mark.parametrize("flaw", ["bare", "still", "other"])
def test_weights_that_do_not_fit_are_made_anew(flaw: str) -> None:
    bones, weights = weights_of(BODY.part)
    if flaw == "bare":
        weights[BODY.part < 5] = 0
        words = "has no weight"
    elif flaw == "still":
        bones[BODY.part == Part.LEFT_HAND, 0] = Part.LEFT_LOWER_ARM
        words = "no weight moves LeftHand"
    else:
        bones[:, 0] = SWAP[BODY.part]
        words = "follows its own part"
    found = adopt_weights(mapped(), bones, weights, BODY.vertices, BODY.faces, BODY.part)
    assert found.weights is None
    assert words in found.reason
