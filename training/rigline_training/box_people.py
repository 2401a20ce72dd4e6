"""Figures of boxes set side by side, as games of blocks build them.

The arms hang beside the trunk and are as deep as it is. As in the R15 bodies of such games, an arm
turns about a point near its inner edge, where it meets the trunk, and not about its own middle:
elbow and wrist lie on its axis, the shoulder does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rigline.avatar.body import N_PARTS, Part
from rigline_training.blocky import replaced
from rigline_training.character import Character, Floats, Ints, Piece, Solid, one_hot, rotation
from rigline_training.posing import ARMS, LEGS, bone_directions, deform, random_pose
from rigline_training.solids import solid_piece

SIDES = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], float)


@dataclass(frozen=True)
class Sizes:
    """Half widths and heights of a figure, in shares of its height."""

    trunk: float
    arm: float
    leg: float
    depth: float
    torso: float
    legs: float
    foot: float
    gap: float

    @property
    def top(self) -> float:
        """Height of the shoulders."""
        return self.legs + self.torso


def sizes(rng: np.random.Generator) -> Sizes:
    """Sizes like those of block games, and others: arms mostly as thick as a leg."""
    trunk = float(rng.uniform(0.07, 0.17))
    leg = trunk / 2 * float(rng.choice([1.0, rng.uniform(0.6, 1.0)]))
    legs = float(rng.uniform(0.2, 0.46))
    return Sizes(
        trunk=trunk,
        arm=leg * float(rng.choice([1.0, rng.uniform(0.7, 1.4)])),
        leg=leg,
        depth=trunk * float(rng.uniform(0.35, 0.9)),
        torso=float(rng.uniform(0.24, 0.4)),
        legs=legs,
        foot=min(float(rng.uniform(0.03, 0.12)), 0.4 * legs),
        gap=float(rng.choice([0.0, rng.uniform(0, 0.02)])),
    )


def box_column(x: float, half: Floats, levels: list[float], parts: list[int]) -> Piece:
    """An upright box from the first of ``levels`` down to the last, cut into ``parts`` between.

    ``half`` (2,) are its half extents in X and Z. Nothing lies inside: a limb in one piece.
    """
    vertices: list[Floats] = []
    faces: list[Ints] = []
    labels: list[int] = []

    def quad(corners: Floats, part: int) -> None:
        faces.append(np.array([[0, 1, 2], [0, 2, 3]]) + len(labels))
        vertices.append(corners)
        labels.extend([part] * 4)

    def ring(y: float) -> Floats:
        return np.stack([x + SIDES[:, 0] * half[0], np.full(4, y), SIDES[:, 1] * half[1]], axis=1)

    for upper, lower, part in zip(levels[:-1], levels[1:], parts, strict=True):
        a, b = ring(upper), ring(lower)
        for i in range(4):
            j = (i + 1) % 4
            quad(np.stack([a[j], b[j], b[i], a[i]]), part)
    quad(ring(levels[0])[::-1], parts[0])
    quad(ring(levels[-1]), parts[-1])
    size = np.array([half[0], (levels[0] - levels[-1]) / 2, half[1]])
    centre = np.array([x, (levels[0] + levels[-1]) / 2, 0])
    solid = Solid("box", size, centre, np.eye(3))
    return Piece(np.concatenate(vertices), np.concatenate(faces), np.array(labels), solid)


def rest_joints(rng: np.random.Generator, s: Sizes) -> tuple[Floats, Floats]:
    """Joints (15, 3) of a figure with hanging arms, and the levels (2,) of both ends of these."""
    joints = np.zeros((N_PARTS, 3))
    joints[Part.LOWER_TORSO, 1] = s.legs + s.torso * rng.uniform(-0.03, 0.08)
    joints[Part.UPPER_TORSO, 1] = s.legs + s.torso * rng.uniform(0.25, 0.5)
    joints[Part.HEAD, 1] = s.top
    knee = rng.uniform(0.42, 0.58)
    for b, side in LEGS:
        heights = (s.legs, s.legs - (s.legs - s.foot) * knee, s.foot)
        for i, y in enumerate(heights):
            joints[b + i] = side * (s.leg + s.gap / 2), y, 0
    begin = s.top - float(rng.choice([0.0, rng.uniform(-0.01, 0.03)]))
    length = s.torso * rng.uniform(0.85, 1.2)
    elbow, wrist = rng.uniform(0.4, 0.55), rng.uniform(0.76, 0.92)
    inner, drop = rng.uniform(0, 0.5), rng.uniform(0.3, 1.1)
    for b, side in ARMS:
        edge = s.trunk + s.gap
        joints[b] = side * (edge + inner * s.arm), begin - drop * s.arm, 0
        for i, share in ((1, elbow), (2, wrist)):
            joints[b + i] = side * (edge + s.arm), begin - share * length, 0
    return joints, np.array([begin, begin - length])


def box_person(rng: np.random.Generator, level: float) -> Character:
    """A figure of boxes: standing as it was built, or with its limbs turned."""
    s = sizes(rng)
    joints, arm_ends = rest_joints(rng, s)
    waist = joints[Part.UPPER_TORSO, 1]
    trunk = [int(Part.UPPER_TORSO), int(Part.LOWER_TORSO)]
    pieces = [box_column(0, np.array([s.trunk, s.depth]), [s.top, waist, s.legs], trunk)]
    tall = float(np.clip(1 - s.top, 0.12, 0.45)) / 2
    wide = max(s.trunk * rng.uniform(0.65, 1.25), tall * rng.uniform(0.6, 1.1))
    head = np.array([wide, tall, wide * rng.uniform(0.7, 1.2)])
    pieces.append(solid_piece("box", head, np.array([0, s.top + tall, 0]), int(Part.HEAD)))
    arm_half = np.array([s.arm, s.depth * rng.choice([1.0, rng.uniform(0.7, 1.0)])])
    leg_half = np.array([s.leg, s.depth * rng.choice([1.0, rng.uniform(0.8, 1.1)])])
    toes = rng.uniform(0.2, 1.0) if rng.random() < 0.35 else 0.0
    for b, _ in ARMS:
        levels = [arm_ends[0], joints[b + 1, 1], joints[b + 2, 1], arm_ends[1]]
        pieces.append(box_column(joints[b + 1, 0], arm_half, levels, [b, b + 1, b + 2]))
    for b, _ in LEGS:
        x = joints[b, 0]
        levels = [s.legs, joints[b + 1, 1], joints[b + 2, 1], 0.0]
        pieces.append(box_column(x, leg_half, levels, [b, b + 1, b + 2]))
        if toes:
            half = np.array([s.leg, s.foot / 2, s.depth * (1 + toes) / 2])
            centre = np.array([x, s.foot / 2, s.depth * toes])
            pieces.append(solid_piece("box", half, centre, b + 2))
    out, moved = _posed(rng, pieces, joints, level)
    return Character(tuple(out), moved, "blocky", ("boxes",))


def _posed(
    rng: np.random.Generator, pieces: list[Piece], joints: Floats, level: float
) -> tuple[list[Piece], Floats]:
    """The figure as built (half of the time), its arms raised, or in any pose."""
    way = rng.random()
    if way < 0.5:
        return pieces, joints
    turns: list[Floats] = [np.eye(3)] * N_PARTS
    if way < 0.75:
        raised = np.deg2rad(rng.choice([90.0, rng.uniform(5, 90)]))
        for arm, side in ARMS:
            turns[arm] = rotation(np.array([0, 0, 1.0]), side * raised)
    else:
        turns = random_pose(rng, joints, level * 0.5)
    vertices = np.concatenate([p.vertices for p in pieces])
    along = bone_directions(joints, vertices, np.concatenate([p.labels for p in pieces]))
    out, moved = [], joints
    for piece in pieces:
        weights = one_hot(piece.labels)
        v, moved = deform(piece.vertices, weights, joints, np.ones((N_PARTS, 3)), turns, along)
        bends = len(np.unique(piece.labels)) > 1 and way >= 0.75
        out.append(piece.moved(v) if bends else replaced(piece, v))
    return out, moved
