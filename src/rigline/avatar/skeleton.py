"""The fifteen joints of a body, from what several views of the model say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, SWAP
from rigline.avatar.mesh import Floats
from rigline.avatar.symmetry import Symmetry, mirrored

LOG_SCALE_RANGE: Final = (-9.0, 0.0)
"""Expected errors below a hair's breadth or above the whole height mean nothing."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """``joints (15, 3)`` float64 in the canonical frame; joint i is the pivot of part i.

    ``found_joints (15, 3)`` are the joints before anybody moved one: the skin measures by them how
    far a part's boundary is to be carried.
    """

    joints: Floats
    found_joints: Floats

    def with_joint(self, part: int, position: Floats) -> Skeleton:
        """The skeleton with the joint of ``part`` at ``position (3,)``; the found ones stay."""
        joints = self.joints.copy()
        joints[part] = position
        return Skeleton(joints, self.found_joints)


@dataclass(frozen=True, eq=False)
class JointOpinions:
    """What the views say, put right for mirroring: lengths in shares of height.

    ``joints (s, 15, 3)``, ``log_scale (s, 15)`` the error the model expects, as a logarithm,
    ``dispersion (s, 15)`` how far apart the votes of patches and networks are.
    """

    joints: Floats
    log_scale: Floats
    dispersion: Floats


def join_opinions(opinions: JointOpinions, symmetry: Symmetry | None = None) -> Skeleton:
    """The mean over the views, and over both sides of a symmetric body."""
    mean = opinions.joints.mean(axis=0)
    if symmetry:
        mean = symmetry.even_joints(mean)
    return Skeleton(mean, mean)


def joint_evidence(opinions: JointOpinions) -> dict[str, Floats]:
    """Evidence per joint, each ``(15,)`` in shares of height.

    ``expected_error`` is the model's learned scale, ``vote_dispersion`` that of the patches,
    ``view_disagreement`` the largest distance of a view from the mean, ``mirror_disagreement``
    between the means of plain and mirrored views (views alternate), ``symmetry_residual`` how far
    the joint is from the mirror image of its counterpart, after the best sagittal plane x = const.
    """
    mean = opinions.joints.mean(axis=0)
    plain, flipped = opinions.joints[0::2], opinions.joints[1::2]
    mirror = (
        np.linalg.norm(plain.mean(axis=0) - flipped.mean(axis=0), axis=1)
        if len(flipped)
        else np.zeros(N_PARTS)
    )
    middle = 0.5 * (mean[:, 0] + mean[SWAP, 0])
    reflected = mirrored(mean[SWAP], float(np.median(middle)))
    return {
        "expected_error": np.exp(np.clip(opinions.log_scale.mean(axis=0), *LOG_SCALE_RANGE)),
        "vote_dispersion": opinions.dispersion.mean(axis=0),
        "view_disagreement": np.linalg.norm(opinions.joints - mean, axis=2).max(axis=0),
        "mirror_disagreement": mirror,
        "symmetry_residual": np.linalg.norm(mean - reflected, axis=1),
    }
