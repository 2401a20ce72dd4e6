"""Synthetic R15 humanoids with known parts and joints.

Both bodies stand in the canonical frame (+Y up, facing +Z, the left at +X, feet on Y = 0, height
1), are exactly mirror-symmetric about X = 0 and consist of fifteen closed pieces, one a part, whose
triangles wind outwards. Left and right vertices come in mirrored order within their parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rigline.avatar.body import CHILD, MIRROR, N_PARTS, SIDE, Part
from rigline.avatar.mesh import Floats, Ints, TriangleMesh

Pose = Literal["A", "T", "I"]

ARM_DIRECTION: dict[Pose, tuple[float, float, float]] = {
    "T": (1.0, 0.0, 0.0),
    "A": (np.sqrt(0.5), -np.sqrt(0.5), 0.0),
    "I": (0.0, -1.0, 0.0),
}
HALF_WIDTH: dict[Part, tuple[float, float]] = {
    Part.HEAD: (0.075, 0.080),
    Part.UPPER_TORSO: (0.100, 0.060),
    Part.LOWER_TORSO: (0.095, 0.058),
    Part.LEFT_UPPER_ARM: (0.030, 0.032),
    Part.LEFT_LOWER_ARM: (0.026, 0.028),
    Part.LEFT_HAND: (0.016, 0.030),
    Part.LEFT_UPPER_LEG: (0.042, 0.048),
    Part.LEFT_LOWER_LEG: (0.034, 0.038),
    Part.LEFT_FOOT: (0.036, 0.062),
}
"""Half width and half depth of the pieces, across their bone; central and left ones."""


@dataclass(frozen=True, eq=False)
class SyntheticBody:
    """``vertices (N, 3)``, ``faces (M, 3)``, ``part (N,)`` and ``joints (15, 3)``, canonical."""

    vertices: Floats
    faces: Ints
    part: Ints
    joints: Floats

    @property
    def mesh(self) -> TriangleMesh:
        """The geometry alone."""
        return TriangleMesh(self.vertices, self.faces)

    def moved(self, matrix: Floats, offset: Floats | float = 0.0) -> SyntheticBody:
        """Vertices and joints under ``x -> matrix @ x + offset``; the rest as it is."""
        return replace(
            self,
            vertices=self.vertices @ matrix.T + offset,
            joints=self.joints @ matrix.T + offset,
        )

    def without(self, *parts: Part) -> SyntheticBody:
        """The body with the pieces of some parts missing; its joints all stay."""
        keep = ~np.isin(self.part, parts)
        index = np.cumsum(keep) - 1
        faces = index[self.faces[keep[self.faces].all(axis=1)]]
        return replace(self, vertices=self.vertices[keep], faces=faces, part=self.part[keep])


def box_body(segments: int = 2, pose: Pose = "A") -> SyntheticBody:
    """Fifteen boxes, each side a grid of ``segments × segments`` quads."""
    return _assemble(_unit_box(segments), pose, round_ends=False)


def capsule_body(segments: int = 12, pose: Pose = "A") -> SyntheticBody:
    """Fifteen capsules with elliptical sections; ``segments`` is even, around each section."""
    return _assemble(_unit_sphere(segments), pose, round_ends=True)


def skeleton(pose: Pose) -> tuple[Floats, Floats]:
    """Joints ``(15, 3)`` and the far ends of the bones ``(15, 3)``, before normalisation."""
    joints = np.zeros((N_PARTS, 3))
    joints[Part.LOWER_TORSO] = (0, 0.54, 0)
    joints[Part.UPPER_TORSO] = (0, 0.62, 0)
    joints[Part.HEAD] = (0, 0.84, 0)
    arm = np.array(ARM_DIRECTION[pose])
    shoulder = np.array([0.105 if pose != "I" else 0.14, 0.79, 0])
    joints[Part.LEFT_UPPER_ARM] = shoulder
    joints[Part.LEFT_LOWER_ARM] = shoulder + 0.15 * arm
    joints[Part.LEFT_HAND] = shoulder + 0.28 * arm
    joints[Part.LEFT_UPPER_LEG] = (0.055, 0.50, 0)
    joints[Part.LEFT_LOWER_LEG] = (0.055, 0.27, 0)
    joints[Part.LEFT_FOOT] = (0.055, 0.05, 0)
    ends = np.zeros((N_PARTS, 3))
    for part in Part:
        if CHILD[part] >= 0:
            ends[part] = joints[CHILD[part]]
    ends[Part.HEAD] = (0, 1.0, 0)
    ends[Part.LEFT_HAND] = shoulder + 0.36 * arm
    ends[Part.LEFT_FOOT] = (0.055, 0.0, 0)
    for part in np.flatnonzero(SIDE < 0):
        joints[part] = joints[MIRROR[part]] * (-1, 1, 1)
        ends[part] = ends[MIRROR[part]] * (-1, 1, 1)
    return joints, ends


def _assemble(piece: tuple[Floats, Ints], pose: Pose, round_ends: bool) -> SyntheticBody:
    unit, unit_faces = piece
    joints, ends = skeleton(pose)
    starts = joints.copy()
    starts[Part.LOWER_TORSO] = (0, 0.47, 0)
    vertices, faces = [], []
    for part in Part:
        left = part if SIDE[part] >= 0 else Part(MIRROR[part])
        placed = _place(unit, left, starts[left], ends[left], round_ends)
        mirrored = SIDE[part] < 0
        vertices.append(placed * (-1, 1, 1) if mirrored else placed)
        faces.append((unit_faces[:, ::-1] if mirrored else unit_faces) + part * len(unit))
    points = np.concatenate(vertices)
    part_of_vertex = np.repeat(np.arange(N_PARTS), len(unit))
    low, high = points.min(axis=0), points.max(axis=0)
    origin = np.array([0.0, low[1], (low[2] + high[2]) / 2])
    scale = 1 / (high[1] - low[1])
    return SyntheticBody(
        (points - origin) * scale, np.concatenate(faces), part_of_vertex, (joints - origin) * scale
    )


def _place(unit: Floats, part: Part, start: Floats, end: Floats, round_ends: bool) -> Floats:
    """A unit piece (its own Y along the bone) between two points, for a central or left part."""
    axis = end - start
    length = float(np.linalg.norm(axis))
    along = axis / length
    across = np.cross(along, (0.0, 0.0, 1.0))
    if across[0] < 0 or (across[0] == 0 and across[1] < 0):
        across = -across
    half_width, half_depth = HALF_WIDTH[part]
    depth = unit[:, 2] * half_depth + (0.035 if part == Part.LEFT_FOOT else 0.0)
    if round_ends:
        cap = min(half_width, 0.5 * length)
        height = unit[:, 1] * cap + np.sign(unit[:, 1]) * (length / 2 - 0.6 * cap)
        if part in (Part.HEAD, Part.LEFT_FOOT):
            height = unit[:, 1] * length / 2
    else:
        height = unit[:, 1] * length / 2
    placed: Floats = (
        (start + end) / 2
        + (unit[:, :1] * half_width) * across
        + height[:, None] * along
        + depth[:, None] * np.array([0.0, 0.0, 1.0])
    )
    handed = np.linalg.det(np.stack([across, along, (0.0, 0.0, 1.0)]))
    if handed < 0:
        # The piece is symmetric in its own X: turning that axis keeps the winding outward.
        placed = placed - 2 * (unit[:, :1] * half_width) * across
    return placed


def _unit_box(segments: int) -> tuple[Floats, Ints]:
    """A closed box over [-1, 1]³, its vertices shared between its sides."""
    n = segments
    corners, quads = [], []
    steps = np.arange(n + 1)
    a, b = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    i, j = (grid.ravel() for grid in np.meshgrid(steps[:-1], steps[:-1], indexing="ij"))
    cell = np.stack([i * (n + 1) + j, (i + 1) * (n + 1) + j, (i + 1) * (n + 1) + j + 1], axis=1)
    rest = np.stack([cell[:, 0], cell[:, 2], cell[:, 0] + 1], axis=1)
    for axis in range(3):
        for end in (0, n):
            grid = np.empty((len(a), 3), np.int64)
            grid[:, axis] = end
            grid[:, (axis + 1) % 3], grid[:, (axis + 2) % 3] = a, b
            side = np.concatenate([cell, rest]) + len(corners) * len(a)
            quads.append(side if end else side[:, ::-1])
            corners.append(grid)
    points, inverse = np.unique(np.concatenate(corners), axis=0, return_inverse=True)
    return points * (2.0 / n) - 1.0, inverse.reshape(-1)[np.concatenate(quads)]


def _unit_sphere(segments: int) -> tuple[Floats, Ints]:
    """A closed unit sphere with its poles on its Y axis and no vertex on its equator."""
    rings = 2 * max(segments // 4, 2)
    polar = np.pi * (np.arange(rings) + 0.5) / rings
    angle = 2 * np.pi * (np.arange(segments) + 0.5) / segments
    ring = np.stack(
        [
            np.outer(np.sin(polar), np.cos(angle)),
            np.repeat(np.cos(polar)[:, None], segments, axis=1),
            np.outer(np.sin(polar), np.sin(angle)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    points = np.concatenate([ring, [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]])
    faces = []
    top, bottom = rings * segments, rings * segments + 1
    for k in range(segments):
        following = (k + 1) % segments
        faces.append((top, following, k))
        last = (rings - 1) * segments
        faces.append((bottom, last + k, last + following))
        for r in range(rings - 1):
            a, b = r * segments + k, r * segments + following
            faces += [(a, b, b + segments), (a, b + segments, a + segments)]
    return points, np.array(faces, np.int64)


def tube(x: Floats, ring: Floats) -> tuple[Floats, Ints]:
    """An open tube along X, ``ring (s, 2)`` of y and z at each of ``x (r,)``: vertices, faces."""
    rings, segments = len(x), len(ring)
    vertices = np.c_[np.repeat(x, segments), np.tile(ring, (rings, 1))]
    r, s = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    a, b = (r * segments + s).ravel(), (r * segments + (s + 1) % segments).ravel()
    faces = np.concatenate([np.c_[a, b, a + segments], np.c_[b, b + segments, a + segments]])
    return vertices, faces
