"""Whether the rig that a file came with is good enough to be kept, and what is kept of it.

The judge is the model's own opinion of the same body: a rig that stands where the model would have
put it, left on the left, is what its artist meant, and better than any prediction. Weights are kept
only together with the joints that they were painted for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES, SWAP, Part
from rigline.avatar.mesh import Floats, Ints, vertex_areas, weld
from rigline.avatar.rig_names import MappedRig
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import MAX_INFLUENCES, MIN_WEIGHT, SkinWeights

NEEDED: Final = (
    Part.HEAD, Part.LOWER_TORSO, Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.RIGHT_UPPER_ARM,
    Part.RIGHT_LOWER_ARM, Part.LEFT_UPPER_LEG, Part.LEFT_LOWER_LEG, Part.RIGHT_UPPER_LEG,
    Part.RIGHT_LOWER_LEG,
)  # fmt: skip
"""Without these a rig is no humanoid's; hands, feet and the waist can be filled in."""

CENTRAL: Final = (Part.HEAD, Part.UPPER_TORSO, Part.LOWER_TORSO)
"""Rigs disagree about these by much more than about limbs."""

MOST_MEAN_GAP: Final = 0.08
MOST_LIMB_GAP: Final = 0.15
MOST_CENTRAL_GAP: Final = 0.22
"""Distances from the model's joints, in heights. The model errs by 0.03 on average."""

MOST_ROOT_GAP: Final = 0.095
"""From LowerTorso to between the hips, in heights: just inside the rule skeleton.lower_torso."""

LEAST_BONE: Final = 0.01
"""A limb's bone that is shorter, in heights, is none."""

LEAST_AGREEMENT: Final = 0.7
MOST_BARE: Final = 0.02
SMALL_PART: Final = 0.005
"""Shares of the surface: that follows the part which the labels say, that has no weight at all, and
of a part that may lack a bone to move it."""


@dataclass(frozen=True, eq=False)
class AdoptedRig:
    """A skeleton, whether the file's own joints are in it, and why, for the report."""

    skeleton: Skeleton
    kept: bool
    reason: str


@dataclass(frozen=True, eq=False)
class AdoptedWeights:
    """The file's own weights by part, or None; and why, for the report."""

    weights: SkinWeights | None
    reason: str


def adopt_rig(mapped: MappedRig, predicted: Skeleton) -> AdoptedRig:
    """The file's joints where they are plausible, else the predicted ones.

    ``mapped`` is in the canonical frame. Parts without a bone keep the predicted joint.
    """
    reason = _objection(mapped.joints, predicted.joints)
    if reason:
        return AdoptedRig(predicted, False, reason)
    there = np.isfinite(mapped.joints[:, 0])
    joints = np.where(there[:, None], mapped.joints, predicted.joints)
    for part in _misplaced(joints):
        joints[part], there[part] = predicted.joints[part], False
    gap = float(np.linalg.norm(joints - predicted.joints, axis=1)[there].mean())
    missing = ", ".join(PART_NAMES[part] for part in np.flatnonzero(~there))
    filled = f"; predicted: {missing}" if missing else ""
    reason = f"{int(there.sum())} joints, {gap:.1%} of the height from the predicted ones{filled}"
    return AdoptedRig(Skeleton(joints, joints), True, reason)


def _misplaced(joints: Floats) -> list[Part]:
    """Joints of the trunk where no R15 body may have them; rigs of other schemas often do."""
    hips = joints[[Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG]].mean(axis=0)
    wrong = []
    if np.linalg.norm(joints[Part.LOWER_TORSO] - hips) > MOST_ROOT_GAP:
        wrong.append(Part.LOWER_TORSO)
    waist = joints[Part.UPPER_TORSO]
    neighbours = (joints[Part.LOWER_TORSO], joints[Part.HEAD])
    if min(float(np.linalg.norm(waist - other)) for other in neighbours) < LEAST_BONE:
        wrong.append(Part.UPPER_TORSO)
    return wrong


def _objection(joints: Floats, predicted: Floats) -> str:
    """Why the joints cannot be kept; empty where they can."""
    there = np.isfinite(joints[:, 0])
    lacking = [PART_NAMES[part] for part in NEEDED if not there[part]]
    if lacking:
        return f"no bone stands for {', '.join(lacking)}"
    for part in np.flatnonzero(there):
        above = PARENT[part]
        hangs_on = above >= 0 and part not in CENTRAL and there[above]
        if hangs_on and np.linalg.norm(joints[part] - joints[above]) < LEAST_BONE:
            return f"{PART_NAMES[part]} lies on top of {PART_NAMES[above]}"
    gaps = np.where(there, np.linalg.norm(joints - predicted, axis=1), 0.0)
    limbs = there.copy()
    limbs[list(CENTRAL)] = False
    crossed = np.linalg.norm(joints - predicted[SWAP], axis=1)
    if crossed[limbs].mean() < gaps[limbs].mean():
        return "its left is on the body's right"
    far = int(np.argmax(np.where(limbs, gaps, 0.0)))
    if gaps[far] > MOST_LIMB_GAP:
        return f"{PART_NAMES[far]} is {gaps[far]:.0%} of the height from where the model sees it"
    far = max(CENTRAL, key=lambda part: float(gaps[part]))
    if gaps[far] > MOST_CENTRAL_GAP:
        return f"{PART_NAMES[far]} is {gaps[far]:.0%} of the height from where the model sees it"
    if gaps[limbs].mean() > MOST_MEAN_GAP:
        return f"its joints are {gaps[limbs].mean():.0%} of the height from the model's on average"
    return ""


def is_own_skeleton(mapped: MappedRig, skeleton: Skeleton) -> bool:
    """Whether the limbs' joints are the file's own, and no joint has been moved since."""
    there = np.isfinite(mapped.joints[:, 0])
    there[list(CENTRAL)] = False
    limbs = np.allclose(mapped.joints[there], skeleton.joints[there], rtol=0, atol=1e-6)
    return bool(there.any() and limbs and np.array_equal(skeleton.joints, skeleton.found_joints))


def adopt_weights(
    mapped: MappedRig, bones: Ints, weights: Floats, vertices: Floats, faces: Ints, part: Ints
) -> AdoptedWeights:
    """The file's weights, by part, where they cover the body and agree with its labels.

    ``bones`` and ``weights (N, k)`` name bones by index; ``part (N,)`` are the labels.
    """
    by_part = _by_part(mapped, bones, weights)
    total = by_part.sum(axis=1)
    area = vertex_areas(vertices, faces)
    area = area / max(float(area.sum()), 1e-30)
    bare = total <= 1e-6
    if area[bare].sum() > MOST_BARE:
        return AdoptedWeights(None, f"{area[bare].sum():.0%} of the surface has no weight")
    heaviest = by_part.argmax(axis=1)
    for number, name in enumerate(PART_NAMES):
        wanted = area[part == number].sum()
        if wanted > SMALL_PART and not by_part[:, number].any():
            return AdoptedWeights(None, f"no weight moves {name}")
    agreement = float(area[(heaviest == part) & ~bare].sum())
    if agreement < LEAST_AGREEMENT:
        return AdoptedWeights(None, f"only {agreement:.0%} of the surface follows its own part")
    by_part[bare, part[bare]] = 1.0
    return AdoptedWeights(
        _top(_on_welded(by_part, vertices)), f"{agreement:.0%} of the surface follows its own part"
    )


def _by_part(mapped: MappedRig, bones: Ints, weights: Floats) -> Floats:
    """``(N, 15)``; what a bone above the body moves (a root, a prop's) counts for the hips."""
    part_of_bone = np.where(mapped.part_of_bone < 0, int(Part.LOWER_TORSO), mapped.part_of_bone)
    by_part = np.zeros((len(bones), N_PARTS))
    rows = np.arange(len(bones))
    for k in range(bones.shape[1]):
        np.add.at(by_part, (rows, part_of_bone[bones[:, k]]), weights[:, k])
    return by_part


def _on_welded(by_part: Floats, vertices: Floats) -> Floats:
    """Rows of vertices at one place become their mean, so that no seam tears."""
    first, inverse = weld(vertices)
    count = np.bincount(inverse, minlength=len(first))[:, None]
    total = np.zeros((len(first), N_PARTS))
    np.add.at(total, inverse, by_part)
    return np.asarray((total / count)[inverse])


def _top(by_part: Floats) -> SkinWeights:
    share = by_part / np.maximum(by_part.sum(axis=1, keepdims=True), 1e-12)
    order = np.argsort(-share, axis=1, kind="stable")[:, :MAX_INFLUENCES]
    kept = np.take_along_axis(share, order, axis=1)
    kept = np.where(kept >= MIN_WEIGHT, kept, 0.0)
    kept /= kept.sum(axis=1, keepdims=True)
    joints = np.where(kept > 0, order, 0).astype(np.uint8)
    return SkinWeights(joints, kept.astype(np.float32))
