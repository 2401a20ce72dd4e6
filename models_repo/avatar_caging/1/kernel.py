"""The cage's kernel: from samples of a body's surface to the vertices of its outer cage.

One file on numpy and scipy alone, which knows nothing else of Rigline: :mod:`rigline.avatar.cage`
calls it, and an inference server runs a copy of it as the model ``avatar_caging``.

Each part is measured in its own tube: around every vertex of a grid of rings and segments the
outermost surface within a window of height and angle gives a radius. Windows without surface are
filled from their neighbours, the grid is smoothed without ever falling below what was measured,
inflated, and the rings in which two parts of a chain face each other are made one.

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
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

(
    HEAD, UPPER_TORSO, LOWER_TORSO,
    LEFT_UPPER_ARM, LEFT_LOWER_ARM, LEFT_HAND, RIGHT_UPPER_ARM, RIGHT_LOWER_ARM, RIGHT_HAND,
    LEFT_UPPER_LEG, LEFT_LOWER_LEG, LEFT_FOOT, RIGHT_UPPER_LEG, RIGHT_LOWER_LEG, RIGHT_FOOT,
) = range(15)  # fmt: skip
N_PARTS: Final = 15
PARENT: Final = (1, 2, -1, 1, 3, 4, 1, 6, 7, 2, 9, 10, 2, 12, 13)
CHILD: Final = (-1, 0, 1, 4, 5, -1, 7, 8, -1, 10, 11, -1, 13, 14, -1)
MIRROR: Final = (0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11)
SIDE: Final = (0, 0, 0, 1, 1, 1, -1, -1, -1, 1, 1, 1, -1, -1, -1)
"""The parts as in :mod:`rigline.avatar.body`, which is not imported here; a test compares them."""

TORSO: Final = (HEAD, UPPER_TORSO, LOWER_TORSO)
LIMB_ROOTS: Final = (LEFT_UPPER_ARM, RIGHT_UPPER_ARM, LEFT_UPPER_LEG, RIGHT_UPPER_LEG)

TORSO_SEGMENTS: Final = 16
LIMB_SEGMENTS: Final = 10
RINGS: Final = (12, 10, 7, 8, 8, 5, 8, 8, 5, 8, 8, 6, 8, 8, 6)
"""Rings of each part, in the order of the parts."""

SEGMENTS: Final = (TORSO_SEGMENTS,) * 3 + (LIMB_SEGMENTS,) * 12
"""Segments around each part, equal along a chain of parts so that facing rings can meet."""

N_VERTICES: Final = sum(r * (s + 1) + 2 for r, s in zip(RINGS, SEGMENTS, strict=True))
"""Vertices of the cage: rings whose first vertex is doubled, and two poles, for each part."""

MAX_DISTANCE: Final = 0.10
"""No vertex is left farther from the body; the published limit is 0.12 of a 5-stud body."""

INFLATION: Final = 0.006
"""How far outside the surface the cage lies, as a share of the body's height."""

MIN_SAMPLES: Final = 12
WINDOW_TIE: Final = 1e-4
"""Windows reach so much farther: what is modelled flush with a joint lies on their very borders."""

HARD_WINDOW: Final = 0.55
"""Half the width of the window that bounds a radius from below, in grid spacings."""

SOFT_WINDOW: Final = 1.0
SOFT_SHARE: Final = 0.9
"""How much of a radius at the rim of the soft window counts."""

NECK_HALF_HEIGHT: Final = 0.02
OUTLIER_FACTOR: Final = 1.3
"""Beyond this many times the radius that 97 % of the surface keeps, a thing held or worn is cut."""

DEFAULT_RADIUS: Final = (
    0.07, 0.08, 0.08, 0.03, 0.025, 0.02, 0.03, 0.025, 0.02, 0.04, 0.035, 0.03, 0.04, 0.035, 0.03,
)  # fmt: skip
"""Radius of the tube around the bone of a part without surface."""


MIN_LENGTH: Final = 0.02
SECTION_HALF_HEIGHT: Final = 0.03
MAX_CENTRE_SHIFT: Final = 0.05
RATIO_LIMIT: Final = 2.2
MAX_HANG: Final = 0.06
MIN_INSTEP: Final = 0.03
MAX_INSTEP: Final = 0.08
PLANE_TIE: Final = 1e-5
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


def fit_vertices(points: Floats, part: Ints, joints: Floats) -> Floats:
    """The cage around a body in the canonical frame, ``(N_VERTICES, 3)`` in the template's order.

    ``points (n, 3)`` are samples of its surface with the ``part (n,)`` of each, 0…14; ``joints
    (15, 3)`` the parts' pivots. All of it is float64 and finite, ``part`` int64. Deterministic.
    Raises ``ValueError`` where there is no sample or one is not finite.
    """
    if not len(points) or not (np.isfinite(points).all() and np.isfinite(joints).all()):
        raise ValueError("The cage needs samples of a surface, and all of them finite.")
    surface = _without_props(_Surface(points, part), joints)
    feet = {p: surface.of(p) for p in (LEFT_FOOT, RIGHT_FOOT)}
    joints = raised_ankles(joints, feet)
    torso = [_torso_grid(p, surface, joints) for p in TORSO]
    limbs = [_limb_grid(p, surface, joints, torso) for p in range(len(TORSO), N_PARTS)]
    rings = [_Rings.of(p, grid) for p, grid in enumerate(torso + limbs)]
    _join_facing_rings(rings)
    return _pull_near(_template_positions(rings), points)


@dataclass(frozen=True, eq=False)
class _Surface:
    """Samples of the body and the part of each."""

    points: Floats
    part: Ints

    def of(self, *parts: int) -> Floats:
        return self.points[np.isin(self.part, parts)]


@dataclass(frozen=True, eq=False)
class _Rings:
    """Ring positions ``(R, S, 3)`` of one part, its two poles, and whether surface shaped it."""

    rings: Floats
    poles: Floats
    measured: bool

    @staticmethod
    def of(part: int, grid: PartGrid) -> _Rings:
        """A grid's points in the body's own space, each end closed in the middle of its ring."""
        flip = _flip(part)
        rings = grid.positions() * flip
        poles = np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)])
        if part in LIMB_ROOTS and grid.levels[0] > 0:
            poles[0] = grid.tube.start * flip
        return _Rings(rings, poles, grid.measured)


def _flip(part: int) -> Floats:
    """Factors that take right limbs into mirrored space and back."""
    return np.array([-1.0, 1.0, 1.0]) if SIDE[part] < 0 else np.ones(3)


def _without_props(surface: _Surface, joints: Floats) -> _Surface:
    """The surface without what the hands hold across the arm."""
    keep = np.ones(len(surface.part), bool)
    for hand in (LEFT_HAND, RIGHT_HAND):
        own, flip = np.flatnonzero(surface.part == hand), _flip(hand)
        wrist, elbow = joints[hand] * flip, joints[PARENT[hand]] * flip
        keep[own] = without_prop(surface.points[own] * flip, wrist, elbow)
    return _Surface(surface.points[keep], surface.part[keep])


def _torso_grid(part: int, surface: _Surface, joints: Floats) -> PartGrid:
    """Measure LowerTorso, UpperTorso or Head."""
    own = surface.of(part)
    torso = surface.of(LOWER_TORSO, UPPER_TORSO)
    thighs = surface.of(LEFT_UPPER_LEG, RIGHT_UPPER_LEG)
    tube = torso_tube(part, own, torso, thighs, joints)
    if part == LOWER_TORSO:
        others = np.concatenate([surface.of(UPPER_TORSO), thighs])
    else:
        others = surface.of(PARENT[part])
    return measure(part, tube, own, others)


def _limb_grid(part: int, surface: _Surface, joints: Floats, torso: list[PartGrid]) -> PartGrid:
    """Measure a part of an arm or leg; a right one in mirrored space."""
    flip = _flip(part)
    left = MIRROR[part] if SIDE[part] < 0 else part
    first = part - (left - LEFT_UPPER_ARM) % 3
    own = surface.of(part)
    outside = ~(torso[UPPER_TORSO].encloses(own) | torso[LOWER_TORSO].encloses(own))
    chain = surface.of(first, first + 1, first + 2) * flip
    others = surface.of(*(p for p in range(first, first + 3) if p != part)) * flip
    if SIDE[part] < 0:
        joints = joints[list(MIRROR)] * flip
    tube = limb_tube(left, own * flip, own[outside] * flip, chain, joints)
    return measure(part, tube, own * flip, others)


def _join_facing_rings(grids: list[_Rings]) -> None:
    """Make the last ring of a part and the first of its successor one, in place."""
    for part in range(N_PARTS):
        child = CHILD[part]
        if child < 0:
            continue
        above, below = grids[child], grids[part]
        if part == UPPER_TORSO:
            middle = 0.5 * (above.rings[0] + below.rings[-1]).mean(axis=0)
            closer = _reach(above.rings[0], middle) < _reach(below.rings[-1], middle)
            ring = np.where(closer[:, None], above.rings[0], below.rings[-1])
        elif above.measured == below.measured:
            ring = 0.5 * (above.rings[0] + below.rings[-1])
        else:
            ring = above.rings[0] if above.measured else below.rings[-1]
        above.rings[0] = below.rings[-1] = ring
        above.poles[0] = below.poles[1] = ring.mean(axis=0)


def _reach(ring: Floats, middle: Floats) -> Floats:
    return np.asarray(np.linalg.norm(ring - middle, axis=1))


def _template_positions(grids: list[_Rings]) -> Floats:
    """Grids in the template's vertex order, the seam doubled."""
    pieces = []
    for grid in grids:
        closed = np.concatenate([grid.rings, grid.rings[:, :1]], axis=1).reshape(-1, 3)
        pieces += [grid.poles[:1], closed, grid.poles[1:]]
    return np.concatenate(pieces)


def _pull_near(placed: Floats, surface: Floats) -> Floats:
    """Bring vertices that stray from the body back to the largest distance allowed."""
    distance, index = cKDTree(surface).query(placed)
    share = np.minimum(1.0, MAX_DISTANCE / np.maximum(distance, 1e-12))
    nearest = surface[index]
    return np.asarray(nearest + share[:, None] * (placed - nearest))


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
    if part == LEFT_HAND:
        end = joint + _hand_axis(own, joint, joints[LEFT_LOWER_ARM])
    elif part == LEFT_FOOT:
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
    if part in (LEFT_HAND, LEFT_FOOT):
        beyond = own[(own - joint) @ normal > -PLANE_TIE] if len(own) else own
        shape = beyond if len(beyond) >= 6 else own
        return _toward_tip(tube, shape, joint + length * normal)
    end_centre, _ = _section(chain, joint + length * normal, normal, back, side)
    low = 0.0
    if part in (LEFT_UPPER_ARM, LEFT_UPPER_LEG) and len(bare) >= 12:
        heights = (bare - joint) @ normal / length
        low = float(np.clip(np.quantile(heights, 0.02), -0.35, 0.6))
    return Tube(start_centre, end_centre, back, side, normal, length, low=low)


def torso_tube(part: int, own: Floats, torso: Floats, thighs: Floats, joints: Floats) -> Tube:
    """The tube of LowerTorso, UpperTorso or Head, upright whatever the spine does.

    ``own``, ``torso`` and ``thighs (·, 3)`` are samples of the part, of both torso parts, and of
    both upper legs.
    """
    back, side = _frame(UP)
    waist, neck = joints[UPPER_TORSO], joints[HEAD]
    waist_centre, waist_ratio = _section(torso, waist, UP, back, side)
    heights = own[:, 1] if len(own) else np.zeros(0)
    if part == HEAD:
        top = float(heights.max()) if len(own) else neck[1] + DEFAULT_HEAD_HEIGHT
        length = max(top - neck[1], MIN_LENGTH)
        end = neck + length * UP
        low = _overhang(own, torso, neck) / length
        if len(own):
            end = _box_middle(own, end, back, side)[0]
        return Tube(neck, end, back, side, UP, length, settled=0.4, low=max(low, -0.25))
    if part == UPPER_TORSO:
        length = max(float(neck[1] - waist[1]), MIN_LENGTH)
        high = 1.0
        if len(own):
            high = float(np.clip((np.quantile(heights, 0.98) - waist[1]) / length, 0.8, 1.3))
        return Tube(
            waist_centre, _at_height(neck, waist_centre[1] + length), back, side, UP, length,
            ratio=(waist_ratio, 1.0), high=high,
        )  # fmt: skip
    hips_y = min(joints[LEFT_UPPER_LEG][1], joints[RIGHT_UPPER_LEG][1])
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
    near = (np.abs(offset @ normal) < SECTION_HALF_HEIGHT + PLANE_TIE) & (
        (offset**2).sum(axis=1) < 0.09
    )
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
    turn = np.arctan2(y, x) / (2 * np.pi) + PLANE_TIE
    reach = np.zeros(PROP_SECTORS)
    np.maximum.at(reach, np.floor(turn * PROP_SECTORS).astype(np.int64) % PROP_SECTORS, radius)
    if (reach > 0).sum() <= PROP_SECTORS // 2:
        return np.ones(len(own), bool)
    limit = max(PROP_FACTOR * float(np.median(reach[reach > 0])), PROP_MIN_REACH)
    return np.asarray(radius <= limit + PLANE_TIE)


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


@dataclass(frozen=True, eq=False)
class PartGrid:
    """A part's tube with heights ``(R,)`` of its rings and radii ``(R, S)``, inflation included.

    ``measured`` is false where the part had no surface and got a default radius.
    """

    tube: Tube
    levels: Floats
    radius: Floats
    measured: bool

    def positions(self) -> Floats:
        """``(R, S, 3)`` points of the grid."""
        t = np.repeat(self.levels[:, None], self.radius.shape[1], axis=1)
        return self.tube.positions(
            t, np.broadcast_to(_angles(self.radius.shape[1]), t.shape), self.radius
        )

    def encloses(self, points: Floats) -> Bools:
        """``(n,)`` whether points lie within the tube by clearly more than it was inflated."""
        if not len(points):
            return np.zeros(0, bool)
        t, angle, radius = self.tube.coordinates(points)
        margin = 3 * INFLATION / self.tube.stretch(t, angle)
        within = (t > self.levels.min() - WINDOW_TIE) & (t < self.levels.max() + WINDOW_TIE)
        return np.asarray(within & (radius < self._radius_at(t, angle) - margin))

    def _radius_at(self, t: Floats, angle: Floats) -> Floats:
        """``(n,)`` the tube's radius at any heights and angles, linear between its vertices."""
        order = np.argsort(self.levels)
        levels, grid = self.levels[order], self.radius[order]
        rings, segments = grid.shape
        ring = np.interp(t, levels, np.arange(rings, dtype=np.float64))
        column = angle * segments / (2 * np.pi)
        below, before = np.minimum(ring.astype(np.int64), rings - 2), column.astype(np.int64)
        up, on = ring - below, column - before
        low = (1 - on) * grid[below, before % segments] + on * grid[below, (before + 1) % segments]
        below = below + 1
        high = (1 - on) * grid[below, before % segments] + on * grid[below, (before + 1) % segments]
        return np.asarray((1 - up) * low + up * high)


def measure(part: int, tube: Tube, own: Floats, others: Floats) -> PartGrid:
    """Lay a part's grid around its surface.

    ``own (n, 3)`` and ``others (m, 3)`` are samples of the part and of the parts beside it, in the
    frame of the tube; the others count only between the tube's ends and near its axis.
    """
    levels, windows = _ring_levels(MIRROR[part] if SIDE[part] < 0 else part, tube)
    radius, measured = _measured_radius(part, tube, own, others, windows)
    t = np.repeat(levels[:, None], SEGMENTS[part], axis=1)
    inflation = INFLATION / tube.stretch(t, np.broadcast_to(_angles(SEGMENTS[part]), t.shape))
    return PartGrid(tube, levels, radius + inflation, measured)


def _angles(segments: int) -> Floats:
    return 2 * np.pi * np.arange(segments) / segments


def _ring_levels(part: int, tube: Tube) -> tuple[Floats, Floats]:
    """Heights ``(R,)`` of the rings and, ``(R, 4)``, the windows in which each is measured.

    The windows are hard from, hard to, soft from, soft to. At the neck the facing ring lies on the
    joint's plane while the next one may reach past it: under a chin, over a raised shoulder.
    """
    pad = INFLATION / tube.length
    rings = RINGS[part]
    neck = NECK_HALF_HEIGHT / tube.length
    if part == HEAD:
        even = np.linspace(0.0, 1.0, rings if tube.low == 0 else rings - 1)
        spread = 0.5 * even + 0.25 - 0.25 * np.cos(np.pi * even)
        if tube.low == 0:
            levels = (1 + pad) * spread
            return levels, _windows(levels)
        low = tube.low - pad
        levels = low + (1 + pad - low) * spread
        collar = [-neck, neck, -2 * neck, 2 * neck]
        return np.append(0.0, levels), np.vstack([collar, _windows(levels)])
    if part == UPPER_TORSO:
        levels = np.linspace(0.0, tube.high + pad, rings - 1)
        collar = [1 - neck, 1 + neck, 1 - 2 * neck, 1 + 2 * neck]
        return np.append(levels, 1.0), np.vstack([_windows(levels), collar])
    low, high = tube.low, 1.0
    if part in (LOWER_TORSO, LEFT_UPPER_ARM, LEFT_UPPER_LEG):
        low -= pad
    if part in (LEFT_HAND, LEFT_FOOT):
        high += pad
    levels = np.linspace(low, high, rings)
    return levels, _windows(levels)


def _windows(levels: Floats) -> Floats:
    """Windows around levels, as far as the neighbouring levels allow."""
    gap = np.diff(levels)
    below, above = np.append(gap[0], gap), np.append(gap, gap[-1])
    return np.stack(
        [
            levels - HARD_WINDOW * below,
            levels + HARD_WINDOW * above,
            levels - SOFT_WINDOW * below,
            levels + SOFT_WINDOW * above,
        ],
        axis=1,
    )


def _measured_radius(
    part: int, tube: Tube, own: Floats, others: Floats, windows: Floats
) -> tuple[Floats, bool]:
    """Radius ``(R, S)`` of the outer surface around a part, and whether there was any."""
    t, angle, radius = tube.coordinates(np.concatenate([own, others]))
    mine = np.arange(len(t)) < len(own)
    inside = (t > windows[:, 2].min() - 0.15) & (t < windows[:, 3].max() + 0.15)
    inside &= mine | ((t > -WINDOW_TIE) & (t < 1.0 + WINDOW_TIE))
    judge = inside & mine if (inside & mine).sum() >= MIN_SAMPLES else inside
    if judge.sum() < MIN_SAMPLES:
        return np.full((RINGS[part], SEGMENTS[part]), DEFAULT_RADIUS[part]), False
    limit = OUTLIER_FACTOR * float(np.quantile(radius[judge], 0.97))
    inside &= mine | (radius < limit)
    radius = np.minimum(radius, limit)
    hard, soft = _windowed_maximum(
        t[inside], angle[inside], radius[inside], windows, SEGMENTS[part]
    )
    filled = _fill(soft)
    smooth = _blur(filled)
    chord = 0.5 * (1 + 1 / np.cos(np.pi / SEGMENTS[part]))
    return np.fmax(hard, smooth) * chord, True


def _windowed_maximum(
    t: Floats, angle: Floats, radius: Floats, windows: Floats, segments: int
) -> tuple[Floats, Floats]:
    """Largest radius in the hard and in the soft window of each vertex; NaN where there is none."""
    pitch = 2 * np.pi / segments
    centres = pitch * np.arange(segments)
    gap = np.abs(angle[None] - centres[:, None])
    gap = np.minimum(gap, 2 * np.pi - gap) / pitch
    in_hard = np.where(gap <= HARD_WINDOW + WINDOW_TIE, radius, -np.inf)
    taper = np.interp(gap, [HARD_WINDOW, SOFT_WINDOW], [1.0, SOFT_SHARE])
    in_soft = np.where(gap <= SOFT_WINDOW + WINDOW_TIE, taper * radius, -np.inf)
    hard = np.full((len(windows), segments), -np.inf)
    soft = hard.copy()
    # The first and the last window also take what lies beyond them.
    bounds = windows.copy()
    bounds[windows[:, 0].argmin(), [0, 2]] = -np.inf
    bounds[windows[:, 1].argmax(), [1, 3]] = np.inf
    for ring, (hard_from, hard_to, soft_from, soft_to) in enumerate(bounds):
        chosen = (t >= hard_from - WINDOW_TIE) & (t <= hard_to + WINDOW_TIE)
        hard[ring] = in_hard[:, chosen].max(axis=1, initial=-np.inf)
        chosen = (t >= soft_from - WINDOW_TIE) & (t <= soft_to + WINDOW_TIE)
        soft[ring] = in_soft[:, chosen].max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(hard), hard, np.nan), np.where(np.isfinite(soft), soft, np.nan)


def _fill(grid: Floats) -> Floats:
    """Fill NaN by averages of what lies around, near ones first."""
    known = np.isfinite(grid)
    if not known.any():
        return grid
    values = np.where(known, grid, 0.0)
    filled = np.where(known, grid, np.nan)
    for reach in (1.0, 3.0):
        along, around = _kernels(grid, reach)
        weight = along @ known @ around
        estimate = (along @ values @ around) / np.maximum(weight, 1e-12)
        filled = np.where(np.isfinite(filled) | (weight < 0.02), filled, estimate)
    return np.where(np.isfinite(filled), filled, grid[known].mean())


def _blur(grid: Floats) -> Floats:
    along, around = _kernels(grid, 0.6)
    along = along / along.sum(axis=1, keepdims=True)
    return np.asarray(along @ grid @ (around / around.sum(axis=0, keepdims=True)))


def _kernels(grid: Floats, reach: float) -> tuple[Floats, Floats]:
    """Gaussian weights between rings ``(R, R)`` and, going around, between segments ``(S, S)``."""
    rings, segments = grid.shape
    along = np.abs(np.subtract.outer(np.arange(rings), np.arange(rings)))
    around = np.abs(np.subtract.outer(np.arange(segments), np.arange(segments)))
    around = np.minimum(around, segments - around)
    return np.exp(-0.5 * (along / reach) ** 2), np.exp(-0.5 * (around / reach) ** 2)
