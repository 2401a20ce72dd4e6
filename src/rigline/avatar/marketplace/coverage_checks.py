"""How much of its box a part of the body covers, seen from the front and from the side.

The document asks it of the assets that a body is sold as, and gives no frame for their boxes. Ours
is that of a body at attention: every limb straight below its first joint, the feet as they stand.
Without it a limb that slants or bends, as in an A pose, would count as empty space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from rigline.avatar.body import PART_NAMES, Part
from rigline.avatar.marketplace.results import Finding, at_least, not_applicable, on_parts
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.shape_checks import (
    LEFT_ARM,
    LEFT_LEG,
    LIMBS,
    RIGHT_ARM,
    RIGHT_LEG,
    TORSO,
)
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.surface_queries import lattice_samples

RASTER: Final = 24
"""Cells a side of the raster that coverage is counted on."""

ASSETS: Final[Mapping[str, tuple[int, ...]]] = {
    "Head": (Part.HEAD,),
    "Torso": TORSO,
    "LeftArm": LEFT_ARM,
    "RightArm": RIGHT_ARM,
    "LeftLeg": LEFT_LEG,
    "RightLeg": RIGHT_LEG,
}
"""What the marketplace sells on its own: the fifteen parts in six assets."""

MESHES: Final[Mapping[str, tuple[int, ...]]] = {
    name: (part,) for part, name in enumerate(PART_NAMES)
}
VIEWS: Final = (("front", (0, 1)), ("side", (2, 1)))
"""Orthographic; without occlusion front and back show one outline, as do both sides."""

DOWN: Final = np.array([0.0, -1.0, 0.0])
FEET: Final = (Part.LEFT_FOOT, Part.RIGHT_FOOT)


def coverage(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The least share of its box that one of the six assets covers."""
    return _finding("visibility.coverage", body, ASSETS)


def mesh_coverage(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The least share of its box that one of the fifteen meshes covers."""
    return _finding("visibility.mesh_coverage", body, MESHES)


def _finding(rule_id: str, body: AvatarUnderTest, groups: Mapping[str, tuple[int, ...]]) -> Finding:
    corners = at_attention(body.vertices, body.faces, body.face_part, body.joints)
    found = {
        name: min((share, view) for view, share in covered_shares(corners[own]).items())
        for name, parts in groups.items()
        if (own := np.isin(body.face_part, parts)).any()
    }
    if not found:
        return not_applicable("No part has a surface.")
    worst = min(found, key=lambda name: found[name])
    limit = limit_of(rule_id, "least")
    low = on_parts(part for name in found if found[name][0] < limit for part in groups[name])
    share, view = found[worst]
    return at_least(share, limit, "of the box", "least coverage", f"{worst} ({view})", low)


def covered_shares(corners: Floats) -> dict[str, float]:
    """For each view the share of their common box that triangles ``(m, 3, 3)`` cover."""
    return {view: _raster_share(corners[:, :, axes]) for view, axes in VIEWS}


def _raster_share(flat: Floats) -> float:
    """The share of the raster over the box of triangles ``(m, 3, 2)`` that they touch."""
    low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
    points = np.zeros((3 * len(flat), 3))
    points[:, :2] = ((flat - low) / np.maximum(high - low, 1e-12)).reshape(-1, 2)
    faces = np.arange(len(points)).reshape(-1, 3)
    samples = lattice_samples(points, faces, 0.5 / RASTER, 200_000).points[:, :2]
    cell = np.minimum((samples * RASTER).astype(np.int64), RASTER - 1)
    touched = np.zeros((RASTER, RASTER), bool)
    touched[cell[:, 0], cell[:, 1]] = True
    return float(touched.mean())


def at_attention(vertices: Floats, faces: Ints, face_part: Ints, joints: Floats) -> Floats:
    """Corners ``(M, 3, 3)`` of the triangles, those of limbs with their bones straight down.

    Each part is turned as it is, about its joint; what has no joints stays where it is.
    """
    corners = np.asarray(vertices[faces], np.float64).copy()
    turns = turns_to_attention(joints)
    for chain in LIMBS.values():
        if chain[0] not in turns:
            continue
        place = joints[chain[0]]
        for number, part in enumerate(chain):
            own = face_part == part
            corners[own] = place + (corners[own] - joints[part]) @ turns[part].T
            if number < 2:
                place = place + DOWN * np.linalg.norm(joints[chain[number + 1]] - joints[part])
    return corners


def turns_to_attention(joints: Floats) -> dict[int, Floats]:
    """The rotation ``(3, 3)`` that takes each part of a limb to where it is at attention; limbs
    without joints have none."""
    turns: dict[int, Floats] = {}
    for chain in LIMBS.values():
        bones = np.diff(joints[list(chain)], axis=0)
        length = np.linalg.norm(bones, axis=1)
        if np.isfinite(length).all() and (length > 1e-9).all():
            upper, lower = (_turned_down(bone) for bone in bones)
            last = np.eye(3) if chain[2] in FEET else lower
            turns |= dict(zip(map(int, chain), (upper, lower, last), strict=True))
    return turns


def _turned_down(bone: Floats) -> Floats:
    """``(3, 3)`` the shortest rotation that takes a bone to straight down."""
    unit = bone / np.linalg.norm(bone)
    axis = np.cross(unit, DOWN)
    cosine = float(unit @ DOWN)
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


CHECKS: Final = {"visibility.coverage": coverage, "visibility.mesh_coverage": mesh_coverage}
