"""A body with places marked on it: seen whole, and from near."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from PIL import ImageDraw

from rigline.avatar.mesh import Floats, Ints
from rigline.render.body_picture import (
    BACK,
    FRONT,
    SIDE,
    SUPERSAMPLING,
    Camera,
    Colours,
    Picture,
    body_panel,
    projection,
    side_by_side,
)
from rigline.render.palette import CLAY, MARK

OTHER_SIDE: Final = Camera(270)
CAMERAS: Final = {"front": FRONT, "back": BACK, "left": SIDE, "right": OTHER_SIDE}
NEAR_SHARE: Final = 0.16
"""Half the height of the near view, as a share of the body's height."""


def marked_body(
    vertices: Floats,
    faces: Ints,
    face_part: Ints,
    parts: Collection[int] = (),
    points: Floats | None = None,
    size: tuple[int, int] = (220, 300),
) -> Picture:
    """Two panels: the body from the side where most marks face the viewer, and a second look.

    ``parts`` are drawn in the colour of marks; ``points (k, 3)`` are ringed, also where the body
    hides them. The second panel shows the first point from near, or, where only parts are marked,
    the body from the side. Vertices, points and panels share one frame, +Y up and +Z to the front.
    """
    spots = np.zeros((0, 3)) if points is None else np.asarray(points, np.float64).reshape(-1, 3)
    colours: Colours = np.where(np.isin(face_part, list(parts))[:, None], MARK, CLAY)
    name = _best_camera(vertices, spots)
    whole = _panel(vertices, faces, colours, CAMERAS[name], size, f"from the {name}", spots)
    if not len(spots):
        side = _panel(vertices, faces, colours, SIDE, size, "from the left", spots)
        return side_by_side([whole, side])
    reach = NEAR_SHARE * max(float(np.ptp(vertices[:, 1])), 1e-9)
    frame = (spots[0] - reach, spots[0] + reach)
    near = _panel(vertices, faces, colours, CAMERAS[name], size, "from near", spots, frame)
    return side_by_side([whole, near])


def _best_camera(vertices: Floats, spots: Floats) -> str:
    """The camera that the spots are nearest to, measured from the body's middle."""
    if not len(spots):
        return "front"
    offset = spots.mean(axis=0) - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    towards = {name: float((camera.viewer_from_world @ offset)[2]) for name, camera in
               CAMERAS.items()}  # fmt: skip
    return max(towards, key=lambda name: (round(towards[name], 9), name == "front"))


def _panel(
    vertices: Floats,
    faces: Ints,
    colours: Colours,
    camera: Camera,
    size: tuple[int, int],
    caption: str,
    spots: Floats,
    frame: tuple[Floats, Floats] | None = None,
) -> Picture:
    # Spots may lie off the body, so the frame takes them in.
    if frame is None:
        everything = np.concatenate([vertices, spots])
        frame = (everything.min(axis=0), everything.max(axis=0))
    panel = body_panel(vertices, faces, colours, camera, size, caption, frame=frame)
    view = projection(vertices, camera, size, frame)
    draw, radius = ImageDraw.Draw(panel), 7
    for x, y in view.to_screen(spots)[:, :2] / SUPERSAMPLING:
        if 0 <= y < view.height / SUPERSAMPLING:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), None, tuple(MARK), 2)
            draw.point((x, y), tuple(MARK))
    return panel
