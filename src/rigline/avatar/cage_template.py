"""The topology of Rigline's own outer cage: fifteen closed tubes of rings and segments.

A part's tube is a pole, a number of rings around the part's axis, and a second pole. The first
vertex of each ring is doubled at its end, so that the UV layout can be cut there; both copies
always lie at the same place. Each part fills its own rectangle of one UV atlas.

The template is our own: made by this module from four small numbers a part, and related to no
published cage. It says nothing about positions; :mod:`rigline.avatar.cage` finds those.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PART_NAMES, SIDE
from rigline.avatar.cage_kernel import RINGS, SEGMENTS
from rigline.avatar.mesh import Bools, Floats, Ints

CAGE_NAMES: Final = tuple(f"{name}_OuterCage" for name in PART_NAMES)
"""Names of the fifteen cage meshes in an output file."""

ATLAS_COLUMNS: Final = 4
ATLAS_MARGIN: Final = 0.01


@dataclass(frozen=True, eq=False)
class CageTemplate:
    """The fixed topology of the outer cage; C vertices and F triangles in all.

    ``faces (F, 3)`` int64, wound outwards; ``uvs (C, 2)`` in [0, 1]; ``part (C,)``; ``twin (C,)``
    the first vertex that shares each vertex's place (itself but for the doubled seam);
    ``ring (C,)`` the ring within its part, -1 and R for the poles; ``t (C,)`` in [0, 1] along the
    part's axis, from the joint outwards (LowerTorso: from the crotch upwards); ``angle_rad (C,)``
    around it, 0 at the back. ``vertex_slices`` and ``face_slices`` hold one slice a part.

    Left and right parts mirror each other, vertex ``i`` of one for vertex ``i`` of the other.
    """

    faces: Ints
    uvs: Floats
    part: Ints
    twin: Ints
    ring: Ints
    t: Floats
    angle_rad: Floats
    vertex_slices: tuple[slice, ...]
    face_slices: tuple[slice, ...]

    @property
    def n_vertices(self) -> int:
        """C, the same for every character."""
        return len(self.part)

    @property
    def is_pole(self) -> Bools:
        """``(C,)`` bool: the two vertices that cap each part."""
        rings = np.array(RINGS)[self.part]
        return np.asarray((self.ring < 0) | (self.ring == rings))


@cache
def template() -> CageTemplate:
    """The template; always the same, its arrays are read-only."""
    sizes = [rings * (segments + 1) + 2 for rings, segments in zip(RINGS, SEGMENTS, strict=True)]
    starts = np.cumsum([0, *sizes])
    parts = list(zip(range(N_PARTS), RINGS, SEGMENTS, starts.tolist(), strict=False))
    faces = [_part_faces(part, rings, segments) + start for part, rings, segments, start in parts]
    face_starts = np.cumsum([0, *(len(f) for f in faces)])
    grids = [_tube_grid(rings, segments) for _, rings, segments, _ in parts]
    made = CageTemplate(
        faces=np.concatenate(faces),
        uvs=np.concatenate(
            [_tube_uvs(part, rings, segments) for part, rings, segments, _ in parts]
        ),
        part=np.repeat(np.arange(N_PARTS), sizes),
        twin=np.concatenate([_tube_twins(r, s) + start for _, r, s, start in parts]),
        ring=np.concatenate([ring for ring, _ in grids]),
        t=np.concatenate(
            [
                np.clip(ring / (rings - 1), 0.0, 1.0)
                for (ring, _), rings in zip(grids, RINGS, strict=True)
            ]
        ),
        angle_rad=np.concatenate(
            [
                2 * np.pi * column / segments
                for (_, column), segments in zip(grids, SEGMENTS, strict=True)
            ]
        ),
        vertex_slices=tuple(slice(int(a), int(b)) for a, b in pairwise(starts)),
        face_slices=tuple(slice(int(a), int(b)) for a, b in pairwise(face_starts)),
    )
    for array in (made.faces, made.uvs, made.part, made.twin, made.ring, made.t, made.angle_rad):
        array.setflags(write=False)
    return made


def _part_faces(part: int, rings: int, segments: int) -> Ints:
    """A tube's triangles, the other way round on the right side, which is a mirror image."""
    faces = _tube_faces(rings, segments)
    return faces[:, ::-1] if SIDE[part] < 0 else faces


def _tube_grid(rings: int, segments: int) -> tuple[Ints, Floats]:
    """Ring and column of each vertex of a tube; poles are rings -1 and R, at column 0."""
    ring = np.repeat(np.arange(rings), segments + 1)
    column = np.tile(np.arange(segments + 1), rings)
    return np.concatenate([[-1], ring, [rings]]), np.concatenate([[0.0], column, [0.0]])


def _tube_twins(rings: int, segments: int) -> Ints:
    """For each vertex of a tube the first one at the same place."""
    twins = np.arange(rings * (segments + 1) + 2)
    first = 1 + np.arange(rings) * (segments + 1)
    twins[first + segments] = first
    return twins


def _tube_faces(rings: int, segments: int) -> Ints:
    """Triangles of a tube, outward where (angle 0, angle 90°, axis) is a right-handed frame."""
    column = np.arange(segments)
    ring = np.arange(rings - 1)[:, None] * (segments + 1) + 1
    a = (ring + column).ravel()
    above = a + segments + 1
    sides = np.stack([a, a + 1, above + 1, a, above + 1, above], axis=1).reshape(-1, 3)
    first, last = 1 + column, 1 + (rings - 1) * (segments + 1) + column
    start_pole = np.zeros(segments, np.int64)
    end_pole = np.full(segments, rings * (segments + 1) + 1)
    return np.concatenate(
        [
            np.stack([start_pole, first + 1, first], axis=1),
            sides,
            np.stack([end_pole, last, last + 1], axis=1),
        ]
    )


def _tube_uvs(part: int, rings: int, segments: int) -> Floats:
    """The tube unrolled in the part's own rectangle; U runs the other way on the right side.

    With the winding turned too, every triangle of the atlas has the same orientation.
    """
    ring, column = _tube_grid(rings, segments)
    u = column / segments
    u[[0, -1]] = 0.5
    if SIDE[part] < 0:
        u = 1 - u
    v = (ring + 1) / (rings + 1)
    size = 1 / ATLAS_COLUMNS
    row, cell = divmod(part, ATLAS_COLUMNS)
    inner = size - 2 * ATLAS_MARGIN
    return np.stack(
        [cell * size + ATLAS_MARGIN + u * inner, row * size + ATLAS_MARGIN + v * inner], axis=1
    )
