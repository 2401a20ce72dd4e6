"""Bodies in studs: within their size table, changed no more than they must be."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from rigline.avatar.body import FLIP, SWAP, Part
from rigline.avatar.body_fit import MAX_STRETCH, FittedBody, fit_body
from rigline.avatar.marketplace.rules import BodyType
from rigline.avatar.marketplace.shape_checks import LEFT_LEG, RIGHT_LEG
from rigline.avatar.mesh import Floats
from rigline.avatar.partition import PartedBody, partition_evidence
from tests.support.parted import parted, synthetic


def with_head(scale: float) -> PartedBody:
    """The parted body with a larger or smaller head."""
    body, joints = parted(), synthetic().joints
    share = body.weights[:, Part.HEAD, None]
    grown = joints[Part.HEAD] + (body.vertices - joints[Part.HEAD]) * scale
    return replace(body, vertices=body.vertices * (1 - share) + grown * share)


def shape(fitted: FittedBody) -> np.ndarray:
    return fitted.vertices * fitted.studs_per_height


def with_short_legs(body: PartedBody, scale: float) -> tuple[PartedBody, Floats]:
    """A body with legs so many times as long, and its joints."""
    joints = synthetic().joints.copy()
    legs, hips = [*LEFT_LEG, *RIGHT_LEG], joints[Part.LEFT_UPPER_LEG, 1]
    share = (1 - scale) * body.weights[:, legs].sum(axis=1)
    vertices = body.vertices.copy()
    vertices[:, 1] -= share * (vertices[:, 1] - hips)
    joints[legs, 1] = hips + scale * (joints[legs, 1] - hips)
    return replace(body, vertices=vertices), joints


def test_a_large_head_on_short_legs_gets_the_one_scale_that_both_can_reach() -> None:
    body, joints = with_short_legs(with_head(2.2), 0.25)
    deep = np.array([1.0, 1.0, 1.8])
    _, done = fit_body(replace(body, vertices=body.vertices * deep), joints * deep, "classic")
    assert done.broken == ()


def test_a_body_that_is_squat_as_a_whole_grows_in_legs_and_torso() -> None:
    squat = np.array([1.0, 0.4, 1.0])
    body = parted()
    body = replace(body, vertices=body.vertices * squat)
    _, done = fit_body(body, synthetic().joints * squat, "slender")
    assert done.broken == ()
    assert done.factors["leg"][1] > 1 < done.factors["torso"][1]


@pytest.mark.parametrize("body_type", get_args(BodyType))
def test_a_usual_body_is_only_scaled(body_type: BodyType) -> None:
    body, joints = parted(), synthetic().joints
    fitted, done = fit_body(body, joints, body_type)
    assert done.broken == ()
    assert done.turned == ()
    if not done.factors:
        moved = shape(fitted) - shape(fitted).mean(axis=0)
        base = body.vertices - body.vertices.mean(axis=0)
        np.testing.assert_allclose(moved, done.studs * base, atol=1e-5)


@pytest.mark.parametrize("body_type", get_args(BodyType))
@pytest.mark.parametrize("scale", [0.45, 1.7])
def test_heads_of_every_size_are_brought_within_the_table(
    scale: float, body_type: BodyType
) -> None:
    fitted, done = fit_body(with_head(scale), synthetic().joints, body_type)
    assert done.broken == ()
    assert all(1 / MAX_STRETCH <= f <= MAX_STRETCH for v in done.factors.values() for f in v)
    assert partition_evidence(fitted.body)["open_parts"] == 0
    used = fitted.vertices[np.unique(fitted.faces)]
    assert used[:, 1].min() == pytest.approx(0)
    assert np.ptp(used[:, 1]) == pytest.approx(1)


def test_kept_proportions_are_kept_and_what_does_not_fit_is_named() -> None:
    body = with_head(3.0)
    fitted, done = fit_body(body, synthetic().joints, "classic", "keep")
    assert any(words.startswith("head") for words in done.broken)
    assert done.factors == {}
    spread = np.ptp(fitted.vertices, axis=0)
    np.testing.assert_allclose(spread / spread[1], np.ptp(body.vertices, axis=0) / np.ptp(
        body.vertices[:, 1]), atol=1e-5)  # fmt: skip


def test_joints_stay_in_their_parts_and_mirror_each_other() -> None:
    fitted, _ = fit_body(with_head(1.7), synthetic().joints, "classic")
    np.testing.assert_allclose(fitted.joints, fitted.joints[SWAP] * FLIP, atol=1e-9)
    for part in Part:
        own = fitted.vertices[np.unique(fitted.faces[fitted.face_part == part])]
        gap = np.maximum(
            own.min(axis=0) - fitted.joints[part], fitted.joints[part] - own.max(axis=0)
        )
        assert np.linalg.norm(np.maximum(gap, 0)) < 0.05


def test_limbs_that_stand_out_are_turned_to_the_frontal_plane() -> None:
    body, joints = parted(), synthetic().joints.copy()
    lean = np.zeros((15, 3))
    shoulder = joints[Part.LEFT_UPPER_ARM]
    turn = np.array([[0.7, 0, 0], [0, 0.7, 0], [0.7, 0.0, 1.0]])
    for part in (Part.LEFT_LOWER_ARM, Part.LEFT_HAND):
        lean[part] = turn @ (joints[part] - shoulder) + shoulder - joints[part]
    fitted, done = fit_body(body, joints + lean, "normal")
    assert done.turned == ("left arm",)
    line = fitted.joints[Part.LEFT_HAND] - fitted.joints[Part.LEFT_UPPER_ARM]
    assert np.degrees(np.arcsin(abs(line[2]) / np.linalg.norm(line))) < 20
