"""Checks of the pose and of the sizes in studs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from rigline.avatar.body import MIRROR, PARENT, SIDE, Part
from rigline.avatar.marketplace.results import Finding, at_most, not_applicable, on_parts
from rigline.avatar.marketplace.rules import RULE_BY_ID, SMALLEST, CheckSettings, limit_of
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.mesh import Floats

LEFT_ARM: Final = (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND)
RIGHT_ARM: Final = (Part.RIGHT_UPPER_ARM, Part.RIGHT_LOWER_ARM, Part.RIGHT_HAND)
LEFT_LEG: Final = (Part.LEFT_UPPER_LEG, Part.LEFT_LOWER_LEG, Part.LEFT_FOOT)
RIGHT_LEG: Final = (Part.RIGHT_UPPER_LEG, Part.RIGHT_LOWER_LEG, Part.RIGHT_FOOT)
TORSO: Final = (Part.UPPER_TORSO, Part.LOWER_TORSO)
LIMBS: Final = {
    "left arm": LEFT_ARM,
    "right arm": RIGHT_ARM,
    "left leg": LEFT_LEG,
    "right leg": RIGHT_LEG,
}
GROUPS: Final[dict[str, tuple[tuple[Part, ...], ...]]] = {
    "head": ((Part.HEAD,),),
    "arm": (LEFT_ARM, RIGHT_ARM),
    "torso": (TORSO,),
    "leg": (LEFT_LEG, RIGHT_LEG),
    "total": (tuple(Part),),
}
"""The groups of the size tables; the arm and the leg are judged on both sides."""

AXES: Final = ("X", "Y", "Z")


def facing(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Left joints to the +X of their right ones: an upright body then faces +Z."""
    left = np.flatnonzero(SIDE > 0)
    apart = body.joints[left, 0] - body.joints[np.array(MIRROR)[left], 0]
    apart = apart[np.isfinite(apart)]
    if not len(apart):
        return not_applicable("The body has no pair of joints.")
    measured = float(apart.mean()) / body.height
    message = f"left is {measured:.3f} heights to the +X of right"
    return Finding(measured > 0, measured, "> 0 heights", message, marks=on_parts(Part))


def upright(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The spine from the hips to the neck points up."""
    spine = body.joints[Part.HEAD] - body.joints[Part.LOWER_TORSO]
    length = float(np.linalg.norm(spine))
    if not np.isfinite(length) or length <= 1e-9:
        return not_applicable("Head or LowerTorso is missing.")
    angle = float(np.degrees(np.arccos(np.clip(spine[1] / length, -1, 1))))
    what, limit = "angle of the spine from +Y", limit_of("pose.upright", "most")
    return at_most(angle, limit, "degrees", what, marks=on_parts(TORSO))


def limbs(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The angle of each limb, first joint to last, out of the plane of X and Y."""
    angle = {}
    for name, chain in LIMBS.items():
        line = body.joints[chain[2]] - body.joints[chain[0]]
        length = float(np.linalg.norm(line))
        if np.isfinite(length) and length > 1e-9:
            angle[name] = float(np.degrees(np.arcsin(min(abs(line[2]) / length, 1.0))))
    if not angle:
        return not_applicable("No limb has both its joints.")
    worst = max(angle, key=lambda name: angle[name])
    limit = limit_of("pose.limbs", "most")
    bent = on_parts(part for name in angle if angle[name] > limit for part in LIMBS[name])
    return at_most(angle[worst], limit, "degrees", "largest angle", worst, bent)


def hanging(points: Floats, part: int, joints: Floats) -> Floats:
    """Points of a limb turned in the frontal plane until the limb's line points straight down.

    The published sizes are X × Y × Z of a limb at one's side; in a T pose its length lies along X.
    """
    chain = next((c for c in (LEFT_ARM, RIGHT_ARM) if part in c), None)
    if chain is None:
        return points
    line = (joints[chain[2]] - joints[chain[0]])[:2]
    length = float(np.linalg.norm(line))
    if not np.isfinite(length) or length <= 1e-9:
        return points
    x, y = line / length
    turned = points.copy()
    turned[:, 0] = -y * points[:, 0] + x * points[:, 1]
    turned[:, 1] = -x * points[:, 0] - y * points[:, 1]
    return turned


def group_size(body: AvatarUnderTest, parts: tuple[Part, ...]) -> Floats | None:
    """Extent ``(3,)`` in studs of some parts, arms hanging; None where they have no vertices."""
    points = body.vertices[np.isin(body.part, parts)]
    if not len(points):
        return None
    if len(parts) == 3 and PARENT[parts[0]] == Part.UPPER_TORSO:
        points = hanging(points, parts[0], body.joints)
    return np.asarray(np.ptp(points, axis=0) * body.studs_per_unit)


def smallest(group: str, body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The group's size against the least of the table."""
    return _against(group, np.array(SMALLEST[group]), body, least=True)


def largest(group: str, body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The group's size against the most that the body type allows."""
    limit = RULE_BY_ID[f"size.largest.{group}"].limits[settings.body_type]
    return _against(group, np.array(limit, np.float64), body, least=False)


def _against(group: str, limit: Floats, body: AvatarUnderTest, least: bool) -> Finding:
    measured = [(parts, group_size(body, parts)) for parts in GROUPS[group]]
    found = [(parts, size) for parts, size in measured if size is not None]
    if not found:
        return not_applicable(f"The body has no {group}.")
    sizes = [size for _, size in found]
    ratio = np.array(sizes) / limit
    worst = np.unravel_index(ratio.argmin() if least else ratio.argmax(), ratio.shape)
    side, axis = int(worst[0]), int(worst[1])
    sign = "≥" if least else "≤"
    bounds = " x ".join(f"{value:g}" for value in limit)
    words = " x ".join(f"{value:.2f}" for value in sizes[side])
    passed = bool((ratio >= 1 - 1e-9).all() if least else (ratio <= 1 + 1e-9).all())
    message, marks = f"{group} is {words} studs", on_parts(found[side][0])
    return Finding(passed, words, f"{sign} {bounds} studs", message, AXES[axis], marks)


CHECKS: Final[dict[str, Callable[[AvatarUnderTest, CheckSettings], Finding]]] = {
    "pose.facing": facing,
    "pose.upright": upright,
    "pose.limbs": limbs,
    **{f"size.smallest.{group}": partial(smallest, group) for group in GROUPS},
    **{f"size.largest.{group}": partial(largest, group) for group in GROUPS},
}
