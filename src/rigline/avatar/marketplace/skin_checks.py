"""Checks of the skin weights."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import MIRROR, N_PARTS, PART_NAMES
from rigline.avatar.marketplace.results import (
    Finding,
    Marks,
    at_most,
    at_points,
    not_applicable,
)
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.schema import REQUIRED_PARENT, ROOT, SCHEMA
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.mesh import Bools, Floats

SYMMETRIC_TOLERANCE: Final = 2e-3
SYMMETRIC_SHARE: Final = 0.95
"""A body is symmetric if so many vertices have a mirror image within so many heights."""


def count(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Rows of weights against vertices."""
    vertices = len(body.vertices)
    rows = len(body.weights) if body.weight_rows is None else body.weight_rows
    return Finding(rows == vertices, float(rows), f"{vertices}", f"{rows} rows of weights")


def influences(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The most weights above zero at one vertex."""
    counts = (body.weights > 0).sum(axis=1)
    most = int(counts.max(initial=0))
    where = f"vertex {int(counts.argmax())}" if len(counts) else ""
    limit = limit_of("skin.influences", "most")
    return at_most(most, limit, "influences", "most", where, _marks(body, counts > limit))


def normalised(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Sums of the weights of the vertices that have any; negative weights count as an offset."""
    total = body.weights.sum(axis=1)
    off = np.where(total > 0, np.abs(total - 1), 0.0)
    off = np.maximum(off, np.abs(body.weights.min(axis=1, initial=0.0)))
    worst = float(off.max(initial=0.0))
    where = f"vertex {int(off.argmax())}" if len(off) else ""
    limit = limit_of("skin.normalised", "tolerance")
    return at_most(worst, limit, "", "offset from 1", where, _marks(body, off > limit))


def unweighted(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Vertices whose weights are all zero, or that have none."""
    bare = ~(body.weights.sum(axis=1) > 1e-6)
    missing = max(len(body.vertices) - len(body.weights), 0)
    number = int(bare.sum()) + missing
    where = f"vertex {int(bare.argmax())}" if bare.any() else ""
    limit, what = limit_of("skin.unweighted", "most"), "vertices without weight"
    return at_most(number, limit, "vertices", what, where, _marks(body, bare))


def schema_bones(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Influences of bones outside the schema."""
    foreign = np.array([name not in SCHEMA for name in body.joint_names], bool)
    if not len(body.joint_names):
        return not_applicable("The body has no bones.")
    return _influences_of(body, foreign, "skin.schema_bones", "influences of other bones")


def root(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Influences of Root."""
    is_root = np.array([name == ROOT for name in body.joint_names], bool)
    if not len(body.joint_names):
        return not_applicable("The body has no bones.")
    return _influences_of(body, is_root, "skin.root", "influences of Root")


def symmetric(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Mean difference between a vertex's weights and those of its mirror image, left for right."""
    if len(body.weights) != len(body.vertices):
        return not_applicable("Weights and vertices differ in number.")
    if not len(body.joint_names):
        return not_applicable("The body has no bones.")
    mirrored = body.vertices * (-1, 1, 1)
    found = cKDTree(body.vertices).query(mirrored)
    distance, twin = np.asarray(found[0]), np.asarray(found[1])
    matched = distance < SYMMETRIC_TOLERANCE * body.height
    if matched.mean() < SYMMETRIC_SHARE:
        return not_applicable("The body is not symmetric.")
    columns = part_weights(body)
    gap = np.abs(columns[matched] - columns[twin[matched]][:, list(MIRROR)]).sum(axis=1)
    limit = limit_of("skin.symmetric", "difference")
    lopsided = np.zeros(len(body.vertices), bool)
    lopsided[np.flatnonzero(matched)[gap > 1]] = True
    what = "mean difference of mirrored weights"
    return at_most(float(gap.mean()), limit, "", what, marks=_marks(body, lopsided))


def part_weights(body: AvatarUnderTest) -> Floats:
    """``(N, 15)`` weights summed per part; an optional bone counts for the part above it."""
    part_of = np.full(len(body.joint_names), -1)
    for i, name in enumerate(body.joint_names):
        above, steps = i, 0
        while above >= 0 and name not in REQUIRED_PARENT and steps < len(body.joint_names):
            above, steps = body.joint_parents[above], steps + 1
            name = body.joint_names[above] if above >= 0 else ""
        part_of[i] = PART_NAMES.index(name) if name in PART_NAMES else -1
    total = np.zeros((len(body.weights), N_PARTS))
    rows = np.repeat(np.arange(len(body.weights)), body.weights.shape[1])
    columns = part_of[body.weight_joints.ravel()]
    known = columns >= 0
    np.add.at(total, (rows[known], columns[known]), body.weights.ravel()[known])
    return total


def _influences_of(body: AvatarUnderTest, bones: Bools, rule: str, what: str) -> Finding:
    hit: Bools = bones[body.weight_joints] & (body.weights > 0)
    found = sorted({body.joint_names[j] for j in np.unique(body.weight_joints[hit])})
    unit = "vertices" if rule == "skin.root" else "influences"
    limit, where = limit_of(rule, "most"), ", ".join(found[:5])
    return at_most(
        int(hit.sum()), limit, unit, what, where, _marks(body, np.asarray(hit.any(axis=1)))
    )


def _marks(body: AvatarUnderTest, rows: Bools) -> Marks:
    """Marks on vertices spread over those that ``rows`` chooses."""
    chosen = np.flatnonzero(rows[: len(body.vertices)])
    spread = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), 8)).astype(np.int64)]
    return at_points(body.vertices[spread])


CHECKS: Final = {
    "skin.count": count,
    "skin.influences": influences,
    "skin.normalised": normalised,
    "skin.unweighted": unweighted,
    "skin.schema_bones": schema_bones,
    "skin.root": root,
    "skin.symmetric": symmetric,
}
