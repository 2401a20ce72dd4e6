"""Cages pushed out of the body, and laid onto a template that the user brought along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES, SWAP, Part
from rigline.avatar.cage import OuterCage, body_samples, fit_cage
from rigline.avatar.cage_kernel import INFLATION
from rigline.avatar.cage_template import template
from rigline.avatar.marketplace.rules import limit_of
from rigline.avatar.mesh import Floats, Ints, face_cross
from rigline.avatar.solid import barycentric
from rigline.avatar.surface_queries import lattice_samples, nearest_on_surface, winding_numbers
from rigline.errors import InvalidInput

ROUNDS: Final = 3
FACING_SHARE: Final = 0.12
"""So much of a part's template, that nearest to its parent's, stands around its joint."""

SAME_PLACE: Final = 1e-4
BOX_SHARE: Final = 0.97
"""So much of what the rule on boxes allows is made use of."""


def pushed_out(cage: OuterCage, vertices: Floats, faces: Ints, part: Ints) -> OuterCage:
    """The cage with the vertices that the body encloses brought just outside of its surface.

    Arrays and frame as in ``fit_cage``. Vertices at one place stay at one place.
    """
    samples = body_samples(vertices, faces, part)
    cross = face_cross(vertices, faces)
    normal = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    placed = cage.vertices.copy()
    wanted = np.flatnonzero(~template().is_pole)  # poles close the tubes and belong inside
    for _ in range(ROUNDS):
        inside = np.abs(winding_numbers(placed[wanted], vertices, faces)) > 0.5
        wanted = wanted[inside]
        if not len(wanted):
            break
        nearest, face = nearest_on_surface(placed[wanted], vertices, faces, samples)
        placed[wanted] = nearest + INFLATION * normal[face]
    return OuterCage(placed)


def boxed(cage: OuterCage, vertices: Floats, part: Ints, slack: float) -> OuterCage:
    """The cage with no part's box much larger than the box of the part of the body in it.

    What a hand holds, or a broad neighbour, may have widened a cage beyond what the rule
    ``cage.box`` allows. ``vertices (N, 3)`` and ``slack`` in one unit, ``part (N,)``. Vertices at
    one place stay at one place.
    """
    most = limit_of("cage.box", "most") * BOX_SHARE
    placed = cage
    for number in range(N_PARTS):
        own = vertices[part == number]
        if not len(own):
            continue
        low, high = own.min(axis=0), own.max(axis=0)
        reach = most * (high - low) + BOX_SHARE * slack
        rows = np.flatnonzero(template().part == number)
        points = placed.vertices[rows]
        middle = np.clip((points.min(axis=0) + points.max(axis=0)) / 2, low, high)
        wide = np.ptp(points, axis=0) > reach
        kept = np.where(wide, np.clip(points, middle - reach / 2, middle + reach / 2), points)
        moved = (kept != points).any(axis=1)
        if moved.any():
            placed = placed.with_vertices(rows[moved], kept[moved])
    return placed


@dataclass(frozen=True, eq=False)
class CageMeshes:
    """Fifteen cages: ``vertices (C, 3)``, ``faces (F, 3)``, ``uvs (C, 2)``, ``part (C,)``; vertices
    and faces of one part follow one another, in the order of the parts."""

    vertices: Floats
    faces: Ints
    uvs: Floats
    part: Ints

    def __post_init__(self) -> None:
        missing = [PART_NAMES[p] for p in range(N_PARTS) if not (self.part == p).any()]
        if missing:
            raise InvalidInput(
                f"The cage template lacks {missing[0]}_OuterCage.",
                remedy="It needs the fifteen meshes <Part>_OuterCage.",
            )

    def of_part(self, part: int) -> tuple[Ints, Ints]:
        """The vertices of a part, and its faces over them."""
        own = np.flatnonzero(self.part == part)
        rows = self.part[self.faces[:, 0]] == part
        return own, self.faces[rows] - own[0]


def own_cages(cage: OuterCage) -> CageMeshes:
    """Our own template around a body."""
    topology = template()
    return CageMeshes(cage.vertices, topology.faces, topology.uvs, topology.part)


def onto_template(user: CageMeshes, cage: OuterCage) -> CageMeshes:
    """The user's template around the body that ``cage`` was laid around, its UVs and faces kept.

    Our own cage is laid around the template as if it were a body. Each vertex of the template is
    then a place on it, and goes to the same place on the body's cage. Vertices that are at one
    place in the template stay so.
    """
    stood = _standing(user)
    joints = _joints_of(stood)
    around = fit_cage(stood.vertices, stood.faces, stood.part, joints)
    topology = template()
    placed = np.zeros_like(stood.vertices)
    for part in range(N_PARTS):
        own = np.flatnonzero(user.part == part)
        faces = topology.faces[topology.face_slices[part]]
        samples = lattice_samples(around.vertices, faces, 0.01, 4000)
        nearest, face = nearest_on_surface(stood.vertices[own], around.vertices, faces, samples)
        corners = faces[face]
        share = barycentric(nearest, *(around.vertices[corners[:, k]] for k in range(3)))
        placed[own] = np.einsum("qk,qkx->qx", share, cage.vertices[corners])
    return replace(user, vertices=_kept_together(stood.vertices, placed))


def _standing(user: CageMeshes) -> CageMeshes:
    """The template upright on the floor with height 1, its left at +X."""
    points = user.vertices
    left = points[user.part == Part.LEFT_HAND, 0].mean()
    if left < points[user.part == Part.RIGHT_HAND, 0].mean():
        points = points * [-1.0, 1.0, -1.0]
    low, high = points.min(axis=0), points.max(axis=0)
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    return replace(user, vertices=(points - origin) / max(float(high[1] - low[1]), 1e-9))


def _joints_of(user: CageMeshes) -> Floats:
    """Joints ``(15, 3)``: where the cages of two parts are nearest to each other."""
    joints = np.zeros((N_PARTS, 3))
    for part in range(N_PARTS):
        if PARENT[part] < 0:
            continue
        own = user.vertices[user.part == part]
        distance = np.asarray(cKDTree(user.vertices[user.part == PARENT[part]]).query(own)[0])
        joints[part] = own[distance <= np.quantile(distance, FACING_SHARE)].mean(axis=0)
    joints[Part.LOWER_TORSO] = joints[[Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG]].mean(axis=0)
    # Templates are symmetric; where the nearest vertices happen to lie is not.
    return 0.5 * (joints + joints[SWAP] * [-1.0, 1.0, 1.0])


def _kept_together(before: Floats, after: Floats) -> Floats:
    """``after`` with the mean place for vertices that shared one ``before``."""
    _, place = np.unique(np.round(before / SAME_PLACE), axis=0, return_inverse=True)
    place = place.reshape(-1)
    count = np.bincount(place)
    mean = np.stack([np.bincount(place, after[:, k]) / count for k in range(3)], axis=1)
    return np.asarray(mean[place])
