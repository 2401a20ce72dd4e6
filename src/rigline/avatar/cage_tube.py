"""The tube around each part that the outer cage is measured in.

A tube has a straight stack of parallel planes (``normal``), a centre line that may lean within
them, and an elliptical unit of length in each plane. A point then has a height ``t`` along the
stack, 0 at the part's joint and 1 at the next, an angle around the centre line, and a radius.
Right limbs are measured in mirrored space, by the very steps that measure the left ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import CHILD, Part
from rigline.avatar.mesh import Floats

MIN_LENGTH: Final = 0.02
SECTION_HALF_HEIGHT: Final = 0.03
MAX_CENTRE_SHIFT: Final = 0.05
RATIO_LIMIT: Final = 2.2
MAX_HANG: Final = 0.06
MIN_INSTEP: Final = 0.03
MAX_INSTEP: Final = 0.08
TIE: Final = 1e-5
"""What lies on a plane but for rounding counts as on it."""

PROP_SECTORS: Final = 16
PROP_FACTOR: Final = 3.5
"""A hand ends at so many times its typical width across the forearm's line.

Open hands with spread fingers stay below 3. Directions are typical, not samples: a lance has many
samples, but in one or two directions."""

PROP_MIN_REACH: Final = 0.07
DEFAULT_HAND_LENGTH: Final = 0.06
DEFAULT_FOOT_HEIGHT: Final = 0.04
DEFAULT_HEAD_HEIGHT: Final = 0.15
BACKWARDS: Final = np.array([0.0, 0.0, -1.0])
DOWN: Final = np.array([0.0, -1.0, 0.0])
UP: Final = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Tube:
    """A part's stack of planes, in the canonical frame (mirrored for right limbs).

    ``start`` and ``end (3,)`` are the centres at t = 0 and 1, ``back``, ``side``, ``normal`` a
    right-handed orthonormal frame with angle 0 at ``back``. ``ratio`` is the width to depth of the
    section at both ends; both it and the centre reach their end value at t = ``settled``.
    ``low`` and ``high`` bound the heights of the part's own surface.
    """

    start: Floats
    end: Floats
    back: Floats
    side: Floats
    normal: Floats
    length: float
    ratio: tuple[float, float] = (1.0, 1.0)
    settled: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def _at(self, t: Floats) -> tuple[Floats, Floats, Floats]:
        """Centres ``(…, 3)`` and the lengths of the unit ellipse's axes at heights t."""
        share = np.clip(t / self.settled, 0.0, 1.0)
        lean = (self.end - self.start) - ((self.end - self.start) @ self.normal) * self.normal
        centre = self.start + share[..., None] * lean + (t * self.length)[..., None] * self.normal
        root = np.sqrt(self.ratio[0] + share * (self.ratio[1] - self.ratio[0]))
        return centre, 1 / root, root

    def coordinates(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Height, angle in [0, 2π) and radius of ``points (n, 3)``."""
        t = (points - self.start) @ self.normal / self.length
        centre, depth, width = self._at(t)
        x, y = (points - centre) @ self.back / depth, (points - centre) @ self.side / width
        return t, np.arctan2(y, x) % (2 * np.pi), np.hypot(x, y)

    def positions(self, t: Floats, angle: Floats, radius: Floats) -> Floats:
        """Points ``(…, 3)`` from heights, angles and radii of one shape."""
        centre, depth, width = self._at(t)
        return np.asarray(
            centre
            + (radius * depth * np.cos(angle))[..., None] * self.back
            + (radius * width * np.sin(angle))[..., None] * self.side
        )

    def stretch(self, t: Floats, angle: Floats) -> Floats:
        """How many units of space a unit of radius spans at a height and angle."""
        _, depth, width = self._at(t)
        return np.hypot(depth * np.cos(angle), width * np.sin(angle))


def raised_ankles(joints: Floats, feet: dict[int, Floats]) -> Floats:
    """Joints with each ankle lifted to the instep where a rig has put it near the sole.

    ``feet`` holds the surface samples of each foot by its part.
    """
    raised = joints.copy()
    for part, own in feet.items():
        if len(own) >= 6:
            rise = float(np.quantile(own[:, 1], 0.95) - joints[part][1])
            if rise > MIN_INSTEP:
                raised[part][1] += min(rise, MAX_INSTEP)
    return raised


def limb_tube(part: int, own: Floats, bare: Floats, chain: Floats, joints: Floats) -> Tube:
    """The tube of an arm's or leg's part, given as a left one.

    ``own (n, 3)`` are the part's surface samples, ``bare (k, 3)`` those of them outside the torso,
    ``chain (m, 3)`` those of its whole limb.
    """
    joint = joints[part]
    if part == Part.LEFT_HAND:
        end = joint + _hand_axis(own, joint, joints[Part.LEFT_LOWER_ARM])
    elif part == Part.LEFT_FOOT:
        end = joint + _foot_drop(own, joint) * DOWN
    else:
        end = joints[CHILD[part]]
    bone = end - joint
    length = float(np.linalg.norm(bone))
    normal = bone / length if length > 1e-9 else DOWN
    length = max(length, MIN_LENGTH)
    back, side = _frame(normal)
    start_centre, _ = _section(chain, joint, normal, back, side)
    tube = Tube(start_centre, start_centre + length * normal, back, side, normal, length)
    if part in (Part.LEFT_HAND, Part.LEFT_FOOT):
        beyond = own[(own - joint) @ normal > -TIE] if len(own) else own
        shape = beyond if len(beyond) >= 6 else own
        return _toward_tip(tube, shape, joint + length * normal)
    end_centre, _ = _section(chain, joint + length * normal, normal, back, side)
    low = 0.0
    if part in (Part.LEFT_UPPER_ARM, Part.LEFT_UPPER_LEG) and len(bare) >= 12:
        heights = (bare - joint) @ normal / length
        low = float(np.clip(np.quantile(heights, 0.02), -0.35, 0.6))
    return Tube(start_centre, end_centre, back, side, normal, length, low=low)


def torso_tube(part: int, own: Floats, torso: Floats, thighs: Floats, joints: Floats) -> Tube:
    """The tube of LowerTorso, UpperTorso or Head, upright whatever the spine does.

    ``own``, ``torso`` and ``thighs (·, 3)`` are samples of the part, of both torso parts, and of
    both upper legs.
    """
    back, side = _frame(UP)
    waist, neck = joints[Part.UPPER_TORSO], joints[Part.HEAD]
    waist_centre, waist_ratio = _section(torso, waist, UP, back, side)
    heights = own[:, 1] if len(own) else np.zeros(0)
    if part == Part.HEAD:
        top = float(heights.max()) if len(own) else neck[1] + DEFAULT_HEAD_HEIGHT
        length = max(top - neck[1], MIN_LENGTH)
        end = neck + length * UP
        low = _overhang(own, torso, neck) / length
        if len(own):
            end = _box_middle(own, end, back, side)[0]
        return Tube(neck, end, back, side, UP, length, settled=0.4, low=max(low, -0.25))
    if part == Part.UPPER_TORSO:
        length = max(float(neck[1] - waist[1]), MIN_LENGTH)
        high = 1.0
        if len(own):
            high = float(np.clip((np.quantile(heights, 0.98) - waist[1]) / length, 0.8, 1.3))
        return Tube(
            waist_centre, _at_height(neck, waist_centre[1] + length), back, side, UP, length,
            ratio=(waist_ratio, 1.0), high=high,
        )  # fmt: skip
    hips_y = min(joints[Part.LEFT_UPPER_LEG][1], joints[Part.RIGHT_UPPER_LEG][1])
    bottom = hips_y
    below = heights if len(own) else torso[:, 1][torso[:, 1] < waist[1]]
    if len(below) >= 6:
        bottom = min(float(np.quantile(below, 0.01)), waist[1] - MIN_LENGTH)
    if not len(own):
        bottom = max(bottom, hips_y - MAX_HANG)
    length = max(float(waist[1] - bottom), MIN_LENGTH)
    floor = _at_height(waist_centre, waist[1] - length)
    hips = np.concatenate([torso, thighs])
    start, ratio = _section(hips, _at_height(floor, floor[1] + 0.3 * length), UP, back, side)
    return Tube(
        _at_height(start, floor[1]), waist_centre, back, side, UP, length,
        ratio=(ratio, waist_ratio),
    )  # fmt: skip


def _overhang(own: Floats, torso: Floats, neck: Floats) -> float:
    """How far the head hangs down around the neck and outside the collar; never positive."""
    collar = torso[np.abs(torso[:, 1] - neck[1]) < SECTION_HALF_HEIGHT]
    if len(own) < 6 or len(collar) < 6:
        return 0.0
    reach = np.quantile(np.hypot(*(collar - neck)[:, [0, 2]].T), 0.9)
    hanging = own[(own[:, 1] < neck[1]) & (np.hypot(*(own - neck)[:, [0, 2]].T) > 1.1 * reach)]
    if len(hanging) < max(6, 0.02 * len(own)):
        return 0.0
    return min(float(np.quantile(hanging[:, 1], 0.1) - neck[1]), 0.0)


def _at_height(point: Floats, y: float) -> Floats:
    return np.array([point[0], y, point[2]])


def _frame(normal: Floats) -> tuple[Floats, Floats]:
    """Angle 0 to the character's back; upwards for a limb that points back or forth."""
    reference = BACKWARDS if abs(normal[2]) < 0.9 else UP * np.sign(normal[2])
    back = reference - (reference @ normal) * normal
    back = back / np.linalg.norm(back)
    return back, np.cross(normal, back)


def _section(
    points: Floats, joint: Floats, normal: Floats, back: Floats, side: Floats
) -> tuple[Floats, float]:
    """Centre and width-to-depth ratio of the surface cut around a joint; the joint if it is bare.

    Rigs place joints off the middle of the limb, and estimates miss by some per cent; the cage
    needs a centre line inside.
    """
    if not len(points):
        return joint, 1.0
    offset = points - joint
    near = (np.abs(offset @ normal) < SECTION_HALF_HEIGHT + TIE) & ((offset**2).sum(axis=1) < 0.09)
    if near.sum() < 6:
        return joint, 1.0
    middle, ratio = _box_middle(points[near], joint, back, side)
    shift = middle - joint
    size = float(np.linalg.norm(shift))
    return joint + shift * min(1.0, MAX_CENTRE_SHIFT / max(size, 1e-9)), ratio


def _box_middle(
    points: Floats, through: Floats, back: Floats, side: Floats
) -> tuple[Floats, float]:
    """The middle of the points' box in the plane through a point, and its width over depth."""
    x, y = (points - through) @ back, (points - through) @ side
    (x0, x1), (y0, y1) = np.quantile(x, [0.05, 0.95]), np.quantile(y, [0.05, 0.95])
    middle = through + (x0 + x1) / 2 * back + (y0 + y1) / 2 * side
    ratio = max(y1 - y0, 1e-4) / max(x1 - x0, 1e-4)
    return middle, float(np.clip(ratio, 1 / RATIO_LIMIT, RATIO_LIMIT))


def without_prop(own: Floats, wrist: Floats, elbow: Floats) -> npt.NDArray[np.bool_]:
    """``(n,)`` which samples of a hand are not of something long that it holds across the arm."""
    direction = _forearm_direction(wrist, elbow)
    back, side = _frame(direction)
    x, y = (own - wrist) @ back, (own - wrist) @ side
    radius = np.hypot(x, y)
    turn = np.arctan2(y, x) / (2 * np.pi) + TIE
    reach = np.zeros(PROP_SECTORS)
    np.maximum.at(reach, np.floor(turn * PROP_SECTORS).astype(np.int64) % PROP_SECTORS, radius)
    if (reach > 0).sum() <= PROP_SECTORS // 2:
        return np.ones(len(own), bool)
    limit = max(PROP_FACTOR * float(np.median(reach[reach > 0])), PROP_MIN_REACH)
    return np.asarray(radius <= limit + TIE)


def _forearm_direction(wrist: Floats, elbow: Floats) -> Floats:
    forearm = wrist - elbow
    size = float(np.linalg.norm(forearm))
    return np.asarray(forearm / size) if size > 1e-6 else DOWN


def _hand_axis(own: Floats, wrist: Floats, elbow: Floats) -> Floats:
    """From the wrist to the finger tips: towards the hand's middle unless that is off the arm."""
    direction = _forearm_direction(wrist, elbow)
    if len(own) < 12:
        return direction * DEFAULT_HAND_LENGTH
    toward = own.mean(axis=0) - wrist
    size = float(np.linalg.norm(toward))
    if size > 1e-3 and toward @ direction > 0.7 * size:
        direction = toward / size
    reach = float(((own - wrist) @ direction).max())
    return direction * float(np.clip(reach, MIN_LENGTH, 0.25))


def _foot_drop(own: Floats, ankle: Floats) -> float:
    """From the ankle straight down to the sole."""
    if len(own) < 6:
        return float(np.clip(ankle[1], MIN_LENGTH, DEFAULT_FOOT_HEIGHT))
    return max(float(ankle[1] - own[:, 1].min()), MIN_LENGTH)


def _toward_tip(tube: Tube, own: Floats, tip: Floats) -> Tube:
    """The tube with its far end centred on, and shaped like, the box of the part's surface."""
    if len(own) < 6:
        return tube
    end, ratio = _box_middle(own, tip, tube.back, tube.side)
    return replace(tube, end=end, ratio=(1.0, ratio), settled=0.5)
