"""The picture that comes with every avatar: parts, skeleton, cage, and the body moving."""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.cage_template import template
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.posing import pose, sweep_poses
from rigline.render.body_picture import (
    BACK,
    FRONT,
    THREE_QUARTER,
    Colours,
    Picture,
    body_panel,
    side_by_side,
)
from rigline.render.palette import CAGE, CLAY, PART_COLOURS

PANELS: Final = 5
"""Panels of the picture, side by side and equally wide."""


def part_colours(face_part: Ints) -> Colours:
    """``(M, 3)`` the palette's colour of each triangle's part."""
    return PART_COLOURS[face_part]


def preview(
    vertices: Floats,
    faces: Ints,
    face_part: Ints,
    joints: Floats,
    weights: Floats,
    cage_vertices: Floats,
    size: tuple[int, int] = (220, 300),
) -> Picture:
    """Five panels: skeleton over parts from the front, parts from behind, cage, knees and elbows
    bent, and a walk. All arrays in the canonical frame; ``weights (N, 15)``."""
    colours = part_colours(face_part)
    sweep = sweep_poses(joints)
    bent = {**sweep["elbows"], **sweep["knees"]}
    walking = sweep["walk"]
    clay = np.tile(CLAY, (len(faces), 1))
    cage = template().faces
    bent_body = pose(vertices, weights, joints, bent)
    walking_body = pose(vertices, weights, joints, walking)
    cage_colours = np.tile(CAGE, (len(cage), 1))
    return side_by_side(
        [
            body_panel(vertices, faces, colours, FRONT, size, "parts and joints", joints),
            body_panel(vertices, faces, colours, BACK, size, "from behind"),
            body_panel(cage_vertices, cage, cage_colours, THREE_QUARTER, size, "outer cage"),
            body_panel(bent_body, faces, clay, THREE_QUARTER, size, "elbows and knees bent"),
            body_panel(walking_body, faces, clay, THREE_QUARTER, size, "walking"),
        ]
    )
