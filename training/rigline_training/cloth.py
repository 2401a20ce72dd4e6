"""What hangs on characters: capes, skirts and robes, with wide sleeves.

Capes move with the upper torso, skirts and robes with hips and legs. Under a skirt or a robe the
body is often left out, as in many characters: ``Outfit.hidden`` says where.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rigline.avatar.body import Part
from rigline_training.character import Floats, Piece, basis_along
from rigline_training.lofts import Section, boundary_stations, loft
from rigline_training.outfit import Outfit
from rigline_training.solids import lathe_piece


def cape(o: Outfit) -> None:
    """A curved sheet behind the torso, down to anywhere between chest and ground."""
    rng = o.rng
    length = rng.uniform(0.25, 0.98) * o.neck_height
    rows, columns = 7, 9
    t, a = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1.3, 1.3, columns), indexing="ij")
    flare = 1 + rng.uniform(0, 0.6) * t
    rx, rz = o.shoulder_half * rng.uniform(0.7, 1.4), o.torso_half[2] * rng.uniform(1.0, 1.7)
    x = o.joints[Part.UPPER_TORSO, 0] + rx * np.sin(a) * flare
    z = o.torso_centre[2] - rz * np.cos(a) * flare
    y = o.joints[Part.HEAD, 1] - t * length
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    c = (i * columns + j).ravel()
    faces = np.concatenate(
        [np.stack([c, c + 1, c + columns], 1), np.stack([c + 1, c + columns + 1, c + columns], 1)]
    )
    if o.chance(0.3):
        faces = faces[:, ::-1]
    labels = np.full(len(vertices), int(Part.UPPER_TORSO))
    o.pieces.append(Piece(vertices, faces, labels, name="cape"))


def skirt(o: Outfit) -> None:
    """A skirt or robe around hips and legs, which usually hides what is below it."""
    rng, j, points = o.rng, o.joints, o.points
    root, waist = j[Part.LOWER_TORSO], j[Part.UPPER_TORSO]
    hip_y = (j[9, 1] + j[12, 1]) / 2
    knee_y = (j[10, 1] + j[13, 1]) / 2
    top = root[1] + (waist[1] - root[1]) * rng.uniform(0.3, 1.1)
    share = rng.uniform(0.0, 0.3) if o.chance(0.5) else rng.uniform(0.3, 0.85)
    hem = o.floor + (hip_y - o.floor) * share
    near = np.isin(o.labels, [2, 9, 12]) & (points[:, 1] > hem) & (points[:, 1] < top)
    wide = np.quantile(np.abs(points[near, 0] - root[0]), 0.9) if near.sum() > 20 else 0.0
    r0 = max(wide or o.shoulder_half * 0.8, o.shoulder_half * 0.5) * rng.uniform(0.95, 1.2)
    r1, depth, power = r0 * rng.uniform(1, 1.8), rng.uniform(0.65, 1.0), rng.uniform(0.6, 1.6)
    centre = np.array([root[0], 0, root[2]])
    piece = lathe_piece(
        lambda t: r0 + (r1 - r0) * t**power, top, hem, centre, Part.LOWER_TORSO,
        depth=depth, rings=14, segments=24, name="skirt",
    )  # fmt: skip
    v, faces = piece.vertices, piece.faces
    border = hip_y - rng.uniform(-0.01, 0.05) * o.neck_height
    left = v[:, 0] > root[0]
    upper = np.where(left, Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG)
    labels = np.where(
        v[:, 1] > border, Part.LOWER_TORSO, np.where(v[:, 1] > knee_y, upper, upper + 1)
    )
    if o.chance(0.25):
        labels = np.where(v[:, 1] > knee_y - 0.3 * o.neck_height, Part.LOWER_TORSO, labels)
    if o.chance(0.3):
        slit = rng.uniform(0.2, 0.8) * r0
        middle = v[faces].mean(axis=1)
        faces = faces[~((middle[:, 2] > root[2]) & (np.abs(middle[:, 0] - root[0]) < slit))]
    if len(faces) < 8:
        return
    o.pieces.append(Piece(v, faces, labels.astype(np.int64), name="skirt"))
    if o.chance(0.65):
        o.hidden = _inside_skirt(top, hem, (r0, r1, power), depth, centre)
    if o.chance(0.4):
        _wide_sleeves(o)


def robe(o: Outfit) -> None:
    """A gown from the collar to anywhere below the hips, in one piece with the torso."""
    rng, j = o.rng, o.joints
    waist, hip_y = j[Part.UPPER_TORSO, 1], (j[9, 1] + j[12, 1]) / 2
    knee_y, root = (j[10, 1] + j[13, 1]) / 2, j[Part.LOWER_TORSO]
    top = j[Part.HEAD, 1] - rng.uniform(0.0, 0.03) * o.neck_height
    hem = o.floor + (hip_y - o.floor) * rng.uniform(0.0, 0.7)
    border = hip_y - rng.uniform(-0.01, 0.05) * o.neck_height
    bounds = np.sort([b for b in (knee_y, border, waist) if hem + 0.01 < b < top - 0.01])
    stations, _ = boundary_stations(bounds, hem, top)
    shoulder = o.shoulder_half * rng.uniform(0.8, 1.1)
    belly = shoulder * rng.uniform(0.7, 1.1)
    at, wide = [hem, hip_y, waist, top - 0.1 * (top - waist), top], [0.0, 0.0, belly, shoulder, 0.0]
    wide[1] = belly * rng.uniform(1.0, 1.35)
    wide[0], wide[4] = wide[1] * rng.uniform(1.0, 1.7), shoulder * rng.uniform(0.35, 0.9)
    half_x = np.interp(stations, at, wide)
    depth = float(np.clip(o.torso_half[2] / o.shoulder_half, 0.45, 1.0)) * rng.uniform(0.9, 1.25)
    half = np.stack([half_x, half_x * depth], axis=1)
    section = Section(float(rng.uniform(2, 3)), int(rng.choice([8, 12, 16])))
    piece = loft(stations, half, section, np.zeros(len(stations), int), solid=False, name="robe")
    v = piece.vertices + [root[0], 0, root[2]]
    upper = np.where(v[:, 0] > root[0], Part.LEFT_UPPER_LEG, Part.RIGHT_UPPER_LEG)
    leg = np.where(v[:, 1] > knee_y, upper, upper + 1)
    labels = np.where(v[:, 1] > border, Part.LOWER_TORSO, leg)
    labels = np.where(v[:, 1] > waist, Part.UPPER_TORSO, labels)
    o.pieces.append(Piece(v, piece.faces, labels.astype(np.int64), name="robe"))
    centre = np.array([root[0], 0, root[2]])

    def inside(p: Floats) -> Floats:
        x, z = np.abs(p - centre)[:, [0, 2]].T
        r = np.interp(p[:, 1], stations, half_x) * 0.97
        between = (p[:, 1] > hem) & (p[:, 1] < top)
        return between & (np.hypot(x, z / depth) < r)

    o.hidden = inside
    if o.chance(0.6):
        _wide_sleeves(o)


def _inside_skirt(
    top: float, hem: float, profile: tuple[float, float, float], depth: float, centre: Floats
) -> Callable[[Floats], Floats]:
    r0, r1, power = profile

    def inside(p: Floats) -> Floats:
        t = np.clip((top - p[:, 1]) / (top - hem), 0, 1)
        reach = np.hypot(p[:, 0] - centre[0], (p[:, 2] - centre[2]) / depth)
        return (p[:, 1] < top) & (p[:, 1] > hem) & (reach < 0.97 * (r0 + (r1 - r0) * t**power))

    return inside


def _wide_sleeves(o: Outfit) -> None:
    for b in (Part.LEFT_LOWER_ARM, Part.RIGHT_LOWER_ARM):
        along = o.joints[b + 1] - o.joints[b]
        length = np.linalg.norm(along) + 1e-9
        r = 0.18 * length
        sleeve = lathe_piece(
            lambda t, r=r: r * (1 + 1.2 * t), -0.1 * length, 1.05 * length, o.joints[b], b,
            axes=basis_along(along), name="sleeve",
        )  # fmt: skip
        beyond = (sleeve.vertices - o.joints[b]) @ along < 0
        labels = np.where(beyond, b - 1, b).astype(np.int64)
        o.pieces.append(Piece(sleeve.vertices, sleeve.faces, labels, name="sleeve"))
