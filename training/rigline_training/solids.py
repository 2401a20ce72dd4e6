"""Primitive shapes as small meshes: box, ellipsoid, cylinder, cone, capsule, surface of revolution.

Every shape has its long axis along Y, half extents ``(hx, hy, hz)`` and outward winding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from rigline_training.character import Floats, Ints, Piece, Solid

KINDS = ("box", "capsule", "ellipsoid", "cylinder")


@lru_cache(maxsize=64)
def grid_faces(rings: int, segments: int) -> Ints:
    """Triangles of a rings x segments grid of vertices, closed around, open at both ends."""
    r, s = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    a, b = r * segments + s, r * segments + (s + 1) % segments
    c, d = a + segments, b + segments
    quads = np.stack([a, c, b, b, c, d], axis=-1)
    return quads.reshape(-1, 3)


def revolve(
    heights: Floats, radii: Floats, segments: int, depth: float = 1.0
) -> tuple[Floats, Ints]:
    """Surface of revolution about Y through a profile; ``depth`` scales Z."""
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    x = radii[:, None] * np.sin(angle)
    z = radii[:, None] * np.cos(angle) * depth
    y = np.repeat(heights[:, None], segments, axis=1)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    faces = grid_faces(len(heights), segments)
    if heights[-1] < heights[0]:
        faces = faces[:, ::-1]
    return vertices, faces[:, [0, 2, 1]]


def unit_box(splits: int) -> tuple[Floats, Ints]:
    """Cube from -1 to 1, each side split into a grid; sides do not share vertices."""
    n = splits + 1
    u, v = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    u, v, one = u.ravel(), v.ravel(), np.ones(n * n)
    i, j = np.meshgrid(np.arange(splits), np.arange(splits), indexing="ij")
    a = (i * n + j).ravel()
    cells = np.concatenate([np.stack([a, a + n, a + 1], 1), np.stack([a + 1, a + n, a + n + 1], 1)])
    vertices, faces = [], []
    for axis in range(3):
        for sign in (1, -1):
            side = np.empty((n * n, 3))
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign * one, u, v
            faces.append((cells if sign > 0 else cells[:, ::-1]) + len(vertices) * n * n)
            vertices.append(side)
    return np.concatenate(vertices), np.concatenate(faces)


def _profile(kind: str, rings: int, cap: float) -> tuple[Floats, Floats]:
    """Heights and radii of a unit profile. ``cap`` is a capsule's rounded share of its height."""
    if kind == "ellipsoid":
        t = np.linspace(-np.pi / 2, np.pi / 2, rings)
        return np.sin(t), np.cos(t) + 1e-4
    if kind == "capsule":
        t = np.linspace(0, np.pi / 2, max(rings // 2, 3))
        upper = 1 - cap + cap * np.sin(t)
        return np.r_[-upper[::-1], upper], np.r_[np.cos(t)[::-1], np.cos(t)] + 1e-4
    if kind == "cone":
        return np.r_[-1, -1, np.linspace(-1, 1, rings)], np.r_[1e-4, 1, np.linspace(1, 1e-4, rings)]
    return (
        np.r_[-1, -1, np.linspace(-1, 1, rings), 1, 1],
        np.r_[1e-4, 1, np.ones(rings), 1, 1e-4],
    )


def solid_mesh(kind: str, half: Floats, detail: int) -> tuple[Floats, Ints]:
    """Vertices and faces of a primitive centred at the origin. ``detail`` from 1 (coarse) to 3."""
    if kind == "box":
        vertices, faces = unit_box(detail)
        return vertices * half, faces
    cap = float(np.clip(np.sqrt(half[0] * half[2]) / max(half[1], 1e-6), 0.05, 1.0))
    heights, radii = _profile(kind, 3 + 2 * detail, cap)
    vertices, faces = revolve(heights, radii, 6 + 4 * detail)
    return vertices * half, faces


def solid_piece(
    kind: str,
    half: Floats,
    centre: Floats,
    label: int,
    axes: Floats | None = None,
    *,
    detail: int = 2,
    covers: bool = False,
    name: str = "solid",
) -> Piece:
    """A primitive placed in the world, wholly of one part."""
    half = np.maximum(np.abs(np.asarray(half, float)), 2e-3)
    axes = np.eye(3) if axes is None else axes
    vertices, faces = solid_mesh(kind, half, detail)
    centre = np.asarray(centre, float)
    return Piece(
        vertices @ axes.T + centre,
        faces,
        np.full(len(vertices), int(label)),
        Solid(kind, half, centre, axes),
        covers,
        name,
    )


def lathe_piece(
    profile: Callable[[Floats], Floats],
    y0: float,
    y1: float,
    centre: Floats,
    label: int,
    *,
    axes: Floats | None = None,
    depth: float = 1.0,
    rings: int = 8,
    segments: int = 14,
    name: str = "lathe",
) -> Piece:
    """An open surface of revolution; ``profile`` maps t in [0, 1] (from y0 to y1) to a radius."""
    t = np.linspace(0, 1, rings)
    vertices, faces = revolve(y0 + (y1 - y0) * t, np.maximum(profile(t), 1e-4), segments, depth)
    axes = np.eye(3) if axes is None else axes
    vertices = vertices @ axes.T + np.asarray(centre, float)
    return Piece(vertices, faces, np.full(len(vertices), int(label)), name=name)
