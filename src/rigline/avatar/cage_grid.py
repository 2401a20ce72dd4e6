"""Radii of the body's outer surface over a part's grid of rings and segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import MIRROR, SIDE, Part
from rigline.avatar.cage_template import RINGS, SEGMENTS
from rigline.avatar.cage_tube import Tube
from rigline.avatar.mesh import Bools, Floats

INFLATION: Final = 0.006
"""How far outside the surface the cage lies, as a share of the body's height."""

MIN_SAMPLES: Final = 12
TIE: Final = 1e-4
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
        within = (t > self.levels.min() - TIE) & (t < self.levels.max() + TIE)
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
    if part == Part.HEAD:
        even = np.linspace(0.0, 1.0, rings if tube.low == 0 else rings - 1)
        spread = 0.5 * even + 0.25 - 0.25 * np.cos(np.pi * even)
        if tube.low == 0:
            levels = (1 + pad) * spread
            return levels, _windows(levels)
        low = tube.low - pad
        levels = low + (1 + pad - low) * spread
        collar = [-neck, neck, -2 * neck, 2 * neck]
        return np.append(0.0, levels), np.vstack([collar, _windows(levels)])
    if part == Part.UPPER_TORSO:
        levels = np.linspace(0.0, tube.high + pad, rings - 1)
        collar = [1 - neck, 1 + neck, 1 - 2 * neck, 1 + 2 * neck]
        return np.append(levels, 1.0), np.vstack([_windows(levels), collar])
    low, high = tube.low, 1.0
    if part in (Part.LOWER_TORSO, Part.LEFT_UPPER_ARM, Part.LEFT_UPPER_LEG):
        low -= pad
    if part in (Part.LEFT_HAND, Part.LEFT_FOOT):
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
    inside &= mine | ((t > -TIE) & (t < 1.0 + TIE))
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
    in_hard = np.where(gap <= HARD_WINDOW + TIE, radius, -np.inf)
    taper = np.interp(gap, [HARD_WINDOW, SOFT_WINDOW], [1.0, SOFT_SHARE])
    in_soft = np.where(gap <= SOFT_WINDOW + TIE, taper * radius, -np.inf)
    hard = np.full((len(windows), segments), -np.inf)
    soft = hard.copy()
    # The first and the last window also take what lies beyond them.
    bounds = windows.copy()
    bounds[windows[:, 0].argmin(), [0, 2]] = -np.inf
    bounds[windows[:, 1].argmax(), [1, 3]] = np.inf
    for ring, (hard_from, hard_to, soft_from, soft_to) in enumerate(bounds):
        chosen = (t >= hard_from - TIE) & (t <= hard_to + TIE)
        hard[ring] = in_hard[:, chosen].max(axis=1, initial=-np.inf)
        chosen = (t >= soft_from - TIE) & (t <= soft_to + TIE)
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
