"""Characters put together from primitives: blocks, robots, toys, stick figures, chibis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rigline.avatar.body import N_PARTS, PARENT, Part
from rigline_training.character import Character, Floats, Piece, one_hot
from rigline_training.posing import ARMS, LEGS, bone_directions, deform, random_pose
from rigline_training.solids import KINDS, solid_piece

SOFT_M = 0.015
"""Width of the blend at a soft joint, in shares of height."""


def figure_joints(
    rng: np.random.Generator, level: float, squat: bool
) -> tuple[Floats, dict[str, float]]:
    """Rest joints in a T pose with straight legs, and the lengths they were made from."""
    g = lambda spread: float(np.exp(rng.normal(0, spread * level)))  # noqa: E731
    ranges = (
        ((0.25, 0.58), (0.12, 0.34), (0.18, 0.34))
        if squat
        else ((0.1, 0.3), (0.28, 0.5), (0.24, 0.36))
    )
    head, leg, torso = (rng.uniform(*r) for r in ranges)
    neck = float(rng.choice([0, rng.uniform(0, 0.05)]))
    shoulder_x = rng.uniform(0.09, 0.17) * g(0.15)
    hip_x = rng.uniform(0.03, 0.085) * g(0.15)
    arm = rng.uniform(0.3, 0.46) * g(0.1) * (0.75 if squat else 1.0)
    foot = min(rng.uniform(0.03, 0.1), 0.4 * leg)
    waist = float(np.clip(rng.normal(0.41, 0.05), 0.28, 0.55))
    wrist = rng.uniform(0.5 if squat else 0.68, 0.88)
    elbow = wrist * rng.uniform(0.44, 0.6)
    joints = np.zeros((N_PARTS, 3))
    joints[Part.LOWER_TORSO, 1] = leg + 0.02 - rng.uniform(0.01, 0.045)
    joints[Part.UPPER_TORSO, 1] = leg + waist * torso
    joints[Part.HEAD, 1] = leg + torso + neck * 0.3
    knee = rng.uniform(0.42, 0.6)
    for b, side in LEGS:
        joints[b] = side * hip_x, leg, 0
        joints[b + 1] = side * hip_x, leg - (leg - foot) * knee, 0
        joints[b + 2] = side * hip_x, foot, 0
    shoulder_y = leg + torso - rng.uniform(0.02, 0.06)
    for b, side in ARMS:
        for i, share in enumerate((0.0, elbow, wrist)):
            joints[b + i] = side * (shoulder_x + arm * share), shoulder_y, 0
    size = dict(
        head=head, leg=leg, torso=torso, neck=neck, shoulder_x=shoulder_x, hip_x=hip_x,
        arm=arm, foot=foot, elbow=elbow, wrist=wrist,
    )  # fmt: skip
    return joints, size


class _Shop:
    """Draws the shapes of one character, so that left and right share every choice."""

    def __init__(self, rng: np.random.Generator, level: float) -> None:
        self.rng, self.level = rng, level
        self.detail = int(rng.integers(1, 4))
        self.style = rng.choice([*KINDS, "mix"])
        self.overlap = rng.uniform(0, 0.2) if rng.random() < 0.7 else 0.0
        self.gap = rng.uniform(0, 0.1) if rng.random() < 0.15 else 0.0

    def kind(self) -> str:
        return str(self.rng.choice(KINDS) if self.style == "mix" else self.style)

    def part(self, kind: str, half: list[float], centre: Floats, along: Floats, part: int) -> Piece:
        x = np.cross(along, [0, 0, 1.0])
        axes = np.stack([x, along, [0, 0, 1.0]], axis=1)
        if np.linalg.det(axes) < 0:
            axes[:, 0] *= -1
        return solid_piece(kind, np.array(half), centre, part, axes, detail=self.detail)


def segment_widths(rng: np.random.Generator) -> tuple[float, float]:
    """Factors on the widths of a limb's upper and lower segment: robots, skeletons and toons have
    rods beside thick segments."""
    if rng.random() > 0.25:
        return 1.0, 1.0
    rod, thick = float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.9, 1.6))
    return ((rod, thick), (thick, rod), (rod, rod))[int(rng.choice(3, p=(0.55, 0.1, 0.35)))]


def _torso_and_head(
    shop: _Shop, joints: Floats, size: dict[str, float], arm_r: float, leg_r: float
) -> list[Piece]:
    rng, up = shop.rng, np.array([0, 1.0, 0])
    top, waist_y = size["leg"] + size["torso"], joints[Part.UPPER_TORSO, 1]
    depth = rng.uniform(0.05, 0.11) * np.exp(rng.normal(0, 0.2 * shop.level))
    width = max(size["shoulder_x"] - arm_r * rng.uniform(0.2, 1.1), 0.04)
    hips = max(width * rng.uniform(0.6, 1.05), size["hip_x"] + leg_r * 0.5)
    kind = shop.kind()
    low = [hips, (waist_y - size["leg"]) / 2 + 0.025, depth]
    high = [width, (top - waist_y) / 2 * (1 + shop.overlap), depth]
    pieces = [
        shop.part(kind, low, np.array([0, (waist_y + size["leg"]) / 2, 0]), up, Part.LOWER_TORSO),
        shop.part(kind, high, np.array([0, (waist_y + top) / 2, 0]), up, Part.UPPER_TORSO),
    ]
    half = size["head"] / 2 * np.array([rng.uniform(0.75, 1.25), 1, rng.uniform(0.8, 1.2)])
    centre = joints[Part.HEAD] + [0, size["neck"] + size["head"] / 2, rng.uniform(-0.01, 0.02)]
    pieces.append(shop.part(str(rng.choice(KINDS)), list(half), centre, up, Part.HEAD))
    if size["neck"] > 0.012:
        neck = [arm_r * 0.9, size["neck"] * 0.7 + 0.01, arm_r * 0.9]
        middle = joints[Part.HEAD] + [0, size["neck"] / 2, 0]
        pieces.append(shop.part("cylinder", neck, middle, up, Part.HEAD))
    return pieces


def _limbs(
    shop: _Shop, joints: Floats, size: dict[str, float], arm_r: float, leg_r: float
) -> list[Piece]:
    rng, pieces, up = shop.rng, [], np.array([0, 1.0, 0])
    arm_kind, leg_kind = shop.kind(), shop.kind()
    hand_kind = str(rng.choice([arm_kind, "ellipsoid", "box"]))
    foot_kind = str(rng.choice([leg_kind, "box", "ellipsoid"]))
    taper, flat = rng.uniform(0.6, 1.2), rng.uniform(0.8, 1.2)
    hand_r = arm_r * taper * rng.choice([1, rng.uniform(0.8, 1.8)])
    ends = (0.0, size["elbow"], size["wrist"], 1.0)
    arm, leg = segment_widths(rng), segment_widths(rng)
    for b, side in ARMS:
        along = np.array([side, 0, 0])
        for i, r in enumerate((arm_r * arm[0], arm_r * taper * arm[1], hand_r)):
            half = size["arm"] * (ends[i + 1] - ends[i]) / 2 * (1 + shop.overlap - shop.gap)
            centre = joints[b] + along * size["arm"] * (ends[i] + ends[i + 1]) / 2
            kind = hand_kind if i == 2 else arm_kind
            pieces.append(shop.part(kind, [r, half, r * flat], centre, along, b + i))
    length, width = rng.uniform(1.1, 2.2) * leg_r, rng.uniform(0.8, 1.5) * leg_r
    back, lower = rng.uniform(0.6, 1.0) * leg_r, rng.uniform(0.65, 1.35)
    for b, _ in LEGS:
        for i in (0, 1):
            a, c = joints[b + i], joints[b + i + 1]
            r = leg_r * (lower if i else 1.0) * leg[i]
            half = np.linalg.norm(a - c) / 2 * (1 + shop.overlap - shop.gap)
            pieces.append(shop.part(leg_kind, [r, half, r], (a + c) / 2, -up, b + i))
        sole = joints[b + 2] * [1, 0, 1] + [0, size["foot"] / 2, length - back]
        half_foot = [width, size["foot"] / 2 * (1 + shop.gap), length]
        pieces.append(shop.part(foot_kind, half_foot, sole, up, b + 2))
    return pieces


def _soft_weights(rest: list[Piece], joints: Floats, along: Floats) -> list[Floats]:
    """Weights that blend across elbows, wrists, knees, ankles and the waist."""
    out = []
    for piece in rest:
        weights = one_hot(piece.labels)
        p = int(piece.labels[0])
        for child, parent in ((c, PARENT[c]) for c in range(N_PARTS)):
            if child in (0, 3, 6, 9, 12) or parent < 0 or p not in (child, parent):
                continue
            t = (piece.vertices - joints[child]) @ along[child]
            w = 1 / (1 + np.exp(-np.clip(t / SOFT_M, -30, 30)))
            w = np.maximum(w, 0.5) if p == child else np.minimum(w, 0.5)
            share = weights[:, p].copy()
            weights[:, child], weights[:, parent] = share * w, share * (1 - w)
        out.append(weights / weights.sum(axis=1, keepdims=True))
    return out


def blocky_character(rng: np.random.Generator, level: float) -> Character:
    """A character of primitives in a random pose."""
    squat = rng.random() < 0.35
    joints, size = figure_joints(rng, level, squat)
    shop = _Shop(rng, level)
    arm_r, leg_r = rng.uniform(0.022, 0.06), rng.uniform(0.03, 0.07)
    pieces = _torso_and_head(shop, joints, size, arm_r, leg_r)
    pieces += _limbs(shop, joints, size, arm_r, leg_r)
    vertices = np.concatenate([p.vertices for p in pieces])
    along = bone_directions(joints, vertices, np.concatenate([p.labels for p in pieces]))
    soft = rng.random() < 0.5
    weights = _soft_weights(pieces, joints, along) if soft else [one_hot(p.labels) for p in pieces]
    turns = random_pose(rng, joints, level)
    moved, out = joints, []
    for piece, w in zip(pieces, weights, strict=True):
        v, moved = deform(piece.vertices, w, joints, np.ones((N_PARTS, 3)), turns, along)
        out.append(replaced(piece, v))
    tags = ["squat"] if squat else []
    if rng.random() < 0.3:
        out = _loosened(rng, out, moved)
        tags.append("rigid")
    return Character(tuple(out), moved, "blocky", tuple(tags))


def replaced(piece: Piece, vertices: Floats) -> Piece:
    """The piece after posing; its solid follows the rigid motion that fits best (Kabsch)."""
    if piece.solid is None:
        return piece.moved(vertices)
    a, b = piece.vertices.mean(axis=0), vertices.mean(axis=0)
    u, _, vt = np.linalg.svd((piece.vertices - a).T @ (vertices - b))
    turn = vt.T @ np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
    solid = replace(
        piece.solid,
        centre=turn @ (piece.solid.centre - a) + b,
        axes=turn @ piece.solid.axes,
    )
    return replace(piece, vertices=vertices, solid=solid)


def _loosened(rng: np.random.Generator, pieces: list[Piece], joints: Floats) -> list[Piece]:
    """Pieces drawn apart, maybe with balls at the joints, maybe with thick outer limbs."""
    shrink = 1 - rng.uniform(0.03, 0.22)
    thick = rng.uniform(1.1, 1.7) if rng.random() < 0.3 else 1.0
    out = []
    for piece in pieces:
        p = int(piece.labels[0])
        grow = shrink * (thick if p in (4, 5, 7, 8, 10, 11, 13, 14) else 1.0)
        centre = piece.vertices.mean(axis=0)
        solid = replace(piece.solid, half=piece.solid.half * grow) if piece.solid else None
        moved = centre + (piece.vertices - centre) * grow
        out.append(replace(piece, vertices=moved, solid=solid))
    if rng.random() < 0.6:
        radius = rng.uniform(0.015, 0.045)
        sockets = rng.random() < 0.5  # balls held by the part above, or by the one that turns
        out += [
            solid_piece(
                "ellipsoid",
                np.full(3, radius),
                joints[p],
                PARENT[p] if sockets else p,
                detail=1,
                name="ball",
            )
            for p in range(3, N_PARTS)
        ]
    return out
