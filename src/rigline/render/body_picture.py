"""Pictures of bodies: one view on a panel, panels side by side, sheets of many characters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from rigline.avatar.body import N_PARTS, PARENT
from rigline.avatar.mesh import Floats, Ints, face_cross
from rigline.render.palette import BONE, INK, PAPER
from rigline.render.raster import shaded, visible_faces

SUPERSAMPLING: Final = 2
CAPTION_PX: Final = 22
MARGIN: Final = 0.06

Colours = npt.NDArray[np.uint8]
Picture = Image.Image


@dataclass(frozen=True)
class Camera:
    """Orthographic: ``yaw_deg`` is where the viewer stands, 0 before the character and 90 at its
    left; ``pitch_deg`` how far the viewer looks down."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0

    @property
    def viewer_from_world(self) -> Floats:
        """``(3, 3)`` rotation to x right, y up, z towards the viewer."""
        yaw, pitch = np.deg2rad(self.yaw_deg), np.deg2rad(self.pitch_deg)
        turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        tilt = np.array(
            [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
        )
        return tilt @ turn


FRONT: Final = Camera()
THREE_QUARTER: Final = Camera(32, 10)
SIDE: Final = Camera(90)
BACK: Final = Camera(180)


@dataclass(frozen=True, eq=False)
class Projection:
    """Where the points of the world come to lie on a panel before it is scaled down.

    ``width`` and ``height`` are ``SUPERSAMPLING`` times those of the panel's picture.
    """

    rotation: Floats
    middle: Floats
    scale: float
    width: int
    height: int

    def to_screen(self, points: Floats) -> Floats:
        """``(n, 3)``: x to the right and y downwards in pixels, z towards the viewer."""
        scaled = (points @ self.rotation.T - self.middle) * [self.scale, -self.scale, self.scale]
        return scaled + np.array([self.width / 2, self.height / 2, 0.0])


def projection(
    vertices: Floats,
    camera: Camera,
    size: tuple[int, int],
    frame: tuple[Floats, Floats] | None = None,
) -> Projection:
    """The projection of ``body_panel`` for the same arguments."""
    width, height = size[0] * SUPERSAMPLING, (size[1] - CAPTION_PX) * SUPERSAMPLING
    rotation = camera.viewer_from_world
    low, high = _extent(vertices @ rotation.T, rotation, frame)
    scale = (1 - 2 * MARGIN) * min(width / (high[0] - low[0]), height / (high[1] - low[1]))
    return Projection(rotation, (low + high) / 2, float(scale), width, height)


def body_panel(
    vertices: Floats,
    faces: Ints,
    colours: Colours,
    camera: Camera = FRONT,
    size: tuple[int, int] = (260, 340),
    caption: str = "",
    joints: Floats | None = None,
    frame: tuple[Floats, Floats] | None = None,
) -> Picture:
    """One view of a mesh, fitted to the panel.

    ``colours (M, 3)`` uint8 per triangle. ``joints (15, 3)`` draws the skeleton over it. ``frame``,
    two opposite corners in the world, is fitted instead of the mesh where pictures shall share a
    scale. ``size`` is width and height in pixels.
    """
    view = projection(vertices, camera, size, frame)
    nearest = visible_faces(view.to_screen(vertices), faces, view.width, view.height)
    cross = face_cross(vertices @ camera.viewer_from_world.T, faces)
    normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12)
    layer = Image.fromarray(shaded(nearest, normals, colours), "RGBA")
    if joints is not None:
        _draw_skeleton(layer, view.to_screen(joints))
    panel = Image.new("RGB", size, PAPER)
    small = layer.resize((size[0], size[1] - CAPTION_PX), Image.Resampling.BOX)
    panel.paste(small, (0, 0), small)
    if caption:
        write_caption(panel, caption)
    return panel


def write_caption(panel: Picture, text: str) -> None:
    """A line of text in the middle of the panel's lower edge."""
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(13)
    while len(text) > 4 and draw.textlength(text, font) > panel.width - 6:
        text = text[:-2].rstrip("…") + "…"
    left = (panel.width - draw.textlength(text, font)) / 2
    draw.text((left, panel.height - CAPTION_PX + 2), text, INK, font)


def side_by_side(panels: Sequence[Picture]) -> Picture:
    """Panels in a row, from left to right."""
    return grid([list(panels)])


def grid(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Rows of panels, each column as wide as its widest, each row as high as its highest."""
    columns = max(len(row) for row in rows)
    widths = [max((r[k].width for r in rows if k < len(r)), default=0) for k in range(columns)]
    heights = [max(panel.height for panel in row) for row in rows]
    sheet = Image.new("RGB", (sum(widths), sum(heights)), PAPER)
    for i, row in enumerate(rows):
        for k, panel in enumerate(row):
            sheet.paste(panel, (sum(widths[:k]), sum(heights[:i])))
    return sheet


def png_bytes(picture: Picture, colours: int | None = None) -> bytes:
    """The picture as PNG; with ``colours``, reduced to a palette for a small file."""
    out = io.BytesIO()
    if colours is not None:
        picture = picture.quantize(colours, dither=Image.Dither.NONE)
    picture.save(out, "PNG", optimize=colours is not None)
    return out.getvalue()


def _extent(
    seen: Floats, rotation: Floats, frame: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    if frame is not None:
        corners = np.array(np.meshgrid(*np.stack(frame, axis=1))).reshape(3, -1).T
        seen = corners @ rotation.T
    low, high = seen.min(axis=0), seen.max(axis=0)
    return low, np.maximum(high, low + 1e-9)


def _draw_skeleton(layer: Picture, screen: Floats) -> None:
    draw = ImageDraw.Draw(layer)
    thick = 2 * SUPERSAMPLING
    for part in range(N_PARTS):
        if PARENT[part] >= 0:
            ends = [tuple(screen[part, :2]), tuple(screen[PARENT[part], :2])]
            draw.line(ends, BONE, thick // 2)
    for x, y, _ in screen:
        draw.ellipse((x - thick, y - thick, x + thick, y + thick), (255, 255, 255), BONE, 2)
