"""Checks of the body's meshes: closedness, pieces, triangles, thickness, visibility."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PART_NAMES, Part
from rigline.avatar.marketplace.results import (
    Finding,
    at_least,
    at_most,
    none_of,
    not_applicable,
)
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.shape_checks import (
    LEFT_ARM,
    LEFT_LEG,
    RIGHT_ARM,
    RIGHT_LEG,
    TORSO,
    hanging,
)
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.mesh import Floats, Ints, face_areas, islands, weld
from rigline.avatar.surface_queries import lattice_samples

GEO_NAMES: Final = tuple(f"{name}_Geo" for name in PART_NAMES)
MIN_AREA: Final = 1e-12
"""A triangle of less area, in squared heights, has none."""

RASTER: Final = 24
"""Cells a side of the raster that coverage is counted on."""

NOT_CUT: Final = "The body is one mesh: this is judged once it is cut into fifteen."
TRIANGLE_GROUPS: Final = {
    "head": ((Part.HEAD,),),
    "torso": (TORSO,),
    "arm": (LEFT_ARM, RIGHT_ARM),
    "leg": (LEFT_LEG, RIGHT_LEG),
    "total": (tuple(Part),),
}


def parts(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The names of the meshes."""
    if not body.partitioned:
        return not_applicable(NOT_CUT)
    found = body.mesh_names
    wrong = [f"{name} ({found.count(name)} times)" for name in GEO_NAMES if found.count(name) != 1]
    wrong += [name for name in found if name not in GEO_NAMES]
    return none_of(wrong, "fifteen <Part>_Geo", "meshes missing, doubled or misnamed")


def watertight(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Parts with an edge that does not belong to just two triangles, seams welded."""
    if not body.partitioned:
        return not_applicable(NOT_CUT)
    leaking = []
    for part in range(1, N_PARTS):
        faces = _welded_faces(body, part)
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        counts = np.unique(edges, axis=0, return_counts=True)[1]
        if (counts != 2).any():
            leaking.append(PART_NAMES[part])
    return none_of(leaking, "closed, but for the Head", "open parts")


def pieces(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The most separate pieces of a part, seams welded."""
    if not body.partitioned:
        return not_applicable(NOT_CUT)
    counts = np.zeros(N_PARTS, np.int64)
    for part in range(N_PARTS):
        faces = _welded_faces(body, part)
        if len(faces):
            used, local = np.unique(faces, return_inverse=True)
            counts[part] = islands(len(used), local.reshape(-1, 3))[0]
    worst = int(counts.argmax())
    limit = limit_of("mesh.islands", "most")
    return at_most(int(counts[worst]), limit, "pieces", "most pieces", PART_NAMES[worst])


def triangles_only(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Always so here: the body arrives as triangles."""
    return Finding(True, "triangles", "triangles", "Every face is a triangle")


def degenerate(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Triangles without area."""
    flat = face_areas(body.vertices, body.faces) <= MIN_AREA * body.height**2
    limit = limit_of("mesh.degenerate", "most")
    where = f"triangle {int(flat.argmax())}" if flat.any() else ""
    return at_most(int(flat.sum()), limit, "triangles", "triangles without area", where)


def thickness(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The thinnest axis of any part's box."""
    thin = {name: float(size.min()) for name, size in _part_sizes(body).items()}
    where = min(thin, key=lambda name: thin[name])
    limit = limit_of("mesh.thickness", "least")
    return at_least(thin[where], limit, "studs", "thinnest part", where)


def part_axes(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Parts with an axis too short or too long."""
    least, most = limit_of("mesh.part_axes", "least"), limit_of("mesh.part_axes", "most")
    wrong = [
        f"{name} ({size.min():.3f} to {size.max():.2f})"
        for name, size in _part_sizes(body).items()
        if size.min() < least or size.max() > most
    ]
    return none_of(wrong, f"{least:g} to {most:g} studs", "parts out of bounds")


def transforms(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Not seen in arrays: whoever writes the file keeps the meshes' nodes at identity."""
    return not_applicable("Vertices arrive with every transform applied.")


def triangles(group: str, body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Triangles of a group of parts, the larger side for limbs."""
    counts = np.bincount(body.face_part, minlength=N_PARTS)
    numbers = [int(counts[list(members)].sum()) for members in TRIANGLE_GROUPS[group]]
    where = ("left", "right")[int(np.argmax(numbers))] if len(numbers) == 2 else ""
    limit = limit_of(f"triangles.{group}", "most")
    return at_most(max(numbers), limit, "triangles", f"triangles of the {group}", where)


def opaque(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Whether every material is opaque."""
    if body.opaque is None:
        return not_applicable("Nothing is known of the materials.")
    words = "opaque" if body.opaque else "transparent"
    return Finding(body.opaque, words, "opaque", f"The materials are {words}")


def coverage(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The least share of a part's box that it covers, seen along Z (front, back) and X (side).

    Orthographic raster; without occlusion the front and the back show one outline.
    """
    shares: dict[str, float] = {}
    for part in range(N_PARTS):
        faces = body.faces[body.face_part == part]
        if len(faces):
            used, local = np.unique(faces, return_inverse=True)
            points = hanging(body.vertices[used], part, body.joints)
            for view, axes in (("front", (0, 1)), ("side", (2, 1))):
                name = f"{PART_NAMES[part]} ({view})"
                shares[name] = _raster_share(points[:, axes], local.reshape(-1, 3))
    where = min(shares, key=lambda name: shares[name])
    limit = limit_of("visibility.coverage", "least")
    return at_least(shares[where], limit, "of the box", "least coverage", where)


def _raster_share(points: Floats, faces: Ints) -> float:
    """The share of the raster over the points' box that their triangles touch."""
    low, size = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-12)
    flat = np.zeros((len(points), 3))
    flat[:, :2] = (points - low) / size
    samples = lattice_samples(flat, faces, 0.5 / RASTER, 200_000).points[:, :2]
    cell = np.minimum((samples * RASTER).astype(np.int64), RASTER - 1)
    touched = np.zeros((RASTER, RASTER), bool)
    touched[cell[:, 0], cell[:, 1]] = True
    return float(touched.mean())


def _welded_faces(body: AvatarUnderTest, part: int) -> Ints:
    """The triangles of a part over welded vertices, without collapsed ones."""
    faces = body.faces[(body.part[body.faces] == part).all(axis=1)]
    if not len(faces):
        return np.asarray(faces)
    merged = weld(body.vertices)[1][faces]
    kept = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2])
    return np.asarray(merged[kept & (merged[:, 2] != merged[:, 0])])


def _part_sizes(body: AvatarUnderTest) -> dict[str, Floats]:
    """Extent ``(3,)`` in studs of each part that has vertices, arms hanging."""
    return {
        name: np.ptp(hanging(own, part, body.joints), axis=0) * body.studs_per_unit
        for part, name in enumerate(PART_NAMES)
        if len(own := body.of_part(part))
    }


CHECKS: Final[dict[str, Callable[[AvatarUnderTest, CheckSettings], Finding]]] = {
    "mesh.parts": parts,
    "mesh.watertight": watertight,
    "mesh.islands": pieces,
    "mesh.ngons": triangles_only,
    "mesh.degenerate": degenerate,
    "mesh.thickness": thickness,
    "mesh.part_axes": part_axes,
    "mesh.transforms": transforms,
    **{f"triangles.{group}": partial(triangles, group) for group in TRIANGLE_GROUPS},
    "visibility.opaque": opaque,
    "visibility.coverage": coverage,
}
