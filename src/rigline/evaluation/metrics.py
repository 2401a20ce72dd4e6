"""Metrics of a rig against truth.

Joint errors and deformation are in % of the body's height, segmentation in %, weight distances the
L1 distance of 15-part weight vectors, 0 to 2. Vertices are matched by position, so their order does
not matter; of coincident vertices the one that fits best counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import JOINT_NAMES, N_PARTS, PART_NAMES, SWAP, Part
from rigline.avatar.mesh import Bools, Floats, Ints, vertex_areas
from rigline.avatar.posing import evaluation_poses, pose
from rigline.errors import InvalidInput
from rigline.evaluation.rigs import Rig, Truth

METRICS: Final = (
    "joint_mean", "joint_mean_limb", "joint_median", "joint_max", "pck2.5", "pck5",
    "seg_acc_vertex", "seg_acc_area", "seg_miou", "weight_l1", "weight_l1_area",
    "deform_mean", "deform_mean_moved",
)  # fmt: skip

MISSING_JOINT_ERROR: Final = 100.0
ALIGNED_WITHIN: Final = 0.01
COINCIDENT: Final = 1e-5
MAX_COINCIDENT: Final = 8
LIMBS: Final = np.arange(3, N_PARTS)

Scores = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Matched:
    """A prediction on truth's own vertices: ``match (N, k)`` candidates, and merging parts done."""

    match: Ints
    true_part: Ints
    part: Ints
    true_weights: Floats
    weights: Floats


def score_rig(truth: Truth, prediction: Rig, align: bool = True) -> Scores:
    """All scores of one character.

    With ``align``, a prediction whose bounding box is off by more than 1 % of the height is scaled
    by height and centred first. A joint that truth has and the prediction lacks counts as 100.
    Raises ``InvalidInput`` when a score is not finite.
    """
    vertices = truth.rig.vertices
    height = float(np.ptp(vertices[:, 1]))
    placed, joints, aligned = prediction.vertices, prediction.joints, False
    if align:
        placed, joints, aligned = _aligned(vertices, placed, joints, height)
    valid = prediction.joint_valid & np.isfinite(joints).all(axis=1)
    match, distance = _match(vertices, placed, height)
    area = vertex_areas(vertices, truth.faces)
    area = area / area.sum()
    fit = _fit(truth, prediction, match)
    l1 = np.abs(fit.true_weights - fit.weights).sum(axis=1)
    scores: Scores = {
        "aligned": aligned,
        "match_max": 100 * float(distance.max()) / height,
        "match_mean": 100 * float(distance.mean()) / height,
        **_segmentation(fit.true_part, fit.part, area),
        "weight_l1": float(l1.mean()),
        "weight_l1_area": float((l1 * area).sum()),
        **_joints(truth, joints, valid, height),
    }
    if not np.isnan(truth.waist_alt[0]) and valid[Part.UPPER_TORSO]:
        offset = joints[Part.UPPER_TORSO] - truth.waist_alt
        scores["waist_alt_err"] = 100 * float(np.linalg.norm(offset)) / height
    scores |= _swap(truth, prediction, fit, joints, valid, area, height, scores["seg_acc_area"])
    scores |= _deformation(truth, fit, joints, valid, area, height)
    bad = [k for k in METRICS if scores[k] is not None and not np.isfinite(scores[k])]
    if bad:
        raise InvalidInput(f"The scores {', '.join(bad)} are not finite.")
    return scores


def _aligned(
    truth: Floats, vertices: Floats, joints: Floats, height: float
) -> tuple[Floats, Floats, bool]:
    low, high = truth.min(axis=0), truth.max(axis=0)
    own_low, own_high = vertices.min(axis=0), vertices.max(axis=0)
    off = max(np.abs(low - own_low).max(), np.abs(high - own_high).max())
    if off <= ALIGNED_WITHIN * height:
        return vertices, joints, False
    scale = height / max(1e-12, float(np.ptp(vertices[:, 1])))
    shift = (low + high) / 2 - scale * (own_low + own_high) / 2
    return vertices * scale + shift, joints * scale + shift, True


def _match(truth: Floats, vertices: Floats, height: float) -> tuple[Ints, Floats]:
    """Candidates ``(N, k)`` for each vertex of truth, and the distance ``(N,)`` to the nearest."""
    n = len(truth)
    if len(vertices) == n and np.abs(vertices - truth).max() < 1e-4 * height:
        return np.arange(n)[:, None], np.zeros(n)
    found = cKDTree(vertices).query(truth, k=min(MAX_COINCIDENT, len(vertices)))
    distance, index = np.reshape(found[0], (n, -1)), np.reshape(found[1], (n, -1))
    close = distance <= distance[:, :1] + COINCIDENT * height
    return np.where(close, index, index[:, :1]), distance[:, 0]


def _fit(truth: Truth, prediction: Rig, match: Ints) -> _Matched:
    merge = truth.merge
    true_part = merge[truth.rig.part]
    candidates = merge[prediction.part][match]
    fits = (candidates == true_part[:, None]).any(axis=1)
    collapse = np.zeros((N_PARTS, N_PARTS))
    collapse[np.arange(N_PARTS), merge] = 1
    true_weights = truth.rig.weights @ collapse
    weights = prediction.weights[match] @ collapse
    best = np.abs(weights - true_weights[:, None]).sum(axis=2).argmin(axis=1)
    return _Matched(
        match,
        true_part,
        np.where(fits, true_part, candidates[:, 0]),
        true_weights,
        weights[np.arange(len(weights)), best],
    )


def _segmentation(true_part: Ints, part: Ints, area: Floats) -> Scores:
    iou = {}
    for p in range(N_PARTS):
        if (true_part == p).any():
            union = area[(true_part == p) | (part == p)].sum()
            both = area[(true_part == p) & (part == p)].sum()
            iou[PART_NAMES[p]] = float(100 * both / union) if union > 0 else float("nan")
    return {
        "seg_acc_vertex": 100 * float(np.mean(part == true_part)),
        "seg_acc_area": 100 * float(area[part == true_part].sum()),
        "seg_miou": float(np.nanmean(list(iou.values()))),
        "iou": iou,
    }


def _joints(truth: Truth, joints: Floats, valid: Bools, height: float) -> Scores:
    wanted = truth.rig.joint_valid
    error = 100 * np.linalg.norm(joints - truth.rig.joints, axis=1) / height
    charged = np.where(valid, error, MISSING_JOINT_ERROR)
    scored, limbs = charged[wanted], LIMBS[wanted[LIMBS]]
    return {
        "joint_missing": [JOINT_NAMES[p] for p in np.flatnonzero(wanted & ~valid)],
        "joint_mean": float(scored.mean()),
        "joint_median": float(np.median(scored)),
        "joint_max": float(scored.max()),
        "joint_mean_limb": float(charged[limbs].mean()) if len(limbs) else None,
        "pck2.5": 100 * float(np.mean(scored <= 2.5)),
        "pck5": 100 * float(np.mean(scored <= 5)),
        "joint_err": {JOINT_NAMES[p]: float(error[p]) for p in np.flatnonzero(wanted & valid)},
    }


def _swap(
    truth: Truth, prediction: Rig, fit: _Matched, joints: Floats, valid: Bools, area: Floats,
    height: float, accuracy: float,
) -> Scores:  # fmt: skip
    """Whether exchanging left and right would make the parts or the limb joints fit better."""
    candidates = truth.merge[SWAP[prediction.part]][fit.match]
    swapped_accuracy = 100 * float(area[(candidates == fit.true_part[:, None]).any(axis=1)].sum())
    error = 100 * np.linalg.norm(joints - truth.rig.joints, axis=1) / height
    swapped = 100 * np.linalg.norm(joints[SWAP] - truth.rig.joints, axis=1) / height
    limbs = LIMBS[truth.rig.joint_valid[LIMBS] & valid[LIMBS] & valid[SWAP[LIMBS]]]
    joints_swapped = len(limbs) > 0 and swapped[limbs].mean() < error[limbs].mean() - 2
    return {
        "seg_acc_area_if_swapped": swapped_accuracy,
        "lr_swapped": bool(swapped_accuracy > accuracy + 5 or joints_swapped),
    }


def _deformation(
    truth: Truth, fit: _Matched, joints: Floats, valid: Bools, area: Floats, height: float
) -> Scores:
    """Distance between truth's mesh under the true and under the predicted rig, in six poses."""
    vertices, true_joints = truth.rig.vertices, truth.rig.joints
    weights = fit.weights / fit.weights.sum(axis=1, keepdims=True)
    by_pose: dict[str, Scores | None] = {}
    for name, turns in evaluation_poses(true_joints, truth.rig.joint_valid).items():
        if not all(valid[p] for p in turns):
            by_pose[name] = None
            continue
        wanted = pose(vertices, fit.true_weights, true_joints, turns)
        found = pose(vertices, weights, joints, turns)
        gap = 100 * np.linalg.norm(wanted - found, axis=1) / height
        far = 0.01 * height
        moved = np.linalg.norm(wanted - vertices, axis=1) > far
        moved |= np.linalg.norm(found - vertices, axis=1) > far
        by_pose[name] = {
            "mean": float((gap * area).sum()),
            "mean_moved": float((gap * area)[moved].sum() / max(1e-12, area[moved].sum())),
            "max": float(gap.max()),
        }
    done = [scores for scores in by_pose.values() if scores is not None]
    return {
        "deform": by_pose,
        "deform_mean": float(np.mean([s["mean"] for s in done])) if done else None,
        "deform_mean_moved": float(np.mean([s["mean_moved"] for s in done])) if done else None,
    }
