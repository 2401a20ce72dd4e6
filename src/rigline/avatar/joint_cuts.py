"""Where a body is cut into its parts: one part for every vertex, and a flat cut at every joint.

Skin weights say where one part's influence gives way to the next one's, which is a smooth line
around the joint. A cut is made flat where that line nearly is: it then closes with a flat lid, and
its two sides part without a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PARENT, Part
from rigline.avatar.cage_kernel import LIMB_ROOTS
from rigline.avatar.mesh import Bools, Floats, Ints, components, unique_edges, vertex_areas
from rigline.avatar.skinning import bone_direction
from rigline.avatar.solid import SolidBody

FLAT_SHARE: Final = 0.6
"""A line is made flat if it keeps within so many of its own radii of its plane."""

HINGES: Final = frozenset(
    (
        Part.LEFT_LOWER_ARM, Part.LEFT_HAND, Part.RIGHT_LOWER_ARM, Part.RIGHT_HAND,
        Part.LEFT_LOWER_LEG, Part.LEFT_FOOT, Part.RIGHT_LOWER_LEG, Part.RIGHT_FOOT,
    )
)  # fmt: skip
"""Joints that a cut goes across, more or less; elsewhere it may lean as the labels do."""

HINGE_LEAN: Final = 0.6
"""At a hinge the cut's normal is at least so much the bone's own direction (a cosine of 53°)."""

MIN_BAND: Final = 0.004
STRAY_SHARE: Final = 0.4
"""A patch with less of a part's area than this goes to the part around it."""

LINK_SHARE: Final = 0.05
"""A patch that joins its part's parent to its child is the part itself, if no smaller than this
share of the largest: the chest stays where it is however large the cape."""

MOST_MOVED: Final = 2.0
"""A flat cut takes from the neighbour no more than so many times the disc that it spans."""

LEAP_WEIGHT: Final = 0.02
ROUNDS: Final = 4


@dataclass(frozen=True, eq=False)
class JointCuts:
    """``part (V,)`` of each vertex, and the height of each vertex above the cut of each joint.

    ``height (V, 15)`` is positive on the side of the joint's own part and NaN where the joint has
    no flat cut, or where the vertex is too far from it to be cut.
    """

    part: Ints
    height: Floats


def joint_cuts(body: SolidBody, joints: Floats) -> JointCuts:
    """Parts of the vertices of a solid body, and flat cuts at ``joints (15, 3)``.

    A part that no vertex follows takes what lies beyond its joint, if anything does.
    """
    edges = unique_edges(body.faces)
    area = vertex_areas(body.vertices, body.faces)
    part = _along_limbs(body.vertices, body.weights, joints)
    part = _with_missing(body.vertices, part, joints)
    part = _without_strays(edges, part, area)
    height = np.full((len(part), N_PARTS), np.nan)
    for child in range(N_PARTS):
        if PARENT[child] >= 0:
            part = _flattened(child, body.vertices, edges, area, part, joints, height)
    return JointCuts(_without_strays(edges, part, area), height)


def _along_limbs(vertices: Floats, weights: Floats, joints: Floats) -> Ints:
    """The part that leads at each vertex; between the first and the last part of a limb, where a
    coarse triangle leaps over the middle one, the part that the joints say."""
    part = np.asarray(weights.argmax(axis=1))
    for first in LIMB_ROOTS:
        middle, last = first + 1, first + 2
        leap = np.minimum(weights[:, first], weights[:, last]) > np.maximum(
            weights[:, middle], LEAP_WEIGHT
        )
        beyond = [(vertices - joints[p]) @ bone_direction(joints, p) > 0 for p in (middle, last)]
        told = np.where(beyond[1], last, np.where(beyond[0], middle, first))
        part = np.where(leap, told, part)
    return part


def _with_missing(vertices: Floats, part: Ints, joints: Floats) -> Ints:
    """A part without vertices takes those of its parent that lie beyond its joint."""
    part = part.copy()
    for missing in np.setdiff1d(np.arange(N_PARTS), part):
        parent = PARENT[missing]
        if parent < 0:
            continue
        beyond = (vertices - joints[missing]) @ bone_direction(joints, int(missing)) > 0
        part[beyond & (part == parent)] = missing
    return part


def _flattened(
    child: int,
    vertices: Floats,
    edges: Ints,
    area: Floats,
    part: Ints,
    joints: Floats,
    height: Floats,
) -> Ints:
    """The parts with the line between ``child`` and its parent made flat, if it nearly is.

    Fills in the joint's column of ``height``. The plane is the line's own, or that across the bone
    where the line's own would take a slice of the neighbour along.
    """
    parent = PARENT[child]
    ends = part[edges]
    crossing = edges[((ends == child) | (ends == parent)).all(axis=1) & (ends[:, 0] != ends[:, 1])]
    if len(crossing) < 3:
        return part
    middles = vertices[crossing].mean(axis=1)
    centre = middles.mean(axis=0)
    radius = float(np.linalg.norm(middles - centre, axis=1).mean())
    outward = (vertices[crossing[part[crossing] == child]] - centre).mean(axis=0)
    for normal in _normals(child, middles, joints):
        if outward @ normal < 0:
            normal = -normal
        off = np.abs((middles - centre) @ normal)
        if float(np.quantile(off, 0.9)) > FLAT_SHARE * radius:
            continue
        reach = np.abs(np.ptp(vertices[crossing] @ normal, axis=1)).max()
        band = max(float(off.max()) + float(reach), MIN_BAND)
        level = (vertices - centre) @ normal
        near = np.abs(level) <= band
        near &= np.linalg.norm(vertices - centre, axis=1) <= 2.5 * radius + band
        ours = near & ((part == child) | (part == parent))
        found = np.where(ours, np.where(level > 0, child, parent), part)
        if area[found != part].sum() <= MOST_MOVED * np.pi * radius**2:
            height[ours, child] = level[ours]
            return found
    return part


def _normals(child: int, points: Floats, joints: Floats) -> list[Floats]:
    """Normals of planes to cut in, best first: that which fits a line's points, and the bone's own
    direction; at a hinge the former only if it is not too far from the latter."""
    _, spread, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    normal = axes[2]
    along = bone_direction(joints, child)
    if normal @ along < 0:
        normal = -normal
    if spread[1] < 1e-9 or (child in HINGES and normal @ along < HINGE_LEAN):
        return [along]
    return [normal, along]


def _without_strays(edges: Ints, part: Ints, area: Floats) -> Ints:
    """Small patches that border on other parts go to the part that most of their border touches."""
    part = part.copy()
    both = np.concatenate([edges, edges[:, ::-1]])
    for _ in range(ROUNDS):
        same = edges[part[edges[:, 0]] == part[edges[:, 1]]]
        count, patch = components(len(part), same)
        size = np.bincount(patch, area, count)
        owner = np.zeros(count, np.int64)
        owner[patch] = part
        largest = np.zeros(N_PARTS)
        np.maximum.at(largest, owner, size)
        link = _links(count, patch, owner, edges) & (size >= LINK_SHARE * largest[owner])
        small = ((size < STRAY_SHARE * largest[owner]) & ~link)[patch]
        out = both[small[both[:, 0]] & (part[both[:, 0]] != part[both[:, 1]])]
        if not len(out):
            break
        votes = np.zeros((count, N_PARTS))
        np.add.at(votes, (patch[out[:, 0]], part[out[:, 1]]), 1.0)
        taken = small & (votes[patch].max(axis=1) > 0)
        part = np.where(taken, votes[patch].argmax(axis=1), part)
    return part


def _links(count: int, patch: Ints, owner: Ints, edges: Ints) -> Bools:
    """``(count,)`` the patches that border on their part's parent and on a child of it; of the
    root, on the chest and on a leg."""
    both = patch[np.concatenate([edges, edges[:, ::-1]])]
    inner, outer = both[both[:, 0] != both[:, 1]].T
    own, beside = owner[inner], owner[outer]
    parent = np.array(PARENT)
    parent[Part.LOWER_TORSO] = Part.UPPER_TORSO
    above, below = np.zeros(count, bool), np.zeros(count, bool)
    above[inner[parent[own] == beside]] = True
    below[inner[(np.array(PARENT)[beside] == own) & (parent[own] != beside)]] = True
    return above & below
