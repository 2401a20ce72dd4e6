"""Moving a rigged body: linear blend skinning over the R15 hierarchy, and test poses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PARENT, SIDE, TOP_DOWN, Part
from rigline.avatar.mesh import Bools, Floats, Ints, unique_edges

Turns = Mapping[int, Floats]
"""Rotations ``(3, 3)`` about the joints of some parts."""

TORN: Final = 3.0
"""An edge stretched to so many times its length is torn."""

SLIVER: Final = 0.003
"""Edges shorter than this share of the height stretch without being seen."""

FORWARD: Final = np.array([0.0, 0.0, 1.0])
SIDEWAYS: Final = np.array([1.0, 0.0, 0.0])
UP: Final = np.array([0.0, 1.0, 0.0])


def axis_rotation(axis: Floats, angle_rad: float) -> Floats:
    """``(3, 3)`` right-handed rotation about an axis of any length (Rodrigues, 1840)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross


def pose(vertices: Floats, weights: Floats, joints: Floats, turns: Turns) -> Floats:
    """Vertices ``(N, 3)`` after turning parts about their joints, by linear blend skinning.

    ``weights (N, 15)``, rows summing to one; ``joints (15, 3)`` in their frame. A turn carries
    everything below it in the hierarchy. Without turns the vertices come back as they were.
    """
    moved = np.zeros_like(vertices)
    for part, (linear, offset) in enumerate(_transforms(joints, turns)):
        used = weights[:, part] > 0
        placed = vertices[used] @ linear.T + offset
        moved[used] += weights[used, part, None] * placed
    return moved


def _transforms(joints: Floats, turns: Turns) -> list[tuple[Floats, Floats]]:
    """``world_from_rest`` of each part as a linear map and an offset."""
    found: list[tuple[Floats, Floats]] = [(np.eye(3), np.zeros(3))] * N_PARTS
    for part in TOP_DOWN:
        linear, offset = found[PARENT[part]] if PARENT[part] >= 0 else (np.eye(3), np.zeros(3))
        if part in turns:
            turn = turns[part]
            own = joints[part] - turn @ joints[part]
            linear, offset = linear @ turn, linear @ own + offset
        found[part] = (linear, offset)
    return found


def evaluation_poses(joints: Floats, valid: Bools) -> dict[str, dict[int, Floats]]:
    """Six poses by which rigs are compared: elbows and knees by 70°, shoulders and hips by 45°,
    the head by 30°, the waist by 25°. ``valid (15,)`` bool; joints that are not are left alone.
    """
    arms = ((Part.LEFT_UPPER_ARM, 1), (Part.RIGHT_UPPER_ARM, -1))
    poses: dict[str, dict[int, Floats]] = {
        "elbows70": {
            s + 1: axis_rotation(_elbow_axis(joints, s), np.deg2rad(70))
            for s, _ in arms
            if valid[s] and valid[s + 1]
        },
        "knees70": _turn(valid, (Part.LEFT_LOWER_LEG, Part.RIGHT_LOWER_LEG), SIDEWAYS, 70),
        "shoulders45": {
            s: axis_rotation(FORWARD, np.deg2rad(_lowering(joints, valid, s, side)))
            for s, side in arms
            if valid[s]
        },
        "hips45": _turn(valid, (Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG), SIDEWAYS, -45),
        "head30": _turn(valid, (Part.HEAD,), UP, 30),
        "waist25": _turn(valid, (Part.UPPER_TORSO,), SIDEWAYS, 25),
    }
    return {name: turns for name, turns in poses.items() if turns}


def _turn(
    valid: Bools, parts: tuple[int, ...], axis: Floats, angle_deg: float
) -> dict[int, Floats]:
    return {int(p): axis_rotation(axis, np.deg2rad(angle_deg)) for p in parts if valid[p]}


def _elbow_axis(joints: Floats, shoulder: int) -> Floats:
    axis = np.cross(joints[shoulder + 1] - joints[shoulder], FORWARD)
    return axis if np.linalg.norm(axis) > 1e-6 else SIDEWAYS


def _lowering(joints: Floats, valid: Bools, shoulder: int, side: int) -> float:
    """Degrees about +Z that lower a raised arm, or raise a hanging one."""
    arm = joints[shoulder + 1] - joints[shoulder] if valid[shoulder + 1] else [side, -1.0, 0.0]
    below_deg = np.rad2deg(np.arctan2(-arm[1], abs(arm[0]) + 1e-9))
    return (-side if below_deg < 30 else side) * 45.0


def sweep_poses(joints: Floats) -> dict[str, dict[int, Floats]]:
    """Poses in which a bad rig shows: elbows, knees, shoulders and hips bent, and a walk."""
    left_arm, right_arm = Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM
    left_leg, right_leg = Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG

    def both(first: int, second: int, axis: Floats, deg: float) -> dict[int, Floats]:
        turn = axis_rotation(axis, np.deg2rad(deg))
        return {int(first): turn, int(second): turn}

    bent = {
        s + 1: axis_rotation(_elbow_axis(joints, s), np.deg2rad(80)) for s in (left_arm, right_arm)
    }
    lifted = {
        int(s): _arm_to(joints, s, np.array([SIDE[s] * 0.5, 0.86, 0.0]))
        for s in (left_arm, right_arm)
    }
    lowered = {
        int(s): _arm_to(joints, s, np.array([SIDE[s] * 0.2, -0.98, 0.0]))
        for s in (left_arm, right_arm)
    }
    return {
        "rest": {},
        "elbows": bent,
        "arms up": lifted,
        "arms down": lowered,
        "knees": both(left_leg + 1, right_leg + 1, SIDEWAYS, 80),
        "hips": both(left_leg, right_leg, SIDEWAYS, -60),
        "walk": {
            **lowered,
            int(left_leg): axis_rotation(SIDEWAYS, np.deg2rad(-35)),
            int(right_leg): axis_rotation(SIDEWAYS, np.deg2rad(25)),
            int(right_leg + 1): axis_rotation(SIDEWAYS, np.deg2rad(40)),
            int(Part.HEAD): axis_rotation(UP, np.deg2rad(25)),
        },
    }


def _arm_to(joints: Floats, shoulder: int, direction: Floats) -> Floats:
    """The shortest rotation of the upper arm to a direction."""
    arm = joints[shoulder + 1] - joints[shoulder]
    arm = arm / max(float(np.linalg.norm(arm)), 1e-9)
    goal = direction / np.linalg.norm(direction)
    axis = np.cross(arm, goal)
    if np.linalg.norm(axis) < 1e-6:
        return np.eye(3)
    return axis_rotation(axis, float(np.arctan2(np.linalg.norm(axis), arm @ goal)))


def torn_share(vertices: Floats, faces: Ints, weights: Floats, joints: Floats) -> float:
    """The share of a body's edges that the worst of ``sweep_poses`` tears.

    ``vertices (N, 3)``, ``faces (M, 3)``, ``weights (N, 15)``, ``joints (15, 3)``.
    """
    edges = unique_edges(faces)
    tall = float(np.ptp(vertices[:, 1]))
    rest = _lengths(vertices, edges)
    worst = 0.0
    for turns in sweep_poses(joints).values():
        moved = _lengths(pose(vertices, weights, joints, turns), edges)
        torn = (moved > TORN * rest) & (rest > SLIVER * tall)
        worst = max(worst, float(torn.mean()))
    return worst


def _lengths(points: Floats, edges: Ints) -> Floats:
    return np.asarray(np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1))
