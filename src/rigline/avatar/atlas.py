"""One UV atlas for a parted body: flat charts of neighbouring faces, packed into the unit square.

A chart is a connected patch of one part whose faces look the same way of six, laid flat along that
way; so no triangle is stretched by more than the cosine of the angle between them. Charts are
packed in shelves, the tallest first (Coffman et al., "Performance bounds for level-oriented
two-dimensional packing algorithms", 1980), at the largest scale at which they fit.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.body import Part
from rigline.avatar.mesh import Floats, Ints, components, face_cross
from rigline.avatar.partition import PartedBody

DIRECTIONS: Final = np.concatenate([np.eye(3), -np.eye(3)])
MIN_FACING: Final = 0.25
"""A face may join its neighbours' chart if it looks their way by at least this cosine."""

SMOOTHING_ROUNDS: Final = 4
HEAD_SCALE: Final = 1.6
"""Faces are looked at most: the head gets so many more texels a length."""

LID_SCALE: Final = 0.25
PADDING_PX: Final = 4
STEPS: Final = 18


def unwrap(body: PartedBody, size_px: int) -> Floats:
    """``(F, 3, 2)`` UVs of every corner in [0, 1], for an atlas of ``size_px`` a side.

    As glTF has them: the origin is the image's upper left corner. Charts keep ``PADDING_PX`` apart.
    Deterministic.
    """
    chart, direction = _charts(body)
    flat = _laid_flat(body, chart, direction)
    size = np.zeros((int(chart.max()) + 1, 2))
    for axis in range(2):
        np.maximum.at(size[:, axis], chart, flat[:, :, axis].max(axis=1))
    place, scale = _packed(size, PADDING_PX / size_px)
    return np.clip(place[chart][:, None] + flat * scale, 0.0, 1.0)


def _charts(body: PartedBody) -> tuple[Ints, Ints]:
    """The chart of each face and the direction ``(F,)`` that it looks."""
    cross = face_cross(body.vertices, body.faces)
    normal = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    facing = normal @ DIRECTIONS.T  # (F, 6)
    direction = facing.argmax(axis=1)
    links = _neighbours(body)
    both = np.concatenate([links, links[:, ::-1]])
    rows = np.arange(len(direction))
    for _ in range(SMOOTHING_ROUNDS):
        votes = np.zeros(facing.shape)
        np.add.at(votes, (both[:, 0], direction[both[:, 1]]), 1.0)
        votes[rows, direction] += 0.5
        direction = np.where(facing > MIN_FACING, votes + 0.1 * facing, -1.0).argmax(axis=1)
    same = links[direction[links[:, 0]] == direction[links[:, 1]]]
    return components(len(direction), same)[1], direction


def _neighbours(body: PartedBody) -> Ints:
    """Pairs of faces ``(k, 2)`` of one part that share an edge; lids keep to themselves."""
    start, end = body.faces.ravel(), body.faces[:, [1, 2, 0]].ravel()
    sheet = np.repeat(body.face_part.astype(np.int64) * 2 + body.lid, 3)
    count = len(body.vertices)
    key = (sheet * count + np.minimum(start, end)) * count + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    return np.stack([order[same] // 3, order[same + 1] // 3], axis=1)


def _laid_flat(body: PartedBody, chart: Ints, direction: Ints) -> Floats:
    """``(F, 3, 2)`` corners in the plane of their chart, each chart's least at 0, wider than high,
    in shares of the body's height."""
    axis = direction % 3
    first, second = (axis + 1) % 3, (axis + 2) % 3
    corners = body.vertices[body.faces]
    rows = np.arange(len(corners))[:, None]
    ways = np.arange(3)[None]
    sign = np.where(direction < 3, 1.0, -1.0)[:, None]
    # V runs downwards in an image, so an outward face keeps its winding seen from outside.
    flat = np.stack(
        [sign * corners[rows, ways, first[:, None]], -corners[rows, ways, second[:, None]]], axis=2
    )
    scale = np.where(body.lid, LID_SCALE, np.where(body.face_part == Part.HEAD, HEAD_SCALE, 1.0))
    flat *= scale[:, None, None]
    count = int(chart.max()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    for k in range(2):
        np.minimum.at(low[:, k], chart, flat[:, :, k].min(axis=1))
        np.maximum.at(high[:, k], chart, flat[:, :, k].max(axis=1))
    flat -= low[chart][:, None]
    tall = (high - low)[:, 1] > (high - low)[:, 0]
    # A quarter turn, not a swap: a swap would mirror the chart.
    turned = np.stack([(high - low)[chart][:, None, 1] - flat[:, :, 1], flat[:, :, 0]], axis=2)
    return np.where(tall[chart][:, None, None], turned, flat)


def _packed(size: Floats, padding: float) -> tuple[Floats, float]:
    """Where each chart's corner goes, and the largest scale found at which all fit."""
    low, high = 0.0, 2.0 / max(float(np.sqrt(size.prod(axis=1).sum())), 1e-9)
    best = np.full(size.shape, padding)
    for _ in range(STEPS):
        middle = (low + high) / 2
        place = _shelves(size * middle, padding)
        if place is None:
            high = middle
        else:
            low, best = middle, place
    return best, low


def _shelves(size: Floats, padding: float) -> Floats | None:
    """Corners of rectangles ``(k, 2)`` in the unit square, or None if they do not fit."""
    order = np.lexsort((-size[:, 0], -size[:, 1]))
    width, height = size[order, 0] + padding, size[order, 1] + padding
    if width.max() > 1 - padding or (width * height).sum() > (1 - padding) ** 2:
        return None
    place = np.zeros(size.shape)
    left, top, shelf = padding, padding, height[0]
    for k, (w, h) in enumerate(zip(width.tolist(), height.tolist(), strict=True)):
        if left + w > 1:
            left, top, shelf = padding, top + shelf, h
        if top + h > 1:
            return None
        place[order[k]] = left, top
        left += w
    return place
