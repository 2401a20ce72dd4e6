"""The rig that came with the file: what it says of the stance, and what of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from rigline.avatar.body import N_PARTS, SIDE, Part
from rigline.avatar.canonical import TURNS, CanonicalMesh
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.posing import torn_share
from rigline.avatar.rig_names import MappedRig, convention_of, map_rig
from rigline.avatar.rig_reuse import AdoptedWeights, adopt_rig, adopt_weights, is_own_skeleton
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.engine.stage import StageContext
from rigline.formats.source_rig import SourceRig

State = Literal["none", "off", "kept", "refused"]

RIG_PRIOR: Final = 3.0
"""Log-odds of the stance that the bones' names say: more than any wrong vote has led by, and less
than what the views say of a body whose bones are named the wrong way round."""


MOST_TORN: Final = 0.005
"""The file's weights may tear so much more of the edges than ours would, in the test poses."""


@dataclass(frozen=True, eq=False)
class KeptJoints:
    """The skeleton to go on with; what became of the file's own joints, and messages on it."""

    skeleton: Skeleton
    state: State
    messages: tuple[str, ...] = ()
    gaps: Floats = field(default_factory=lambda: np.full(N_PARTS, np.nan))
    """``(15,)`` how far each kept joint is from the predicted one; NaN where none was kept."""

    def expected_error(self, models_own: Floats) -> Floats:
        """``(15,)`` the expected error of each joint, in heights, from the model's own estimates.

        A kept joint was placed by whoever made the file, so the model's doubts about its own answer
        are not about it. What speaks against it is the part of its distance from the model's answer
        that the model's own error does not explain.
        """
        kept = np.isfinite(self.gaps)
        return np.where(kept, np.maximum(np.where(kept, self.gaps, 0) - models_own, 0), models_own)


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """The file's own weights, or None; what became of them, and messages on it."""

    weights: SkinWeights | None
    state: State
    messages: tuple[str, ...] = ()


def reuses_rig(ctx: StageContext) -> bool:
    """Whether the file's own rig may be kept; it may unless the parameter says otherwise."""
    return bool(ctx.params.get("reuse_rig", True))


def rig_orientation_prior(rig: SourceRig | None) -> Floats | None:
    """Log prior over ``TURNS`` from the bones' names; None where they do not say."""
    if rig is None:
        return None
    joints = map_rig(rig.names, rig.parents, rig.positions, rig.roles).joints
    up = joints[Part.HEAD] - joints[Part.LOWER_TORSO]
    pairs = joints[SIDE > 0] - joints[SIDE < 0]
    pairs = pairs[np.isfinite(pairs[:, 0])]
    if not np.isfinite(up).all() or len(pairs) < 3:
        return None
    left = pairs.mean(axis=0)
    lengths = np.linalg.norm(up), np.linalg.norm(left)
    if min(lengths) <= 1e-9 or abs(up @ left) > 0.5 * lengths[0] * lengths[1]:
        return None
    fits = ((TURNS @ up)[:, 1] > 0.7 * lengths[0]) & ((TURNS @ left)[:, 0] > 0.7 * lengths[1])
    return RIG_PRIOR * fits.astype(np.float64)


def keep_joints(
    rig: SourceRig | None, body: CanonicalMesh, predicted: Skeleton, wanted: bool
) -> KeptJoints:
    """The file's joints where they are plausible against the predicted ones, else those."""
    if rig is None or not wanted:
        return KeptJoints(predicted, "none" if rig is None else "off")
    adopted = adopt_rig(_mapped(rig, body), predicted)
    named = f"The file's own rig ({convention_of(rig.names, rig.roles)}, {len(rig.names)} bones)"
    done = "was kept" if adopted.kept else "was not kept, the joints are predicted"
    message = f"{named} {done}: {adopted.reason}."
    if not adopted.kept:
        return KeptJoints(adopted.skeleton, "refused", (message,))
    gaps = np.linalg.norm(adopted.skeleton.joints - predicted.joints, axis=1)
    return KeptJoints(adopted.skeleton, "kept", (message,), np.where(gaps > 0, gaps, np.nan))


def keep_weights(
    rig: SourceRig | None,
    body: CanonicalMesh,
    skeleton: Skeleton,
    part: Ints,
    wanted: bool,
    anew: Callable[[], SkinWeights],
) -> KeptWeights:
    """The file's weights, if its joints were kept and no one has moved them since.

    ``anew`` makes the weights that would take their place: those that tear the body where these
    would not are refused, however well they agree with the labels.
    """
    if rig is None or not wanted:
        return KeptWeights(None, "none" if rig is None else "off")
    mapped = _mapped(rig, body)
    if not is_own_skeleton(mapped, skeleton):
        return KeptWeights(None, "refused")
    adopted = adopt_weights(
        mapped, rig.joints.astype(np.int64), rig.weights.astype(np.float64), body.vertices,
        body.faces, part,
    )  # fmt: skip
    if adopted.weights is not None:
        tears = _tears(body, skeleton, adopted.weights)
        if tears > MOST_TORN and tears > _tears(body, skeleton, anew()) + MOST_TORN:
            adopted = AdoptedWeights(None, f"bent, they tear {tears:.1%} of the edges")
    done = "were kept" if adopted.weights else "were made anew"
    message = f"The weights of the file's own rig {done}: {adopted.reason}."
    return KeptWeights(adopted.weights, "kept" if adopted.weights else "refused", (message,))


def _tears(body: CanonicalMesh, skeleton: Skeleton, weights: SkinWeights) -> float:
    return torn_share(body.vertices, body.faces, weights.dense(), skeleton.joints)


def _mapped(rig: SourceRig, body: CanonicalMesh) -> MappedRig:
    """The rig in R15 terms and in the canonical frame."""
    turn = body.canonical_from_asset
    return map_rig(rig.names, rig.parents, rig.positions @ turn[:3, :3].T + turn[:3, 3], rig.roles)
