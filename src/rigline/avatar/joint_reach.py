"""Joints of a stretched body, kept as near to their parts as they were.

Where a part begins below its joint, a stretch draws the two apart; the joint then comes back as far
as the rule ``skeleton.bone_in_part`` asks. A joint that was out of its part before stays there.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS
from rigline.avatar.marketplace.rules import limit_of
from rigline.avatar.mesh import Floats
from rigline.avatar.partition import PartedBody

SHARE: Final = 0.9
"""So much of what the rule allows is made use of."""


def within_reach(body: PartedBody, joints: Floats, vertices: Floats, placed: Floats) -> Floats:
    """``placed (15, 3)`` with the joints that left their parts' boxes brought near to them again.

    ``joints`` are those of ``body`` and ``placed`` those of the same body at ``vertices (V, 3)``.
    """
    limit = limit_of("skeleton.bone_in_part", "distance")
    found = placed.copy()
    for part in range(N_PARTS):
        used = np.unique(body.faces[body.rows_of(part)])
        if not len(used):
            continue
        before, gap = (
            _outside(points[used], place[part]) / float(np.ptp(points[:, 1]))
            for points, place in ((body.vertices, joints), (vertices, placed))
        )
        far = float(np.linalg.norm(gap))
        if np.linalg.norm(before) <= limit < far:
            found[part] -= gap * (1 - SHARE * limit / far) * float(np.ptp(vertices[:, 1]))
    return found


def _outside(points: Floats, place: Floats) -> Floats:
    """``(3,)`` from the nearest point of a box around ``points`` to a place."""
    return np.asarray(place - np.clip(place, points.min(axis=0), points.max(axis=0)))
