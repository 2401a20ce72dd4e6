"""Checks of the attachment points."""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.attachments import SITES, AttachmentPoint, region_box, rotation_matrix
from rigline.avatar.body import PARENT, Part
from rigline.avatar.marketplace.results import (
    Finding,
    at_most,
    at_points,
    none_of,
    not_applicable,
    on_parts,
)
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.surface_queries import nearest_on_surface


def present(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Each of the nineteen names once, on its own part, and no other."""
    wrong = []
    for site in SITES:
        found = [a for a in body.attachments if a.name == site.name]
        if len(found) != 1:
            wrong.append(f"{site.name} ({len(found)} times)")
        elif found[0].part != site.part:
            wrong.append(f"{site.name} (on part {found[0].part})")
    known = {site.name for site in SITES}
    wrong += [a.name for a in body.attachments if a.name not in known]
    owners = on_parts(s.part for s in SITES if any(w.startswith(s.name + " ") for w in wrong))
    what = "attachments missing, doubled or misplaced"
    return none_of(wrong, "the nineteen, each once", what, owners)


def region(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """How far the worst attachment is from its region, in studs; Root_Att's is its joint."""
    by_name = _by_name(body)
    outside: dict[str, float] = {}
    for site in SITES:
        own = body.of_part(site.part)
        if site.name not in by_name:
            continue
        position = by_name[site.name].position
        if site.at_joint:
            gap = np.abs(position - body.joints[site.part])
        elif len(own):
            low, high = region_box(site, own)
            gap = np.maximum(np.maximum(low - position, position - high), 0)
        else:
            continue
        outside[site.name] = float(np.linalg.norm(gap)) * body.studs_per_unit
    if not outside:
        return not_applicable("No attachment has a part with vertices.")
    where = max(outside, key=lambda name: outside[name])
    limit = limit_of("attachment.region", "tolerance")
    marks = at_points(np.array([by_name[n].position for n, gap in outside.items() if gap > limit]))
    what = "largest distance from its region"
    return at_most(outside[where], limit, "studs", what, where, marks)


def surface(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """How far the worst attachment that belongs on the surface is from it, in studs."""
    by_name = _by_name(body)
    meant = [
        by_name[site.name]
        for site in SITES
        if site.ray is not None and site.name in by_name and (body.part == site.part).any()
    ]
    if not meant:
        return not_applicable("No attachment belongs on the surface.")
    points = np.array([a.position for a in meant])
    nearest, _ = nearest_on_surface(points, body.vertices, body.faces, body.samples)
    distance = np.linalg.norm(points - nearest, axis=1) * body.studs_per_unit
    worst = int(distance.argmax())
    limit = limit_of("attachment.surface", "distance")
    what, marks = "distance from the surface", at_points(points[distance > limit])
    return at_most(float(distance[worst]), limit, "studs", what, meant[worst].name, marks)


def grip(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The angle of the grips' forward axis (+Z) off a right angle with the lower arm."""
    by_name = _by_name(body)
    off: dict[str, float] = {}
    for name, hand in (("LeftGrip_Att", Part.LEFT_HAND), ("RightGrip_Att", Part.RIGHT_HAND)):
        arm = body.joints[hand] - body.joints[PARENT[hand]]
        length = float(np.linalg.norm(arm))
        if name in by_name and np.isfinite(length) and length > 1e-9:
            forward = rotation_matrix(by_name[name].rotation)[:, 2]
            cosine = float(np.clip(forward @ arm / length, -1, 1))
            off[name] = abs(90 - float(np.degrees(np.arccos(cosine))))
    if not off:
        return not_applicable("There is no grip with a lower arm.")
    where = max(off, key=lambda name: off[name])
    limit = limit_of("attachment.grip", "tolerance")
    marks = at_points(np.array([by_name[n].position for n, angle in off.items() if angle > limit]))
    return at_most(off[where], limit, "degrees", "angle off perpendicular", where, marks)


def _by_name(body: AvatarUnderTest) -> dict[str, AttachmentPoint]:
    return {a.name: a for a in body.attachments}


CHECKS: Final = {
    "attachment.present": present,
    "attachment.region": region,
    "attachment.surface": surface,
    "attachment.grip": grip,
}
