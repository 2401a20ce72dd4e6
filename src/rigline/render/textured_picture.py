"""Unlit pictures of textured surfaces: what an artist painted, and nothing of light or shade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from rigline.avatar.mesh import Bools, Floats, Ints
from rigline.render.body_picture import CAPTION_PX, Camera, Picture, write_caption
from rigline.render.palette import PAPER
from rigline.render.raster import visible_faces

Colouring = Callable[[Ints, Floats], Floats]
"""sRGB colours ``(q, 3)`` in [0, 1] at points of triangles, given as faces and barycentrics."""

MARGIN: Final = 0.05
BACKDROP: Final = (170, 180, 192)
"""Neither white nor black: unlit surfaces of those colours show against it."""


@dataclass(frozen=True, eq=False)
class Shot:
    """``colour (h, w, 3)`` uint8 and which pixels ``(h, w)`` the surface covers."""

    colour: npt.NDArray[np.uint8]
    covered: Bools


def shot(
    vertices: Floats,
    faces: Ints,
    colouring: Colouring,
    camera: Camera,
    size: int,
    frame: tuple[Floats, Floats],
) -> Shot:
    """The surface seen by an orthographic camera, ``size`` pixels a side.

    ``frame`` are two opposite corners of what is to be seen, so that two surfaces share a scale.
    """
    rotation = camera.viewer_from_world
    corners = np.array(np.meshgrid(*np.stack(frame, axis=1))).reshape(3, -1).T @ rotation.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = (1 - 2 * MARGIN) * size / max(float((high - low)[:2].max()), 1e-9)
    screen = (vertices @ rotation.T - (low + high) / 2) * [scale, -scale, scale]
    screen += [size / 2, size / 2, 0]
    nearest = visible_faces(screen, faces, size, size)
    covered = nearest >= 0
    face = nearest[covered]
    y, x = np.nonzero(covered)
    share = _shares(np.stack([x + 0.5, y + 0.5], axis=1), screen[faces[face]][:, :, :2])
    colour = np.tile(np.array(BACKDROP, np.uint8), (size, size, 1))
    colour[covered] = np.round(np.clip(colouring(face, share), 0, 1) * 255).astype(np.uint8)
    return Shot(colour, covered)


def _shares(points: Floats, corners: Floats) -> Floats:
    a, first, second = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = points - a
    double = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    double = np.where(np.abs(double) < 1e-12, 1e-12, double)
    u = (offset[:, 0] * second[:, 1] - offset[:, 1] * second[:, 0]) / double
    v = (first[:, 0] * offset[:, 1] - first[:, 1] * offset[:, 0]) / double
    share = np.clip(np.stack([1 - u - v, u, v], axis=1), 0, 1)
    return np.asarray(share / share.sum(axis=1, keepdims=True))


def panel_of(taken: Shot, caption: str) -> Picture:
    """A shot with a line of text below it."""
    height, width = taken.covered.shape
    panel = Image.new("RGB", (width, height + CAPTION_PX), PAPER)
    panel.paste(Image.fromarray(taken.colour, "RGB"), (0, 0))
    write_caption(panel, caption)
    return panel
