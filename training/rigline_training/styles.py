"""Stylisation of realistic bodies: proportions, big heads, blocks, decimation, rigid pieces."""

from __future__ import annotations

import numpy as np
from fast_simplification import simplify
from scipy.spatial import cKDTree

from rigline.avatar.body import N_PARTS, PARENT, Part
from rigline.avatar.mesh import vertex_normals
from rigline_training import garments
from rigline_training.anny_bodies import AnnyBodies
from rigline_training.blocky import segment_widths
from rigline_training.character import Character, Floats, Piece, basis_along
from rigline_training.lofts import Section, loft, placed
from rigline_training.posing import bone_directions, deform, random_pose
from rigline_training.solids import KINDS, solid_piece

SHELLS = (
    (1, 2), (1, 3, 6), (2, 9, 12), (9, 10, 12, 13), (11, 14), (10, 11, 13, 14),
    (5, 8), (4, 5, 7, 8), (3, 4, 6, 7), (1,), (1, 2, 9, 12), (0,),
)  # fmt: skip
"""Sets of parts that one garment or piece of armour covers."""


def _about_one(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))


def proportions(rng: np.random.Generator, level: float) -> Floats:
    """(15, 3) left-right symmetric scales: along each part and across it twice."""
    g = lambda spread: _about_one(rng, spread * level)  # noqa: E731
    mild = rng.random() < 0.75
    large = rng.uniform(0.3, max(0.95 * level, 0.4))
    head = np.exp(rng.uniform(-0.15, 0.55 * level) if mild else large)
    scales = np.ones((N_PARTS, 3))
    scales[Part.HEAD] = head * np.array([g(0.1), g(0.12), g(0.1)])
    scales[Part.UPPER_TORSO] = g(0.18), g(0.22), g(0.22)
    scales[Part.LOWER_TORSO] = g(0.18), g(0.2), g(0.2)
    arm, arm_width, leg, leg_width = g(0.22), g(0.3), g(0.25), g(0.28)
    limbs = {
        Part.LEFT_UPPER_ARM: (arm * g(0.1), arm_width * g(0.2), arm_width * g(0.2)),
        Part.LEFT_LOWER_ARM: (arm * g(0.12), arm_width * g(0.25), arm_width * g(0.25)),
        Part.LEFT_HAND: (g(0.25) * min(arm_width, 1.6), g(0.25) * arm_width, g(0.3) * arm_width),
        Part.LEFT_UPPER_LEG: (leg * g(0.1), leg_width * g(0.15), leg_width * g(0.15)),
        Part.LEFT_LOWER_LEG: (leg * g(0.12), leg_width * g(0.25), leg_width * g(0.25)),
        Part.LEFT_FOOT: (g(0.25) * leg_width**0.5, g(0.25) * leg_width, g(0.3) * leg_width),
    }
    for part, scale in limbs.items():
        scales[part] = scales[part + 3] = scale
    scales = np.clip(scales, 0.35, 3.2)
    if rng.random() < 0.1:
        scales *= np.exp(rng.normal(0, 0.06, scales.shape))
    return _exaggerate(rng, scales)


def _exaggerate(rng: np.random.Generator, scales: Floats) -> Floats:
    """Now and then: chibi proportions, huge hands, huge feet, a barrel of a torso."""
    hands, feet = [Part.LEFT_HAND, Part.RIGHT_HAND], [Part.LEFT_FOOT, Part.RIGHT_FOOT]
    if rng.random() < 0.25:
        short, wide = rng.uniform(0.4, 0.9), rng.uniform(0.7, 1.4)
        scales[3:15, 0] *= short
        scales[3:15, 1:] *= wide
        scales[hands + feet, 0] *= 1.2
        wanted = rng.uniform(1.2, 2.3) / max(scales[Part.HEAD, 0], 0.6)
        scales[Part.HEAD] *= wanted * np.array([1, rng.uniform(0.9, 1.35), rng.uniform(0.9, 1.2)])
        scales[[Part.UPPER_TORSO, Part.LOWER_TORSO], 0] *= rng.uniform(0.6, 1.0)
    if rng.random() < 0.15:
        g = rng.uniform(1.1, 2.0)
        scales[hands] *= [g**0.3, g, g]
    if rng.random() < 0.15:
        scales[feet, 1:] *= rng.uniform(1.1, 1.8)
    if rng.random() < 0.08:
        g = rng.uniform(1.2, 2.0)
        scales[Part.UPPER_TORSO, 1:] *= g * np.array([1, rng.uniform(0.8, 1.0)])
        scales[Part.LOWER_TORSO, 1:] *= g**0.6
    return scales


def _swollen(
    rng: np.random.Generator, vertices: Floats, source: AnnyBodies, level: float
) -> Floats:
    """Parts inflated or thinned along the normals, and now and then a wavy surface."""
    normals = vertex_normals(vertices, source.faces)
    out = vertices
    if rng.random() < 0.5:
        thick = rng.uniform(-0.004, 0.02, N_PARTS) * level
        thick[[6, 7, 8, 12, 13, 14]] = thick[[3, 4, 5, 9, 10, 11]]
        out = out + normals * (source.weights @ thick)[:, None]
    if rng.random() < 0.3:
        for _ in range(4):
            wave = np.sin(vertices @ rng.normal(0, 12, 3) + rng.uniform(0, 6))
            out = out + normals * (wave * rng.uniform(0, 0.005))[:, None]
    return out


def _squared(
    rng: np.random.Generator, vertices: Floats, source: AnnyBodies, joints: Floats, along: Floats
) -> Floats:
    """Round cross-sections pushed towards rectangles, as blocky characters have."""
    strength, out = rng.uniform(0.3, 1), vertices.copy()
    centred = (Part.HEAD, Part.UPPER_TORSO, Part.LOWER_TORSO, Part.LEFT_FOOT, Part.RIGHT_FOOT)
    for p in range(N_PARTS):
        if p in (5, 8, 11, 14) and rng.random() < 0.6:
            continue
        near = np.flatnonzero(source.weights[:, p] > 0.02)
        mine = near[source.labels[near] == p]
        axes = basis_along(along[p])[:, [0, 2]]
        centre = vertices[mine].mean(axis=0) if p in centred else joints[p]
        reach = np.percentile(np.abs((vertices[mine] - centre) @ axes), 92, axis=0) + 1e-4
        flat = (vertices[near] - centre) @ axes
        unit = flat / reach
        round_, square = np.linalg.norm(unit, axis=1), np.abs(unit).max(axis=1) + 1e-6
        grow = (np.clip(round_ / square, 1, 1.5) ** strength - 1) * np.minimum(1, round_)
        out[near] += source.weights[near, p : p + 1] * ((grow[:, None] * flat) @ axes.T)
    return out


def _decimated(rng: np.random.Generator, body: Piece) -> Piece:
    """The body at 350 to 6,000 triangles; labels follow the nearest original vertex."""
    target = int(np.exp(rng.uniform(np.log(350), np.log(6000))))
    vertices, faces = simplify(
        body.vertices.astype(np.float32),
        body.faces.astype(np.int32),
        target_count=target,
        agg=8 if target > 1000 else 9,
    )
    if len(faces) < 200:
        return body
    nearest = cKDTree(body.vertices).query(vertices)[1]
    return Piece(vertices.astype(float), faces.astype(np.int64), body.labels[nearest])


def _primitive_head(rng: np.random.Generator, body: Piece) -> tuple[Piece, ...]:
    """The body with a primitive in place of its head, above the neck."""
    points = body.vertices[body.labels == Part.HEAD]
    low, high = np.quantile(points, 0.03, axis=0), np.quantile(points, 0.97, axis=0)
    keep = (body.labels != Part.HEAD) | (body.vertices[:, 1] < low[1] + 0.15 * (high - low)[1])
    faces = body.faces[keep[body.faces].all(axis=1)]
    half = (high - low) / 2 * rng.uniform(0.8, 1.35) * rng.uniform(0.85, 1.2, 3)
    kind = rng.choice(["box", "ellipsoid", "cylinder", "capsule"])
    head = solid_piece(kind, half, (low + high) / 2, Part.HEAD, name="head")
    return Piece(body.vertices, faces, body.labels), head


def _rigid_pieces(rng: np.random.Generator, body: Piece, joints: Floats) -> tuple[Piece, ...]:
    """The body cut into one loose piece a part, each shrunk or swollen about its own centre."""
    pieces = []
    face_part = np.median(body.labels[body.faces], axis=1).astype(np.int64)
    across = rng.uniform(0.85, 1.25)
    for p in range(N_PARTS):
        faces = body.faces[face_part == p]
        if len(faces) < 4:
            continue
        used, local = np.unique(faces, return_inverse=True)
        points = body.vertices[used]
        centre = points.mean(axis=0)
        grow = rng.uniform(0.82, 1.02) * (across if p >= 3 else 1.0)
        pieces.append(
            Piece(centre + (points - centre) * grow, local.reshape(-1, 3), np.full(len(used), p))
        )
    if rng.random() < 0.5:
        radius = rng.uniform(0.012, 0.035) * np.ptp(body.vertices[:, 1])
        pieces += [
            solid_piece("ellipsoid", np.full(3, radius), joints[p], p, detail=1)
            for p in range(3, N_PARTS)
        ]
    return tuple(pieces)


def _fitted_solids(
    rng: np.random.Generator, body: Piece, joints: Floats, along: Floats
) -> tuple[Piece, ...]:
    """One rigid solid a part, as wide as the body there: dolls, robots, suits of plates.

    Limbs may taper, overlap or leave gaps; balls may sit in the joints.
    """
    section = Section(float(rng.choice([2.0, 3.0, 9.0])), int(rng.choice([4, 6, 8, 12])))
    tapered, kind = rng.random() < 0.6, str(rng.choice(KINDS))
    gap = rng.uniform(-0.12, 0.25) if rng.random() < 0.7 else 0.0
    widths = np.full(N_PARTS, rng.uniform(0.8, 1.35))
    for first in (Part.LEFT_UPPER_ARM, Part.LEFT_UPPER_LEG):
        factors = segment_widths(rng)
        for b in (int(first), int(first) + 3):
            widths[[b, b + 1]] *= factors
    pieces = []
    for p in range(N_PARTS):
        mine = body.vertices[body.labels == p]
        if len(mine) < 6:
            continue
        axes = basis_along(along[p])
        local = (mine - joints[p]) @ axes
        low, high = np.quantile(local, [0.04, 0.96], axis=0)
        centre, half = (low + high) / 2, (high - low) / 2 * [widths[p], 1 - gap, widths[p]]
        if tapered and p != Part.HEAD:
            piece = _tapered(local, centre, half, section, p)
            pieces.append(placed(piece, axes, joints[p]))
        else:
            at = joints[p] + axes @ centre
            pieces.append(solid_piece(kind, half, at, p, axes, detail=int(rng.integers(1, 4))))
    if rng.random() < 0.5:
        radius = rng.uniform(0.012, 0.035) * np.ptp(body.vertices[:, 1])
        own = rng.random() < 0.7
        pieces += [
            solid_piece(
                "ellipsoid", np.full(3, radius), joints[p], p if own else PARENT[p], detail=1
            )
            for p in range(3, N_PARTS)
        ]
    return tuple(pieces)


def _tapered(local: Floats, centre: Floats, half: Floats, section: Section, part: int) -> Piece:
    """A loft through the widths of a part's points near its two ends and in the middle."""
    stations = centre[1] + half[1] * np.array([-1.0, 0.0, 1.0])
    reach = np.maximum(half[1], 1e-3) * 0.6
    widths = []
    for y in stations:
        near = np.abs(local[:, 1] - y) < reach
        points = local[near] if near.sum() > 4 else local
        share = np.ptp(points[:, [0, 2]], axis=0) / np.maximum(
            np.ptp(local[:, [0, 2]], axis=0), 1e-6
        )
        widths.append(half[[0, 2]] * np.clip(share, 0.4, 1.1))
    offset = np.repeat(centre[None, [0, 2]], 3, axis=0)
    return loft(stations, np.array(widths), section, np.full(3, part), offset=offset)


def _shells(rng: np.random.Generator, body: Piece) -> tuple[Piece, ...]:
    """The body with garments or armour over some parts; mostly the skin below is removed."""
    worn = np.zeros(N_PARTS, bool)
    for parts in SHELLS:
        if rng.random() < 0.2:
            worn[list(parts)] = True
    under = worn[body.labels[body.faces[:, 0]]]
    if under.sum() < 40:
        return (body,)
    height = np.ptp(body.vertices[:, 1])
    thick = height * rng.choice([rng.uniform(0.003, 0.02), rng.uniform(0.015, 0.05)])
    normals = vertex_normals(body.vertices, body.faces)
    shell = Piece(body.vertices + normals * thick, body.faces[under], body.labels, name="clothing")
    if rng.random() < 0.6 and (~under).sum() > 40:
        body = Piece(body.vertices, body.faces[~under], body.labels)
    return body, shell


def posed_body(source: AnnyBodies, rng: np.random.Generator, level: float) -> Character:
    """A realistic body in a random pose, otherwise as it was drawn."""
    drawn = source.draw(rng)
    along = bone_directions(drawn.joints, drawn.vertices, source.labels)
    turns = random_pose(rng, drawn.joints, level)
    still = np.ones((N_PARTS, 3))
    v, joints = deform(drawn.vertices, source.weights, drawn.joints, still, turns, along)
    return Character((Piece(v, source.faces, source.labels),), joints, "body")


def stylised_body(
    source: AnnyBodies, rng: np.random.Generator, level: float, hems: bool = True
) -> Character:
    """A realistic body bent into a game character: proportions, pose, surface, pieces.

    Without ``hems`` what it wears ends where parts do.
    """
    drawn = source.draw(rng)
    vertices, joints, tags = drawn.vertices, drawn.joints, []
    along = bone_directions(joints, vertices, source.labels)
    scales = np.ones((N_PARTS, 3))
    if rng.random() > 0.12:
        scales = proportions(rng, level * rng.uniform(0.3, 1.0))
        vertices = _swollen(rng, vertices, source, level)
        if rng.random() < 0.4:
            vertices = _squared(rng, vertices, source, joints, along)
            tags.append("squared")
    turns = random_pose(rng, joints, level)
    vertices, joints = deform(vertices, source.weights, joints, scales, turns, along)
    height = np.ptp(vertices[:, 1])
    if rng.random() < 0.12:
        pitch = rng.uniform(0.008, 0.035) * height
        shift = rng.uniform(0, pitch, 3)
        vertices = np.round((vertices + shift) / pitch) * pitch - shift
        tags.append("voxel")
    body = Piece(vertices, source.faces, source.labels)
    if hems and rng.random() < 0.35:
        body = garments.fused(rng, body, joints)
        tags.append("hems")
    if rng.random() < 0.45:
        body = _decimated(rng, body)
        tags.append("decimated")
    if rng.random() < 0.1:
        noise = rng.normal(0, 0.003 * height, body.vertices.shape)
        body = Piece(body.vertices + noise, body.faces, body.labels)
    drawn_style = rng.random()
    if drawn_style < 0.06:
        pieces = _rigid_pieces(rng, body, joints)
        return Character(pieces, joints, "mannequin", (*tags, "rigid"))
    if drawn_style < 0.18:
        now = bone_directions(joints, body.vertices, body.labels)
        pieces = _fitted_solids(rng, body, joints, now)
        return Character(pieces, joints, "fitted", (*tags, "rigid"))
    head: tuple[Piece, ...] = ()
    if rng.random() < 0.15:
        body, *rest = _primitive_head(rng, body)
        head = tuple(rest)
    pieces: tuple[Piece, ...] = (body,)
    if rng.random() < 0.4:
        worn = hems and rng.random() < 0.6
        pieces = garments.loose(rng, body, joints) if worn else _shells(rng, body)
    return Character((*pieces, *head), joints, "body", tuple(tags))
