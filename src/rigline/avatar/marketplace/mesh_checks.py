"""Checks of the body's meshes: closedness, pieces, triangles, thickness, opacity."""

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
    at_points,
    none_of,
    not_applicable,
    on_parts,
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
from rigline.avatar.mesh import Bools, Floats, Ints, face_areas, islands

GEO_NAMES: Final = tuple(f"{name}_Geo" for name in PART_NAMES)
MIN_AREA: Final = 1e-12
"""A triangle of less area, in squared heights, has none."""

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
    found = body.mesh_names
    absent = [k for k, name in enumerate(GEO_NAMES) if found.count(name) != 1]
    wrong = [f"{GEO_NAMES[k]} ({found.count(GEO_NAMES[k])} times)" for k in absent]
    wrong += [name for name in found if name not in GEO_NAMES]
    what = "meshes missing, doubled or misnamed"
    return none_of(wrong, "fifteen <Part>_Geo", what, on_parts(absent))


def watertight(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Parts with an edge that is not run through as often in one direction as in the other, seams
    welded: the border of a hole, or of triangles that show their backs."""
    if not body.partitioned:
        return not_applicable(NOT_CUT)
    leaking, spots = [], [np.zeros((0, 3))]
    for part in range(1, N_PARTS):
        faces, corners = _welded_faces(body, part)
        open_edges = _unmatched_edges(faces)
        if open_edges.any():
            leaking.append(PART_NAMES[part])
            start, end = corners.ravel()[open_edges], corners[:, [1, 2, 0]].ravel()[open_edges]
            spots.append((body.vertices[start] + body.vertices[end])[:4] / 2)
    marks = at_points(np.concatenate(spots))
    return none_of(leaking, "closed, but for the Head", "open parts", marks)


def _unmatched_edges(faces: Ints) -> Bools:
    """``(3 m,)`` for each directed edge of triangles ``(m, 3)``: whether its reverse is missing."""
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    base = int(faces.max(initial=0)) + 1
    keys, index, counts = np.unique(start * base + end, return_inverse=True, return_counts=True)
    reverse = (keys % base) * base + keys // base
    row = np.minimum(np.searchsorted(keys, reverse), len(keys) - 1)
    back = np.where(keys[row] == reverse, counts[row], 0)
    return np.asarray((counts > back)[index.ravel()])


def pieces(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The most separate pieces of a part, seams welded."""
    if not body.partitioned:
        return not_applicable(NOT_CUT)
    counts = np.zeros(N_PARTS, np.int64)
    for part in range(N_PARTS):
        faces, _ = _welded_faces(body, part)
        if len(faces):
            counts[part] = _pieces_of(faces)[0]
    worst = int(counts.argmax())
    limit = limit_of("mesh.islands", "most")
    many = on_parts(np.flatnonzero(counts > limit))
    return at_most(int(counts[worst]), limit, "pieces", "most pieces", PART_NAMES[worst], many)


def _pieces_of(faces: Ints) -> tuple[int, Ints]:
    """The number of connected pieces, and the piece ``(m,)`` of each triangle."""
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(-1, 3)
    count, label = islands(len(used), local)
    return count, label[local[:, 0]]


def faces_allowed(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Faces that are neither triangles nor quads, and the lines and points that glTF can draw."""
    limit = limit_of("mesh.ngons", "most")
    return at_most(body.other_faces, limit, "faces", "faces that are no triangle or quad")


def degenerate(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Triangles without area."""
    flat = face_areas(body.vertices, body.faces) <= MIN_AREA * body.height**2
    limit = limit_of("mesh.degenerate", "most")
    where = f"triangle {int(flat.argmax())}" if flat.any() else ""
    marks = at_points(body.vertices[body.faces[flat][:, 0]])
    return at_most(int(flat.sum()), limit, "triangles", "triangles without area", where, marks)


def thickness(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The mean thickness of the thinnest part: twice the volume of its pieces over their area."""
    if not body.partitioned:
        return not_applicable(NOT_CUT)
    thin: dict[int, float] = {}
    for part in range(N_PARTS):
        faces, corners = _welded_faces(body, part)
        area = float(face_areas(body.vertices, corners).sum())
        if area > 0:
            volume = _volume(body.vertices, corners, _pieces_of(faces)[1])
            thin[part] = 2 * volume / area * body.studs_per_unit
    if not thin:
        return not_applicable("No part has a surface.")
    worst = min(thin, key=lambda part: thin[part])
    limit = limit_of("mesh.thickness", "least")
    marks = on_parts(part for part, depth in thin.items() if depth < limit)
    return at_least(thin[worst], limit, "studs", "thinnest part", PART_NAMES[worst], marks)


def _volume(vertices: Floats, faces: Ints, piece: Ints) -> float:
    """What the pieces enclose together, each measured from its own middle."""
    triangles = vertices[faces]
    count = np.bincount(piece)
    centre = np.stack(
        [np.bincount(piece, triangles[:, :, k].mean(axis=1)) / count for k in range(3)], axis=1
    )
    a, b, c = np.moveaxis(triangles - centre[piece][:, None], 1, 0)
    signed = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    return float(np.abs(np.bincount(piece, signed)).sum())


def part_axes(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Parts with an axis too short or too long."""
    least, most = limit_of("mesh.part_axes", "least"), limit_of("mesh.part_axes", "most")
    wrong = {
        part: f"{PART_NAMES[part]} ({size.min():.3f} to {size.max():.2f})"
        for part, size in _part_sizes(body).items()
        if size.min() < least or size.max() > most
    }
    limit = f"{least:g} to {most:g} studs"
    return none_of(list(wrong.values()), limit, "parts out of bounds", on_parts(wrong))


def transforms(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Meshes whose node, or what it hangs on, turns or scales them."""
    if body.mesh_turns is None or len(body.mesh_turns) != len(body.mesh_names):
        return not_applicable("Nothing is known of the meshes' nodes.")
    limit = limit_of("mesh.transforms", "tolerance")
    off = np.abs(body.mesh_turns - np.eye(3)).max(axis=(1, 2))
    turned = [name for name, gap in zip(body.mesh_names, off, strict=True) if not gap <= limit]
    own = on_parts(k for k, name in enumerate(GEO_NAMES) if name in turned)
    what = "meshes turned or scaled"
    return none_of(turned, f"identity within {limit:g}", what, own)


def triangles(group: str, body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Triangles of a group of parts, the larger side for limbs."""
    counts = np.bincount(body.face_part, minlength=N_PARTS)
    numbers = [int(counts[list(members)].sum()) for members in TRIANGLE_GROUPS[group]]
    where = ("left", "right")[int(np.argmax(numbers))] if len(numbers) == 2 else ""
    limit, what = limit_of(f"triangles.{group}", "most"), f"triangles of the {group}"
    marks = on_parts(TRIANGLE_GROUPS[group][int(np.argmax(numbers))])
    return at_most(max(numbers), limit, "triangles", what, where, marks)


def opaque(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Whether every material is opaque."""
    if body.opaque is None:
        return not_applicable("Nothing is known of the materials.")
    words = "opaque" if body.opaque else "transparent"
    message = f"The materials are {words}"
    return Finding(body.opaque, words, "opaque", message, marks=on_parts(Part))


def _welded_faces(body: AvatarUnderTest, part: int) -> tuple[Ints, Ints]:
    """The triangles ``(m, 3)`` of a part over welded vertices, without collapsed ones, and the same
    triangles over the body's own vertices."""
    own = (body.part[body.faces] == part).all(axis=1)
    merged = body.welded_faces[own]
    kept = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2])
    kept &= merged[:, 2] != merged[:, 0]
    return np.asarray(merged[kept]), np.asarray(body.faces[own][kept])


def _part_sizes(body: AvatarUnderTest) -> dict[int, Floats]:
    """Extent ``(3,)`` in studs of each part that has vertices, arms hanging."""
    return {
        part: np.ptp(hanging(own, part, body.joints), axis=0) * body.studs_per_unit
        for part in range(N_PARTS)
        if len(own := body.of_part(part))
    }


CHECKS: Final[dict[str, Callable[[AvatarUnderTest, CheckSettings], Finding]]] = {
    "mesh.parts": parts,
    "mesh.watertight": watertight,
    "mesh.islands": pieces,
    "mesh.ngons": faces_allowed,
    "mesh.degenerate": degenerate,
    "mesh.thickness": thickness,
    "mesh.part_axes": part_axes,
    "mesh.transforms": transforms,
    **{f"triangles.{group}": partial(triangles, group) for group in TRIANGLE_GROUPS},
    "visibility.opaque": opaque,
}
