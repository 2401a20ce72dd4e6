"""A z-buffer on numpy: which triangle is seen in each pixel.

Our own, because the libraries that render without a display need OpenGL or a compiler, and a wheel
must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.mesh import Floats, Ints

NOTHING: Final = -1
ON_EDGE: Final = 1e-9
"""A pixel's middle so near to an edge, in pixels, is in the triangle."""

CANDIDATES_AT_ONCE: Final = 400_000
CANDIDATES_IN_ALL: Final = 20_000_000


def visible_faces(screen: Floats, faces: Ints, width: int, height: int) -> Ints:
    """``(height, width)`` index of the nearest triangle at each pixel's centre, -1 for none.

    ``screen (N, 3)``: x to the right and y downwards in pixels, z towards the viewer. Each row of a
    triangle's box is cut to the span that its edges leave, in chunks of bounded memory. A mesh
    whose boxes add up to more than ``CANDIDATES_IN_ALL``, such as a soup of large triangles, is
    drawn coarser.
    """
    coarser = _coarsening(screen, faces, width, height)
    if coarser > 1:
        small = visible_faces(
            screen / [coarser, coarser, 1], faces, -(-width // coarser), -(-height // coarser)
        )
        return small.repeat(coarser, axis=0).repeat(coarser, axis=1)[:height, :width]
    nearest = np.full(width * height, NOTHING, np.int64)
    depth = np.full(width * height, -np.inf)
    planes, drawn = _planes(screen, faces)
    for triangle, row, first, last in _spans(screen, faces[drawn], planes, width, height):
        count = last - first + 1
        span = np.repeat(np.arange(len(count)), count)
        column = np.arange(len(span)) - np.repeat(np.cumsum(count) - count, count) + first[span]
        along, start = planes[triangle, 6], planes[triangle, 7] * (row + 0.5) + planes[triangle, 8]
        z = along[span] * (column + 0.5) + start[span]
        pixel = row[span] * width + column
        np.maximum.at(depth, pixel, z)
        seen = np.flatnonzero(z == depth[pixel])
        nearest[pixel[seen]] = drawn[triangle[span[seen]]]
    return nearest.reshape(height, width)


def _coarsening(screen: Floats, faces: Ints, width: int, height: int) -> int:
    """By how much the picture must shrink for its cost to be bounded; 1 for most."""
    corners = np.clip(screen[faces][:, :, :2], 0, [width, height])
    cost = float(np.ptp(corners, axis=1).prod(axis=1).sum())
    most = max(width, height)
    return min(most, int(np.ceil(np.sqrt(cost / CANDIDATES_IN_ALL)))) if cost > 0 else 1


def _planes(screen: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """For each triangle that is not seen edge-on, two barycentric coordinates and the depth as
    planes over the screen, ``(m, 9)``; and the indices ``(m,)`` of these triangles."""
    a, b, c = (screen[faces[:, k]] for k in range(3))
    double = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    drawn = np.flatnonzero(np.abs(double) > 1e-9)
    a, b, c, double = a[drawn], b[drawn], c[drawn], double[drawn]
    u = np.stack([b[:, 1] - c[:, 1], c[:, 0] - b[:, 0], np.zeros(len(a))], axis=1) / double[:, None]
    u[:, 2] = -(u[:, 0] * c[:, 0] + u[:, 1] * c[:, 1])
    v = np.stack([c[:, 1] - a[:, 1], a[:, 0] - c[:, 0], np.zeros(len(a))], axis=1) / double[:, None]
    v[:, 2] = -(v[:, 0] * c[:, 0] + v[:, 1] * c[:, 1])
    z = (a - c)[:, 2:] * u + (b - c)[:, 2:] * v
    z[:, 2] += c[:, 2]
    return np.concatenate([u, v, z], axis=1), drawn


def _spans(
    screen: Floats, faces: Ints, planes: Floats, width: int, height: int
) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """Triangles, rows of pixels, and the first and last pixel whose middle is in the triangle."""
    corners = screen[faces][:, :, :2]
    low = np.clip(np.floor(corners.min(axis=1) - 0.5).astype(np.int64), 0, [width, height])
    high = np.floor(corners.max(axis=1) + 0.5).astype(np.int64)
    high = np.clip(high, -1, [width - 1, height - 1])
    size = np.maximum(high - low + 1, 0)
    ends = np.cumsum(size[:, 0] * size[:, 1])
    start = 0
    while start < len(faces):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + CANDIDATES_AT_ONCE, side="right"))
        stop = max(stop, start + 1)
        count = np.where(size[start:stop, 0] > 0, size[start:stop, 1], 0)
        triangle = np.repeat(np.arange(start, stop), count)
        row = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
        row += low[triangle, 1]
        left, right = _between_edges(planes[triangle], row + 0.5)
        first = np.maximum(np.ceil(left - 0.5 - ON_EDGE), low[triangle, 0]).astype(np.int64)
        last = np.minimum(np.floor(right - 0.5 + ON_EDGE), high[triangle, 0]).astype(np.int64)
        kept = np.flatnonzero(first <= last)
        yield triangle[kept], row[kept], first[kept], last[kept]
        start = stop


def _between_edges(plane: Floats, y: Floats) -> tuple[Floats, Floats]:
    """From where to where along x both barycentric coordinates and their rest are not negative."""
    left, right = np.full(len(y), -1e9), np.full(len(y), 1e9)
    u, v = plane[:, 0:3].T, plane[:, 3:6].T
    rest = np.stack([-u[0] - v[0], -u[1] - v[1], 1 - u[2] - v[2]])
    for along, across, offset in (u, v, rest):
        value = across * y + offset
        flat = np.abs(along) < 1e-12
        border = -value / np.where(flat, 1.0, along)
        left = np.where(flat | (along < 0), left, np.maximum(left, border))
        right = np.where(flat | (along > 0), right, np.minimum(right, border))
        right = np.where(flat & (value < -ON_EDGE), -1e9, right)
    return left, right


def shaded(nearest: Ints, normals: Floats, colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """``(h, w, 4)`` RGBA of visible triangles, lit from the viewer's upper left; empty is clear.

    ``normals (M, 3)`` in the viewer's space, either side up; ``colours (M, 3)`` uint8.
    """
    light = np.array([-0.35, 0.5, 0.8])
    light /= np.linalg.norm(light)
    facing = np.where(normals[:, 2:] < 0, -normals, normals)
    brightness = 0.42 + 0.58 * np.clip(facing @ light, 0, 1)
    lit = np.concatenate(
        [np.clip(colours * brightness[:, None], 0, 255), np.full((len(colours), 1), 255)], axis=1
    ).astype(np.uint8)
    lit = np.concatenate([lit, np.zeros((1, 4), np.uint8)])  # row -1: nothing there
    return lit[nearest]
