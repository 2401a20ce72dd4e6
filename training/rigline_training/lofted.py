"""Low-poly characters of swept tubes: toons, toys, box people with torso and limbs in one piece."""

from __future__ import annotations

import numpy as np

from rigline.avatar.body import N_PARTS, Part
from rigline_training.blocky import figure_joints, replaced, segment_widths
from rigline_training.character import Character, Floats, Piece
from rigline_training.lofts import Section, boundary_stations, loft, placed
from rigline_training.posing import ARMS, LEGS, bone_directions, deform, random_pose
from rigline_training.solids import KINDS, solid_piece

UP = np.array([0.0, 1, 0])


def random_section(rng: np.random.Generator) -> Section:
    """Boxes, prisms and tubes, each about as often."""
    if rng.random() < 0.3:
        return Section(8.0, 4)
    power = float(rng.choice([2.0, 2.0, rng.uniform(2, 4), rng.uniform(4, 9)]))
    return Section(power, int(rng.choice([5, 6, 6, 8, 8, 10, 12, 16])))


class _Tailor:
    """What one character's pieces have in common, so that left and right share every choice."""

    def __init__(self, rng: np.random.Generator, level: float) -> None:
        self.rng, self.level = rng, level
        self.joints, self.size = figure_joints(rng, level, squat=rng.random() < 0.4)
        self.body, self.limb = random_section(rng), random_section(rng)
        self.arm_r, self.leg_r = rng.uniform(0.018, 0.055), rng.uniform(0.028, 0.07)
        self.flat = rng.uniform(0.8, 1.2)
        self.stepped = self.chance(0.35)
        """Whether tubes change their width at joints rather than evenly."""
        self.loops = int(rng.choice([0, 0, 2, 5]))
        count = int(rng.integers(0, 3))
        self.cuffs = [(rng.uniform(0.08, 0.95), rng.uniform(1.08, 1.6)) for _ in range(count)]
        self.soft = float(rng.choice([0.004, rng.uniform(0.008, 0.03)]))
        self.fingers = int(rng.choice([0, 0, 2, 3, 4]))
        self.finger_kind = str(rng.choice(["box", "capsule"]))
        self.finger_long, self.finger_thick = rng.uniform(0.8, 1.6), rng.uniform(0.15, 0.32)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def profile(self, count: int, spread: float = 0.12) -> Floats:
        return np.exp(self.rng.normal(0, spread * self.level, count))


def _torso(t: _Tailor) -> Piece:
    """Pelvis, belly and chest as one tube, perhaps with a hem below the hips."""
    rng, size = t.rng, t.size
    waist = t.joints[Part.UPPER_TORSO, 1]
    hem = size["leg"] - (rng.uniform(0.0, 0.03) if t.chance(0.75) else rng.uniform(0.03, 0.12))
    top = size["leg"] + size["torso"]
    stations, above = boundary_stations(np.array([waist]), hem, top)
    shoulder = max(size["shoulder_x"] - t.arm_r * rng.uniform(-0.2, 0.9), 0.035)
    hips = max(shoulder * rng.uniform(0.6, 1.1), size["hip_x"] + t.leg_r * rng.uniform(0.4, 1.0))
    at = (stations - hem) / (top - hem)
    belly = min(hips, shoulder) * rng.uniform(0.65, 1.1)
    knots = [0.0, 0.45, 0.8, 1.0]
    wide = np.interp(at, knots, [hips, belly, shoulder, shoulder * rng.uniform(0.45, 1.0)])
    depth = rng.uniform(0.035, 0.1) * np.exp(rng.normal(0, 0.2 * t.level))
    profile = [rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.2), 1.0, rng.uniform(0.5, 1.0)]
    deep = depth * np.interp(at, knots, profile)
    lean = np.stack([0 * at, np.interp(at, knots, rng.normal(0, 0.008, 4))], axis=1)
    parts = np.where(above > 0, int(Part.UPPER_TORSO), int(Part.LOWER_TORSO))
    half = np.stack([wide, deep], axis=1)
    return loft(stations, half, t.body, parts, offset=lean, name="torso")


def _chain(
    t: _Tailor, first: int, axes: Floats, bounds: Floats, low: float, high: float, radii: Floats
) -> Piece:
    """A limb as one tube from its joint outwards; labels change at the bounds."""
    stations, beyond = boundary_stations(bounds, low, high, t.loops)
    at = np.arange(len(stations)) if t.stepped else stations
    r = np.interp(at, np.linspace(at[0], at[-1], len(radii)), radii)
    for cuff, wide in t.cuffs:
        where = low + cuff * (high - low)
        r = np.where(stations > where if cuff > 0.5 else stations < where, r * wide, r)
    half = np.stack([r, r * t.flat], axis=1)
    return placed(loft(stations, half, t.limb, first + beyond, name="limb"), axes, t.joints[first])


def _fingers(t: _Tailor, b: int, side: float, start: float, palm: float) -> list[Piece]:
    """A thumb and two to four fingers, straight out of a hand in the T pose."""
    count = t.fingers
    axes = np.stack([np.cross([side, 0, 0], [0, 0, 1.0]), [side, 0, 0], [0, 0, 1.0]], axis=1)
    length, thick = palm * t.finger_long, palm * t.finger_thick
    out = []
    for k in range(count):
        z = palm * 0.85 * (2 * (k + 0.5) / count - 1)
        at = t.joints[b] + [side * (start + length / 2), 0, z]
        half = [thick, length / 2, thick]
        out.append(solid_piece(t.finger_kind, half, at, b + 2, axes, detail=1, name="finger"))
    thumb = t.joints[b] + [side * (start - palm * 0.4), 0, palm * 1.2]
    half = [thick, thick * 1.1, palm * 0.6]
    out.append(solid_piece(t.finger_kind, half, thumb, b + 2, axes, detail=1, name="thumb"))
    return out


def _arms(t: _Tailor) -> list[Piece]:
    rng, size, out = t.rng, t.size, []
    elbow, wrist = size["arm"] * size["elbow"], size["arm"] * size["wrist"]
    bare = t.chance(0.3)
    tip = size["arm"] if bare or t.chance(0.5) else wrist + 0.3 * (size["arm"] - wrist)
    radii = t.arm_r * t.profile(7) * np.linspace(1.0, rng.uniform(0.6, 1.15), 7)
    if t.chance(0.2):
        radii[int(rng.integers(3, 6))] *= rng.uniform(1.2, 2.0)
    radii *= np.repeat(segment_widths(rng), (4, 3))
    low = -t.arm_r * rng.uniform(0.0, 1.0)
    palm = t.arm_r * rng.uniform(0.8, 1.9)
    kind = str(rng.choice(KINDS))
    hand_half = [palm * rng.uniform(0.4, 1.0), (size["arm"] - wrist) * 0.55, palm]
    for b, side in ARMS:
        along = np.array([side, 0.0, 0])
        axes = np.stack([np.cross(along, [0, 0, 1.0]), along, [0, 0, 1.0]], axis=1)
        out.append(_chain(t, b, axes, np.array([elbow, wrist]), low, tip, radii))
        if bare:
            continue
        at = t.joints[b] + along * (wrist + size["arm"]) / 2
        out.append(solid_piece(kind, hand_half, at, b + 2, axes, detail=2, name="hand"))
        if t.fingers:
            out += _fingers(t, b, side, size["arm"], palm)
    return out


def _legs(t: _Tailor) -> list[Piece]:
    rng, size, out = t.rng, t.size, []
    legs = t.joints[[Part.LEFT_UPPER_LEG, Part.LEFT_LOWER_LEG, Part.LEFT_FOOT], 1]
    knee, ankle = legs[0] - legs[1], legs[0] - legs[2]
    bare = t.chance(0.25)
    radii = t.leg_r * t.profile(7) * np.linspace(1.0, rng.uniform(0.55, 1.3), 7)
    if t.chance(0.25):
        radii[4:] *= rng.uniform(1.1, 1.6)
    radii *= np.repeat(segment_widths(rng), (4, 3))
    low = -rng.uniform(0.0, 0.03)
    length, width = rng.uniform(1.1, 2.4) * t.leg_r, rng.uniform(0.8, 1.5) * t.leg_r
    back, kind = rng.uniform(0.6, 1.0) * t.leg_r, str(rng.choice([*KINDS, "box"]))
    axes = np.stack([np.cross(-UP, [0, 0, 1.0]), -UP, [0, 0, 1.0]], axis=1)
    end = legs[0] if bare else ankle + 0.3 * size["foot"]
    for b, _ in LEGS:
        out.append(_chain(t, b, axes, np.array([knee, ankle]), low, end, radii))
        if bare:
            continue
        sole = t.joints[b + 2] * [1, 0, 1] + [0, size["foot"] / 2, length - back]
        half = [width, size["foot"] / 2, length]
        out.append(solid_piece(kind, half, sole, b + 2, detail=2, name="foot"))
    return out


def _head(t: _Tailor) -> list[Piece]:
    """A lofted or primitive head, with or without a neck."""
    rng, size = t.rng, t.size
    half = size["head"] / 2 * np.array([rng.uniform(0.7, 1.3), 1, rng.uniform(0.75, 1.2)])
    centre = t.joints[Part.HEAD] + [0, size["neck"] + size["head"] / 2, rng.uniform(-0.01, 0.02)]
    out = []
    if t.chance(0.5):
        at = np.linspace(-1, 1, 6)
        wide = np.clip((1 - np.abs(at) ** rng.uniform(2, 8)), 0.04, 1) ** 0.5
        wide *= np.interp(at, [-1, 0, 1], [rng.uniform(0.5, 1.1), 1.0, rng.uniform(0.7, 1.1)])
        profile = np.stack([half[0] * wide, half[2] * wide], axis=1)
        head = loft(at * half[1], profile, t.body, np.full(6, int(Part.HEAD)), name="head")
        out.append(placed(head, np.eye(3), centre))
    else:
        out.append(solid_piece(str(rng.choice(KINDS)), half, centre, Part.HEAD, detail=2))
    if size["neck"] > 0.008 or t.chance(0.3):
        r = min(t.arm_r * rng.uniform(0.7, 1.3), half[0] * 0.8)
        tall = size["neck"] / 2 + 0.015
        at = t.joints[Part.HEAD] + [0, size["neck"] / 2, 0]
        out.append(solid_piece("cylinder", [r, tall, r], at, Part.HEAD, detail=1, name="neck"))
    return out


def _weights(t: _Tailor, piece: Piece, rest: Floats, along: Floats) -> Floats:
    """Weights that blend across the joints inside a piece; rigid where it holds one part."""
    parts = np.unique(piece.labels)
    weights = np.zeros((len(piece.vertices), N_PARTS))
    weights[np.arange(len(weights)), piece.labels] = 1
    if len(parts) == 1:
        return weights
    parts = [int(p) for p in parts] if parts[0] != Part.UPPER_TORSO else [2, 1]
    beyond = np.ones((len(weights), len(parts) + 1))
    beyond[:, -1] = 0
    for k, child in enumerate(parts[1:], start=1):
        distance = (piece.vertices - rest[child]) @ along[child]
        beyond[:, k] = 1 / (1 + np.exp(-np.clip(distance / t.soft, -30, 30)))
    beyond = np.minimum.accumulate(beyond, axis=1)
    weights[:] = 0
    weights[:, parts] = beyond[:, :-1] - beyond[:, 1:]
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


def lofted_character(rng: np.random.Generator, level: float) -> Character:
    """A low-poly character in a random pose."""
    t = _Tailor(rng, level)
    pieces = [_torso(t), *_arms(t), *_legs(t), *_head(t)]
    points = np.concatenate([p.vertices for p in pieces])
    along = bone_directions(t.joints, points, np.concatenate([p.labels for p in pieces]))
    turns = random_pose(rng, t.joints, level)
    out, moved = [], t.joints
    for piece in pieces:
        w = _weights(t, piece, t.joints, along)
        v, moved = deform(piece.vertices, w, t.joints, np.ones((N_PARTS, 3)), turns, along)
        out.append(replaced(piece, v))
    return Character(tuple(out), moved, "lofted")
