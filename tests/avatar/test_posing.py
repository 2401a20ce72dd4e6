"""Posing: nothing moves without a turn, and a turn moves what hangs on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rigline.avatar.body import MIRROR, N_PARTS, PARENT, SIDE, Part
from rigline.avatar.mesh import Floats
from rigline.avatar.posing import (
    FORWARD,
    SIDEWAYS,
    UP,
    axis_rotation,
    evaluation_poses,
    pose,
    sweep_poses,
)
from tests.support.bodies import Pose, SyntheticBody, box_body

ALL = np.ones(N_PARTS, bool)
NAMES = {"elbows70", "knees70", "shoulders45", "hips45", "head30", "waist25"}
LEFT_ARM = (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND)


def one_hot(body: SyntheticBody) -> Floats:
    return np.eye(N_PARTS)[body.part]


def smooth(body: SyntheticBody) -> Floats:
    weights = np.random.default_rng(1).random((len(body.part), N_PARTS))
    weights[weights < 0.7] = 0
    weights += 0.1 * one_hot(body)
    return weights / weights.sum(axis=1, keepdims=True)


def some_turns() -> dict[int, Floats]:
    rng = np.random.default_rng(2)
    return {int(p): axis_rotation(rng.normal(size=3), rng.uniform(-2, 2)) for p in Part}


def angle_deg(turn: Floats) -> float:
    return float(np.rad2deg(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


def below(part: int) -> set[int]:
    """A part and all that hangs on it."""
    return {part} | {p for child in Part if PARENT[child] == part for p in below(child)}


def test_a_rotation_is_right_handed_and_ignores_the_axis_length() -> None:
    quarter = np.pi / 2
    assert axis_rotation(UP, quarter) @ FORWARD == pytest.approx(SIDEWAYS)
    assert axis_rotation(FORWARD, quarter) @ SIDEWAYS == pytest.approx(UP)
    axis = np.array([1.0, -2.0, 0.5])
    turn = axis_rotation(axis, 0.7)
    assert turn @ axis == pytest.approx(axis)
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    assert axis_rotation(5 * axis, 0.7) == pytest.approx(turn)
    assert angle_deg(turn) == pytest.approx(np.rad2deg(0.7))


@pytest.mark.parametrize("weights", [one_hot, smooth])
def test_without_turns_nothing_moves(weights: Callable[[SyntheticBody], Floats]) -> None:
    body = box_body()
    unmoved = {int(p): np.eye(3) for p in Part}
    for turns in ({}, unmoved, sweep_poses(body.joints)["rest"]):
        moved = pose(body.vertices, weights(body), body.joints, turns)
        assert moved == pytest.approx(body.vertices, abs=1e-12)


def test_posing_a_moved_body_moves_the_posed_body() -> None:
    body = box_body()
    turn = axis_rotation(np.array([0.3, 1.0, -0.4]), 1.1)
    scaled, offset = 2.5 * turn, np.array([4.0, -1.0, 2.0])
    moved = body.moved(scaled, offset)
    turns = some_turns()
    carried = {p: turn @ t @ turn.T for p, t in turns.items()}
    weights = smooth(body)
    first = pose(body.vertices, weights, body.joints, turns) @ scaled.T + offset
    second = pose(moved.vertices, weights, moved.joints, carried)
    assert second == pytest.approx(first, abs=1e-9)


def test_turning_the_root_turns_the_whole_body_about_it() -> None:
    body = box_body()
    turn = axis_rotation(UP, 0.8)
    root = body.joints[Part.LOWER_TORSO]
    moved = pose(body.vertices, smooth(body), body.joints, {int(Part.LOWER_TORSO): turn})
    assert moved == pytest.approx((body.vertices - root) @ turn.T + root, abs=1e-12)


def test_turning_a_shoulder_moves_that_arm_alone_and_rigidly() -> None:
    body = box_body()
    turn = axis_rotation(np.array([0.2, 0.5, 1.0]), 0.9)
    shoulder = body.joints[Part.LEFT_UPPER_ARM]
    moved = pose(body.vertices, one_hot(body), body.joints, {int(Part.LEFT_UPPER_ARM): turn})
    arm = np.isin(body.part, LEFT_ARM)
    assert np.array_equal(moved[~arm], body.vertices[~arm])
    assert moved[arm] == pytest.approx((body.vertices[arm] - shoulder) @ turn.T + shoulder)
    assert np.linalg.norm(moved - body.vertices, axis=1)[arm].mean() > 0.05


@pytest.mark.parametrize("part", Part)
def test_a_turn_carries_what_hangs_on_the_part(part: Part) -> None:
    body = box_body()
    turns = {int(part): axis_rotation(np.array([1.0, 0.4, 0.2]), 0.5)}
    moved = pose(body.vertices, one_hot(body), body.joints, turns)
    far = np.linalg.norm(moved - body.vertices, axis=1) > 1e-12
    assert set(body.part[far].tolist()) == below(part)


def test_turns_along_a_chain_add_up() -> None:
    body = box_body()
    upper, lower = Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM
    first, second = axis_rotation(FORWARD, 0.6), axis_rotation(UP, -0.5)
    moved = pose(body.vertices, one_hot(body), body.joints, {int(upper): first, int(lower): second})
    shoulder, elbow = body.joints[upper], body.joints[lower]
    forearm = body.part == lower
    bent = (body.vertices[forearm] - elbow) @ second.T + elbow
    assert moved[forearm] == pytest.approx((bent - shoulder) @ first.T + shoulder)


def test_a_vertex_shared_by_two_parts_goes_between_them() -> None:
    body = box_body()
    turns = {int(Part.LEFT_LOWER_ARM): axis_rotation(UP, 1.0)}
    upper, lower = (np.eye(N_PARTS)[[p]] for p in (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM))
    point = body.joints[[Part.LEFT_LOWER_ARM]] + [0.05, 0.01, 0.0]
    ends = [pose(point, w, body.joints, turns) for w in (upper, lower)]
    half = pose(point, (upper + lower) / 2, body.joints, turns)
    assert half == pytest.approx((ends[0] + ends[1]) / 2)


@pytest.mark.parametrize("stance", ["A", "T", "I"])
def test_the_six_evaluation_poses_turn_by_the_angles_in_their_names(stance: Pose) -> None:
    poses = evaluation_poses(box_body(pose=stance).joints, ALL)
    assert set(poses) == NAMES
    for name, turns in poses.items():
        wanted = float(name[-2:])
        for turn in turns.values():
            assert angle_deg(turn) == pytest.approx(wanted)


def test_joints_that_are_not_valid_are_left_alone() -> None:
    joints = box_body().joints
    valid = ALL.copy()
    valid[[Part.LEFT_LOWER_ARM, Part.HEAD, Part.RIGHT_UPPER_LEG]] = False
    poses = evaluation_poses(joints, valid)
    assert set(poses) == NAMES - {"head30"}
    assert set(poses["elbows70"]) == {Part.RIGHT_LOWER_ARM}
    assert set(poses["hips45"]) == {Part.LEFT_UPPER_LEG}
    assert set(poses["shoulders45"]) == {Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM}
    assert evaluation_poses(joints, ~ALL) == {}


@pytest.mark.parametrize(("stance", "direction"), [("T", -1), ("I", 1)])
def test_raised_arms_are_lowered_and_hanging_ones_raised(stance: Pose, direction: int) -> None:
    body = box_body(pose=stance)
    turns = evaluation_poses(body.joints, ALL)["shoulders45"]
    moved = pose(body.joints, np.eye(N_PARTS), body.joints, turns)
    for hand in (Part.LEFT_HAND, Part.RIGHT_HAND):
        assert np.sign(moved[hand, 1] - body.joints[hand, 1]) == direction
        assert np.sign(moved[hand, 0]) == SIDE[hand]


@pytest.mark.parametrize("stance", ["A", "T", "I"])
def test_symmetric_poses_leave_a_symmetric_skeleton_symmetric(stance: Pose) -> None:
    joints = box_body(pose=stance).joints
    symmetric = ("elbows70", "knees70", "shoulders45", "hips45", "waist25")
    poses = evaluation_poses(joints, ALL)
    for name in symmetric:
        moved = pose(joints, np.eye(N_PARTS), joints, poses[name])
        mirrored = moved[list(MIRROR)] * [-1, 1, 1]
        assert mirrored == pytest.approx(moved, abs=1e-9), name


def test_knees_bend_backwards_and_hips_forwards() -> None:
    joints = box_body().joints
    poses = evaluation_poses(joints, ALL)
    for name, end, direction in (("knees70", Part.LEFT_FOOT, -1), ("hips45", Part.LEFT_FOOT, 1)):
        moved = pose(joints, np.eye(N_PARTS), joints, poses[name])
        assert np.sign(moved[end, 2] - joints[end, 2]) == direction, name


@pytest.mark.parametrize("stance", ["A", "T", "I"])
def test_the_sweep_lifts_and_lowers_arms_from_any_stance(stance: Pose) -> None:
    joints = box_body(pose=stance).joints
    sweep = sweep_poses(joints)
    up, down = (
        pose(joints, np.eye(N_PARTS), joints, sweep[name]) for name in ("arms up", "arms down")
    )
    for shoulder in (Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM):
        hand = shoulder + 2
        assert up[hand, 1] > joints[shoulder, 1] + 0.1
        assert down[hand, 1] < joints[shoulder, 1] - 0.1
