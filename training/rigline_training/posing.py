"""Random rest poses and the deformation that applies proportions and pose together."""

from __future__ import annotations

import numpy as np

from rigline.avatar.body import CHILD, N_PARTS, PARENT, TOP_DOWN, Part
from rigline_training.character import Floats, Ints, basis_along, rotation

ARMS = ((Part.LEFT_UPPER_ARM, 1.0), (Part.RIGHT_UPPER_ARM, -1.0))
LEGS = ((Part.LEFT_UPPER_LEG, 1.0), (Part.RIGHT_UPPER_LEG, -1.0))
STIFF = {int(p) for p in (0, 1, 2, 9, 11, 12, 14)} - {int(Part.HEAD)}
FEET = (Part.LEFT_FOOT, Part.RIGHT_FOOT)


def bone_directions(joints: Floats, points: Floats, labels: Ints) -> Floats:
    """(15, 3) unit direction of each part: towards its child, up the torso, down for feet."""
    directions = np.zeros((N_PARTS, 3))
    for p in range(N_PARTS):
        if p in (Part.HEAD, Part.UPPER_TORSO, Part.LOWER_TORSO):
            d = np.array([0.0, 1, 0])
        elif p in FEET:
            d = np.array([0.0, -1, 0])
        elif CHILD[p] >= 0:
            d = joints[CHILD[p]] - joints[p]
        else:
            mine = points[labels == p]
            d = mine.mean(axis=0) - joints[p] if len(mine) else joints[p] - joints[PARENT[p]]
        directions[p] = d / (np.linalg.norm(d) + 1e-12)
    return directions


def arm_drop_rad(rng: np.random.Generator) -> float:
    """How far the arms hang below the horizontal: T, A, relaxed and I poses all occur."""
    options = (rng.uniform(-8, 92), rng.normal(45, 10), rng.normal(2, 4), rng.normal(80, 6))
    return float(np.deg2rad(rng.choice(options)))


def random_pose(rng: np.random.Generator, joints: Floats, level: float) -> list[Floats]:
    """A world-axis rotation (3, 3) for each part, relative to its parent's."""
    spread = np.deg2rad(6 * level)
    turns = [
        rotation(rng.normal(size=3), rng.normal(0, spread * (0.4 if p in STIFF else 1.0)))
        for p in range(N_PARTS)
    ]
    drop = arm_drop_rad(rng)
    uneven = rng.random() < 0.12
    straighten, bend = rng.random() < 0.6, rng.random() < 0.35
    for arm, side in ARMS:
        d = joints[arm + 1] - joints[arm]
        now = np.arctan2(-d[1], side * d[0])
        wanted = (arm_drop_rad(rng) if uneven else drop) + rng.normal(0, 0.03 * level)
        turns[arm] = rotation(np.array([0, 0, 1.0]), side * (now - wanted)) @ turns[arm]
        lower = joints[arm + 2] - joints[arm + 1]
        if straighten:
            axis = np.cross(lower, d)
            angle = np.arctan2(np.linalg.norm(axis), lower @ d)
            turns[arm + 1] = rotation(axis, angle * rng.uniform(0.5, 1)) @ turns[arm + 1]
        if bend:
            axis = np.cross(lower, [0, 0, 1.0])
            angle = np.deg2rad(rng.uniform(0, 35 * level))
            turns[arm + 1] = rotation(axis, angle) @ turns[arm + 1]
    if rng.random() < 0.3:
        turns = _relaxed(rng, turns, level)
    stance = np.deg2rad(rng.choice([0.0, rng.uniform(-3, 18)]))
    for leg, side in LEGS:
        forward = np.array([0, 0, 1.0])
        turns[leg] = rotation(forward, side * stance) @ turns[leg]
        turns[leg + 2] = rotation(forward, -side * stance) @ turns[leg + 2]
    return turns


def _relaxed(rng: np.random.Generator, turns: list[Floats], level: float) -> list[Floats]:
    """Arms that swing or reach forward, bent elbows, a step, a turned head: never quite symmetric.

    Turns about X after the pose in the frontal plane: negative angles bring a hanging limb forward.
    """
    x, turns = np.array([1.0, 0, 0]), list(turns)
    both = rng.normal(-0.1, 0.3) * level
    for arm, _ in ARMS:
        turns[arm] = rotation(x, both + rng.normal(0, 0.15 * level)) @ turns[arm]
        turns[arm + 1] = rotation(x, -abs(rng.normal(0, 0.4 * level))) @ turns[arm + 1]
    step = rng.normal(0, 0.22 * level)
    for leg, side in LEGS:
        bend = abs(rng.normal(0, 0.15 * level))
        turns[leg] = rotation(x, side * step - bend) @ turns[leg]
        turns[leg + 1] = rotation(x, bend + max(side * step, 0) * 0.5) @ turns[leg + 1]
        turns[leg + 2] = rotation(x, -side * step * 0.7) @ turns[leg + 2]
    turns[Part.UPPER_TORSO] = rotation(x, rng.normal(0.05, 0.08)) @ turns[Part.UPPER_TORSO]
    turns[Part.HEAD] = rotation(rng.normal(size=3), rng.normal(0, 0.15)) @ turns[Part.HEAD]
    return turns


def deform(
    vertices: Floats,
    weights: Floats,
    joints: Floats,
    scales: Floats,
    turns: list[Floats],
    directions: Floats,
) -> tuple[Floats, Floats]:
    """Linear blend skinning with a non-uniform scale for each part.

    ``weights`` (n, 15), ``scales`` (15, 3): along the part's direction and across it twice. Scales
    are not inherited; children follow where the scaled parent puts their joint. Returns moved
    vertices (n, 3) and joints (15, 3).
    """
    turned: list[Floats] = [np.eye(3)] * N_PARTS
    affine: list[Floats] = [np.eye(3)] * N_PARTS
    new_joints = np.zeros((N_PARTS, 3))
    moved = np.zeros_like(vertices)
    for p in TOP_DOWN:
        q = PARENT[p]
        turned[p] = turns[p] if q < 0 else turned[q] @ turns[p]
        axes = basis_along(directions[p])
        along = axes * scales[p][[1, 0, 2]]
        affine[p] = turned[p] @ along @ axes.T
        offset = joints[p] - joints[q] if q >= 0 else joints[p]
        new_joints[p] = offset if q < 0 else new_joints[q] + affine[q] @ offset
        rows = weights[:, p] > 1e-4
        local = (vertices[rows] - joints[p]) @ affine[p].T
        moved[rows] += weights[rows, p : p + 1] * (new_joints[p] + local)
    return moved, new_joints
