"""Checks of the bones: names, hierarchy, places, transforms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from rigline.avatar.attachments import SITES
from rigline.avatar.body import N_PARTS, PART_NAMES, Part
from rigline.avatar.marketplace.results import (
    NOWHERE,
    Finding,
    Marks,
    at_most,
    at_points,
    none_of,
    not_applicable,
)
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.schema import (
    DETOURS,
    HUMANOID_ROOT,
    OPTIONAL_PARENTS,
    REQUIRED_PARENT,
    ROOT,
    SCHEMA,
)
from rigline.avatar.marketplace.subject import AvatarUnderTest

SITE_NAMES: Final = frozenset(site.name for site in SITES)
"""Nodes of an avatar that are no bones, and that no rule on bones forbids."""


def hierarchy(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Every required bone is there once, under its required one but for allowed detours."""
    wrong = []
    for name, above in REQUIRED_PARENT.items():
        count = body.joint_names.count(name)
        if count != 1:
            wrong.append(f"{name} ({count} times)")
        elif _required_above(body, name) != above:
            wrong.append(f"{name} (under {_required_above(body, name)})")
    for name, allowed in OPTIONAL_PARENTS.items():
        if name in body.joint_index and _above(body, name) not in allowed:
            wrong.append(f"{name} (under {_above(body, name)})")
    marks = _marks(body, [words.split(" ")[0] for words in wrong])
    return none_of(
        wrong, "the published hierarchy", "bones missing, doubled or out of place", marks
    )


def names(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """No bone bears a name outside the schema, and no name twice."""
    wrong = [name for name in body.joint_names if name not in SCHEMA and name not in SITE_NAMES]
    wrong += sorted({n for n in body.joint_names if body.joint_names.count(n) > 1})
    marks = _marks(body, wrong)
    return none_of(wrong, "names of the schema, each once", "bones with other names", marks)


def root_origin(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Root at the origin, and LowerTorso where HumanoidRootNode is."""
    needed = (ROOT, HUMANOID_ROOT, "LowerTorso")
    if not all(name in body.joint_index for name in needed):
        return not_applicable("Root, HumanoidRootNode or LowerTorso is missing.")
    root, humanoid, lower = (body.joint_positions[body.joint_index[name]] for name in needed)
    apart = (np.linalg.norm(root), np.linalg.norm(lower - humanoid))
    where = ROOT if apart[0] > apart[1] else "LowerTorso"
    limit = limit_of("skeleton.root_origin", "tolerance")
    share = float(max(apart)) / body.height
    return at_most(share, limit, "heights", "largest offset", where, _marks(body, [where]))


def lower_torso(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """LowerTorso's joint no farther above or below the hip joints than the limit."""
    hips = body.joints[[Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG]].mean(axis=0)
    offset = body.joints[Part.LOWER_TORSO] - hips
    if not np.isfinite(offset).all():
        return not_applicable("LowerTorso or a hip is missing.")
    limit = limit_of("skeleton.lower_torso", "distance")
    distance = float(np.linalg.norm(offset)) / body.height
    what, where = "distance from between the hips", "LowerTorso"
    return at_most(distance, limit, "heights", what, where, _marks(body, [where]))


def scale(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Scales of the joints, each axis."""
    if body.joint_scales is None or not len(body.joint_scales):
        return not_applicable("The joints' scales are not known.")
    off = np.abs(body.joint_scales - 1).max(axis=1)
    worst = int(off.argmax())
    limit = limit_of("skeleton.scale", "tolerance")
    marks = at_points(body.joint_positions[off > limit])
    return at_most(float(off[worst]), limit, "", "offset from 1", body.joint_names[worst], marks)


def axis_aligned(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Rotations of the joints against their parents."""
    if body.joint_rotations is None or not len(body.joint_rotations):
        return not_applicable("The joints' rotations are not known.")
    vector = np.linalg.norm(body.joint_rotations[:, :3], axis=1)
    angle = np.degrees(2 * np.arctan2(vector, np.abs(body.joint_rotations[:, 3])))
    worst = int(angle.argmax())
    limit = limit_of("skeleton.axis_aligned", "tolerance")
    where, marks = body.joint_names[worst], at_points(body.joint_positions[angle > limit])
    return at_most(float(angle[worst]), limit, "degrees", "rotation", where, marks)


def bone_in_part(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """How far the worst joint lies outside its part's bounding box."""
    outside = {}
    for part in range(N_PARTS):
        own, joint = body.of_part(part), body.joints[part]
        if len(own) and np.isfinite(joint).all():
            gap = np.maximum(own.min(axis=0) - joint, joint - own.max(axis=0))
            outside[PART_NAMES[part]] = float(np.linalg.norm(np.maximum(gap, 0))) / body.height
    if not outside:
        return not_applicable("No part has both vertices and a joint.")
    where = max(outside, key=lambda name: outside[name])
    limit = limit_of("skeleton.bone_in_part", "distance")
    what = "largest distance from the part's box"
    return at_most(outside[where], limit, "heights", what, where, _marks(body, [where]))


def bone_on_parent(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Distance of each bone from its parent; LowerTorso belongs on HumanoidRootNode."""
    near = []
    limit = limit_of("skeleton.bone_on_parent", "distance")
    for i, parent in enumerate(body.joint_parents):
        if parent < 0 or body.joint_names[i] in (HUMANOID_ROOT, "LowerTorso"):
            continue
        gap = body.joint_positions[i] - body.joint_positions[parent]
        if not np.linalg.norm(gap) > limit * body.height:
            near.append(body.joint_names[i])
    what = "bones on top of their parent"
    return none_of(near, f"> {limit:g} heights apart", what, _marks(body, near))


def _marks(body: AvatarUnderTest, names: Iterable[str]) -> Marks:
    """Marks on the bones that are there."""
    rows = [body.joint_index[name] for name in names if name in body.joint_index]
    return at_points(body.joint_positions[rows]) if rows else NOWHERE


def _above(body: AvatarUnderTest, name: str) -> str | None:
    parent = body.joint_parents[body.joint_index[name]]
    return body.joint_names[parent] if parent >= 0 else None


def _required_above(body: AvatarUnderTest, name: str) -> str | None:
    """The bone above, past the optional ones that may come between; bounded against cycles."""
    above = _above(body, name)
    for _ in DETOURS:
        if above not in DETOURS:
            break
        above = _above(body, above) if above else None
    return above


CHECKS: Final = {
    "skeleton.hierarchy": hierarchy,
    "skeleton.names": names,
    "skeleton.root_origin": root_origin,
    "skeleton.lower_torso": lower_torso,
    "skeleton.scale": scale,
    "skeleton.axis_aligned": axis_aligned,
    "skeleton.bone_in_part": bone_in_part,
    "skeleton.bone_on_parent": bone_on_parent,
}
