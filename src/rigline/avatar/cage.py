"""The outer cage: the fixed template of :mod:`cage_template`, laid around a body.

Each part is measured in its own tube (:mod:`cage_tube`): around every vertex of the grid the
outermost surface within a window of height and angle gives a radius. Windows without surface are
filled from their neighbours, the grid is smoothed without ever falling below what was measured,
inflated, and the rings in which two parts of a chain face each other are made one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import CHILD, MIRROR, N_PARTS, PARENT, PART_NAMES, SIDE, Part
from rigline.avatar.cage_grid import MIN_SAMPLES, PartGrid, measure
from rigline.avatar.cage_template import template
from rigline.avatar.cage_tube import limb_tube, raised_ankles, torso_tube, without_prop
from rigline.avatar.mesh import Floats, Ints, TriangleMesh
from rigline.avatar.surface_queries import (
    SurfaceSamples,
    lattice_samples,
    nearest_on_surface,
    share_inside,
)
from rigline.errors import InvalidInput

TORSO: Final = (Part.HEAD, Part.UPPER_TORSO, Part.LOWER_TORSO)
LIMB_ROOTS: Final = (
    Part.LEFT_UPPER_ARM,
    Part.RIGHT_UPPER_ARM,
    Part.LEFT_UPPER_LEG,
    Part.RIGHT_UPPER_LEG,
)
SAMPLE_PITCH: Final = 0.012
SAMPLE_BUDGET: Final = 24_000
MAX_DISTANCE: Final = 0.10
"""No vertex is left farther from the body; the published limit is 0.12 of a 5-stud body."""


@dataclass(frozen=True, eq=False)
class OuterCage:
    """``vertices (C, 3)`` float64 in the canonical frame; topology and UVs are the template's."""

    vertices: Floats

    def with_vertices(self, ids: Ints, positions: Floats) -> OuterCage:
        """The cage with vertices ``ids (k,)`` at ``positions (k, 3)``, the last of two on one.

        Vertices that are at the same place go together, as both copies of a seam do and the rings
        in which two parts meet; so no crack opens.
        """
        _, place = np.unique(self.vertices, axis=0, return_inverse=True)
        place = place.reshape(-1)
        last = np.full(int(place.max()) + 1, -1)
        np.maximum.at(last, place[ids], np.arange(len(ids)))
        chosen = last[place]  # (C,) which of the positions each vertex takes, or -1
        return OuterCage(np.where(chosen[:, None] >= 0, positions[chosen], self.vertices))


@dataclass(frozen=True, eq=False)
class _Surface:
    """Samples of the body and the part of each."""

    points: Floats
    part: Ints

    def of(self, *parts: int) -> Floats:
        return self.points[np.isin(self.part, parts)]


def fit_cage(vertices: Floats, faces: Ints, part: Ints, joints: Floats) -> OuterCage:
    """Lay the template around a body in the canonical frame.

    ``vertices (N, 3)``, ``faces (M, 3)`` any triangle soup, ``part (N,)`` in 0…14, ``joints (15,
    3)``. A part with little or no surface gets a small tube around its bone. Deterministic, always
    finite, and mirror-symmetric on a mirror-symmetric body: exactly if its triangles are mirrored
    too, otherwise but for where its surface is sampled, some 0.1 % of the height. Raises
    ``InvalidInput`` on wrong shapes or values that are not finite.
    """
    mesh = TriangleMesh(vertices, faces)
    if joints.shape != (N_PARTS, 3) or not np.isfinite(joints).all():
        raise InvalidInput("Fifteen finite joints are needed.", shape=joints.shape)
    if part.shape != (len(mesh.vertices),) or part.min() < 0 or part.max() >= N_PARTS:
        raise InvalidInput("Each vertex needs one of the fifteen parts.", shape=part.shape)
    samples = body_samples(mesh.vertices, mesh.faces, part)
    surface = _without_props(_Surface(samples.points, part[samples.corner]), joints)
    feet = {int(p): surface.of(p) for p in (Part.LEFT_FOOT, Part.RIGHT_FOOT)}
    joints = raised_ankles(joints, feet)
    torso = [_torso_grid(p, surface, joints) for p in TORSO]
    limbs = [_limb_grid(p, surface, joints, torso) for p in range(len(TORSO), N_PARTS)]
    rings = [_Rings.of(p, grid) for p, grid in enumerate(torso + limbs)]
    _join_facing_rings(rings)
    return OuterCage(_pull_near(_template_positions(rings), samples.points))


def body_samples(vertices: Floats, faces: Ints, part: Ints) -> SurfaceSamples:
    """Samples of a body of height 1, dense enough for the cage."""
    return lattice_samples(vertices, faces, SAMPLE_PITCH, SAMPLE_BUDGET, part)


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
    for hand in (Part.LEFT_HAND, Part.RIGHT_HAND):
        own, flip = np.flatnonzero(surface.part == hand), _flip(hand)
        wrist, elbow = joints[hand] * flip, joints[PARENT[hand]] * flip
        keep[own] = without_prop(surface.points[own] * flip, wrist, elbow)
    return _Surface(surface.points[keep], surface.part[keep])


def _torso_grid(part: int, surface: _Surface, joints: Floats) -> PartGrid:
    """Measure LowerTorso, UpperTorso or Head."""
    own = surface.of(part)
    torso = surface.of(Part.LOWER_TORSO, Part.UPPER_TORSO)
    thighs = surface.of(Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG)
    tube = torso_tube(part, own, torso, thighs, joints)
    if part == Part.LOWER_TORSO:
        others = np.concatenate([surface.of(Part.UPPER_TORSO), thighs])
    else:
        others = surface.of(PARENT[part])
    return measure(part, tube, own, others)


def _limb_grid(part: int, surface: _Surface, joints: Floats, torso: list[PartGrid]) -> PartGrid:
    """Measure a part of an arm or leg; a right one in mirrored space."""
    flip = _flip(part)
    left = MIRROR[part] if SIDE[part] < 0 else part
    first = part - (left - Part.LEFT_UPPER_ARM) % 3
    own = surface.of(part)
    outside = ~(torso[Part.UPPER_TORSO].encloses(own) | torso[Part.LOWER_TORSO].encloses(own))
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
        if part == Part.UPPER_TORSO:
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


def cage_evidence(cage: OuterCage, vertices: Floats, faces: Ints, part: Ints) -> dict[str, float]:
    """How well a cage fits, as shares of the body's height; poles, which close the tubes, left out.

    ``inside_share`` of the cage's vertices that the body encloses (generalized winding number),
    ``max_distance`` and ``mean_distance`` to the body's surface, ``bare_parts`` without surface to
    fit to, and ``mean_distance.<Part>``. Same arrays and frame as ``fit_cage``.
    """
    topology = template()
    samples = body_samples(vertices, faces, part)
    counted = np.flatnonzero(~topology.is_pole & (topology.twin == np.arange(len(topology.part))))
    points = cage.vertices[counted]
    nearest, _ = nearest_on_surface(points, vertices, faces, samples)
    distance = np.linalg.norm(points - nearest, axis=1)
    present = np.bincount(part[samples.corner], minlength=N_PARTS) >= MIN_SAMPLES
    evidence = {
        "inside_share": share_inside(points, vertices, faces),
        "max_distance": float(distance.max()),
        "mean_distance": float(distance.mean()),
        "bare_parts": float((~present).sum()),
    }
    for p, name in enumerate(PART_NAMES):
        evidence[f"mean_distance.{name}"] = float(distance[topology.part[counted] == p].mean())
    return evidence
