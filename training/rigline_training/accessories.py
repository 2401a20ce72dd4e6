"""What characters wear and carry: hats, hair, ears, packs, armour, props; and what hangs on them.

Every function here takes an ``Outfit`` and adds pieces to it. Labels follow what a rigger would do:
things on the head move with the head, packs with the upper torso, held things with the hand.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rigline.avatar.body import Part
from rigline_training.character import Character, Floats, Piece, basis_along, rotation
from rigline_training.cloth import cape, robe, skirt
from rigline_training.outfit import Outfit
from rigline_training.solids import lathe_piece

X, Y, Z = np.eye(3)


def brimmed_hat(o: Outfit) -> None:
    """Wizard hats, straw hats, caps: a crown that may bend, and a brim that may droop."""
    rng, half = o.rng, o.head_half
    base = o.head_centre + [0, half[1] * rng.uniform(0.15, 0.8), 0]
    brim = half[0] * rng.uniform(1.15, 2.6)
    crown = half[0] * rng.uniform(0.85, 1.2)
    tall = half[1] * rng.choice([rng.uniform(0.5, 1.1), rng.uniform(1.2, 3.0)])
    depth = half[2] / half[0]
    power = rng.uniform(0.6, 1.4)
    profiles: tuple[Callable[[Floats], Floats], ...] = (
        lambda t: crown * (1 - 0.95 * t),
        lambda t: crown * np.where(t < 0.95, 1 - 0.15 * t, 0.02),
        lambda t: crown * np.sqrt(np.maximum(1 - t * t, 1e-4)),
        lambda t: crown * (1 - t) ** power,
    )
    tilt = rotation(rng.normal(size=3), np.deg2rad(rng.normal(0, 7)))
    profile = profiles[rng.integers(4)]
    hat = lathe_piece(profile, 0, tall, 0 * X, Part.HEAD, depth=depth, name="hat")
    bend = rng.uniform(-0.4, 0.4, 3) * [1, 0, 1] * tall * o.chance(0.5)
    bent = hat.vertices + np.clip(hat.vertices[:, 1:2] / tall, 0, 1) ** 2 * bend
    o.pieces.append(hat.moved(bent @ tilt.T + base))
    droop, thick = rng.uniform(-0.25, 0.35), rng.uniform(0.005, 0.05) * half[1]
    peak_only = o.chance(0.25)
    for side in (1, -1):
        ring = lathe_piece(
            lambda t: crown + (max(brim, crown * 1.05) - crown) * t, 0, -droop * brim, 0 * X,
            Part.HEAD, depth=depth, rings=3, name="brim",
        )  # fmt: skip
        faces = ring.faces if side > 0 else ring.faces[:, ::-1]
        if peak_only:
            faces = faces[(ring.vertices[faces][:, :, 2] > 0).all(axis=1)]
        vertices = (ring.vertices + [0, side * thick, 0]) @ tilt.T + base
        o.pieces.append(Piece(vertices, faces, ring.labels, name="brim"))


def helmet(o: Outfit) -> None:
    """A shell around the head, with visor, crest or neck ring."""
    rng, half = o.rng, o.head_half
    scale = rng.uniform(1.03, 1.5, 3) * [1, 1, 1]
    centre = o.head_centre + [0, half[1] * rng.uniform(-0.1, 0.3), 0]
    o.add(
        "ellipsoid box cylinder capsule",
        half * scale,
        centre,
        Part.HEAD,
        covers=0.75,
        name="helmet",
    )
    if o.chance(0.4):
        visor = half * [rng.uniform(0.6, 1.0), rng.uniform(0.1, 0.3), 0.3]
        at = centre + [0, half[1] * rng.uniform(-0.3, 0.3), half[2] * scale[2] * 0.9]
        o.add("box", visor, at, Part.HEAD, name="visor")
    if o.chance(0.3):
        crest = [half[0] * 0.12, half[1] * rng.uniform(0.2, 0.7), half[2] * rng.uniform(0.2, 1)]
        o.add(
            "box ellipsoid cone",
            crest,
            centre + [0, half[1] * scale[1], 0],
            Part.HEAD,
            name="crest",
        )
    if o.chance(0.3):
        ring = [half[0] * 1.1, half[1] * 0.12, half[2] * 1.1]
        at = o.head_centre - [0, half[1] * rng.uniform(0.6, 1.0), 0]
        o.add("cylinder", ring, at, Part.HEAD, name="collar ring")


def plain_hat(o: Outfit) -> None:
    rng, half = o.rng, o.head_half
    tall = half[1] * rng.uniform(0.2, 1.3)
    size = [half[0] * rng.uniform(0.6, 1.2), tall, half[2] * rng.uniform(0.6, 1.2)]
    at = o.head_centre + [0, half[1] + tall * rng.uniform(-0.6, 0.7), 0]
    o.add("cylinder cone box ellipsoid", size, at, Part.HEAD, covers=0.4, name="hat")


def hair(o: Outfit) -> None:
    """A cap of hair, long hair at the back, twin tails or a bun."""
    rng, half, centre = o.rng, o.head_half, o.head_centre
    if o.chance(0.35):
        size = half * rng.uniform(0.95, 1.35, 3) * [1, 0.85, 1]
        at = centre + [0, half[1] * 0.3, -half[2] * rng.uniform(0, 0.35)]
        o.add("ellipsoid", size, at, Part.HEAD, covers=0.4, name="hair")
    if o.chance(0.15):
        size = half * [rng.uniform(0.5, 1.15), rng.uniform(0.7, 2.2), rng.uniform(0.15, 0.45)]
        at = centre - [0, half[1] * rng.uniform(0.2, 1.4), half[2] * rng.uniform(0.8, 1.2)]
        o.add("box ellipsoid capsule", size, at, Part.HEAD, name="long hair")
    if o.chance(0.1):
        for side in (1, -1) if o.chance(0.6) else (0,):
            length, wide = half[1] * rng.uniform(0.3, 1.6), half[0] * rng.uniform(0.15, 0.4)
            at = centre + [
                side * half[0] * rng.uniform(0.8, 1.4),
                half[1] * 0.4 - length * 0.6,
                -half[2] * rng.uniform(0.2, 1.1),
            ]
            turn = rotation(X, rng.uniform(0, 0.7)) @ rotation(Z, side * rng.uniform(0, 0.6))
            o.add(
                "capsule ellipsoid cone",
                [wide, length, wide],
                at,
                Part.HEAD,
                turn,
                name="tail of hair",
            )


def wild_hair(o: Outfit) -> None:
    """Strands, spikes or clumps around the skull, and beards."""
    rng, half, centre = o.rng, o.head_half, o.head_centre
    if o.chance(0.12):
        kind, count = str(rng.choice(["cone", "ellipsoid", "capsule"])), int(rng.integers(6, 22))
        long, thick = rng.uniform(0.25, 1.1), rng.uniform(0.12, 0.4)
        low, back = rng.uniform(-0.9, 0.4), rng.uniform(-0.3, 0.6)
        for _ in range(count):
            way = rng.normal(size=3)
            way[1], way[2] = max(way[1], low), min(way[2], back)
            way /= np.linalg.norm(way) + 1e-9
            droop = way - [0, rng.uniform(0, 0.9), 0]
            size = half.mean() * np.array([thick, long * rng.uniform(0.6, 1.2), thick])
            at = centre + way * half + droop * size[1] * 0.5
            o.add(kind, size, at, Part.HEAD, basis_along(droop), name="strand")
    if o.chance(0.08):
        size = half * [rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.0), rng.uniform(0.15, 0.4)]
        at = centre + [0, -half[1] * rng.uniform(0.7, 1.1) - size[1] * 0.3, half[2] * 0.8]
        o.add("cone ellipsoid box", size, at, Part.HEAD, rotation(X, np.pi), name="beard")
    if o.chance(0.06):
        r = np.hypot(half[0], half[2]) * rng.uniform(0.45, 0.9)
        part = int(rng.choice([Part.UPPER_TORSO, Part.HEAD]))
        size = [r, half[1] * rng.uniform(0.1, 0.3), r]
        o.add("cylinder ellipsoid", size, o.joints[Part.HEAD], part, name="scarf")


def ears_and_face(o: Outfit) -> None:
    """Ears, horns, antennae, snouts and bulging eyes."""
    rng, half, centre = o.rng, o.head_half, o.head_centre
    if o.chance(0.2):
        long = 2.0 if o.chance(0.3) else 1.0
        size = half * [rng.uniform(0.08, 0.4), rng.uniform(0.3, 0.8) * long, rng.uniform(0.08, 0.3)]
        x, up = half[0] * rng.uniform(0.3, 1.0), half[1] * rng.uniform(0.5, 1.1)
        lean = rng.uniform(-0.1, 1.2)
        for side in (1, -1) if o.chance(0.9) else (0,):
            at = centre + [side * x, up + (size[1] * 0.6 if long > 1 else 0), 0]
            o.add(
                "cone ellipsoid capsule box",
                size,
                at,
                Part.HEAD,
                rotation(Z, -side * lean),
                name="ear",
            )
    if o.chance(0.35):
        size = half * [rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.4), rng.uniform(0.15, 0.6)]
        at = centre + [0, -half[1] * rng.uniform(-0.1, 0.45), half[2] * rng.uniform(0.8, 1.1)]
        o.add("ellipsoid box cone", size, at, Part.HEAD, name="snout")
    if o.chance(0.2):
        size, up = half * rng.uniform(0.1, 0.3), half[1] * rng.uniform(-0.1, 0.3)
        for side in (1, -1):
            at = centre + [side * half[0] * 0.4, up, half[2] * 0.95]
            o.add("ellipsoid", size, at, Part.HEAD, name="eye")


def back_gear(o: Outfit) -> None:
    """Packs, capes, wings and tails."""
    rng, half, centre = o.rng, o.torso_half, o.torso_centre
    wide = o.shoulder_half
    if o.chance(0.14):
        size = [
            wide * rng.uniform(0.5, 1.1),
            half[1] * rng.uniform(0.4, 0.95),
            half[2] * rng.uniform(0.3, 0.9),
        ]
        at = centre - [0, 0, half[2] * rng.uniform(1, 1.6)]
        o.add("box ellipsoid cylinder", size, at, Part.UPPER_TORSO, name="pack")
    if o.chance(0.13):
        cape(o)
    if o.chance(0.07):
        length = half[1] * rng.uniform(0.7, 1.8)
        size = [wide * rng.uniform(0.06, 0.35), length, half[2] * rng.uniform(0.1, 0.35)]
        at = centre - [0, 0, half[2] * rng.uniform(1.05, 1.5)]
        turn = rotation(Z, rng.uniform(-1.0, 1.0))
        o.add("box cylinder ellipsoid", size, at, Part.UPPER_TORSO, turn, name="slung")
    if o.chance(0.06):
        size = [wide * rng.uniform(0.5, 1.6), half[1] * rng.uniform(0.4, 1.2), 0.01]
        lean, x = rng.uniform(-0.6, 0.6), wide * rng.uniform(0.8, 1.3)
        for side in (1, -1):
            at = centre + [side * x, 0, -half[2] * 1.3]
            o.add(
                "ellipsoid box", size, at, Part.UPPER_TORSO, rotation(Y, side * lean), name="wing"
            )
    if o.chance(0.08):
        length, thick = rng.uniform(0.08, 0.25), rng.uniform(0.015, 0.05)
        root = o.joints[Part.LOWER_TORSO]
        at = root - [0, 0.3 * length, half[2] + 0.6 * length]
        turn = rotation(X, rng.uniform(0.3, 1.2))
        o.add("capsule ellipsoid", [thick, length, thick], at, Part.LOWER_TORSO, turn, name="tail")


def armour(o: Outfit) -> None:
    """Pauldrons, chest plates, collars, gauntlets, boots, belts and pouches."""
    rng, half, centre, wide = o.rng, o.torso_half, o.torso_centre, o.shoulder_half
    if o.chance(0.18):
        size = np.array([wide, wide, half[2]]) * rng.uniform(0.25, 0.65, 3)
        on_torso, lean = o.chance(0.33), rng.uniform(0, 0.4)
        dx, dy = rng.uniform(-0.2, 0.6) * size[0], rng.uniform(0, 0.5) * size[1]
        for b, side in ((3, 1), (6, -1)):
            part = Part.UPPER_TORSO if on_torso else b
            turn = rotation(Z, -side * lean)
            o.add(
                "ellipsoid box ellipsoid",
                size,
                o.joints[b] + [side * dx, dy, 0],
                part,
                turn,
                covers=0.3,
                name="pauldron",
            )
    if o.chance(0.14):
        size = [
            wide * rng.uniform(0.75, 1.15),
            half[1] * rng.uniform(0.45, 0.9),
            half[2] * rng.uniform(1, 1.35),
        ]
        low, high = o.joints[Part.UPPER_TORSO, 1], o.joints[Part.HEAD, 1]
        at = [centre[0], low + (high - low) * rng.uniform(0.4, 0.65), centre[2]]
        o.add(
            "box ellipsoid cylinder",
            size,
            np.array(at),
            Part.UPPER_TORSO,
            covers=0.5,
            name="chest plate",
        )
    if o.chance(0.08):
        r = o.head_half[0] * rng.uniform(0.7, 1.3)
        part = int(rng.choice([Part.UPPER_TORSO, Part.HEAD]))
        o.add(
            "cylinder",
            [r, half[1] * 0.15, r],
            o.joints[Part.HEAD] - [0, 0.01, 0],
            part,
            name="collar",
        )
    for first, probability, thin, thick in ((4, 0.12, 1.1, 2.0), (10, 0.14, 1.05, 1.8)):
        if o.chance(probability):
            _limb_tubes(o, first, rng.uniform(thin, thick))
    if o.chance(0.16):
        root, waist = o.joints[Part.LOWER_TORSO], o.joints[Part.UPPER_TORSO]
        at = [root[0], root[1] + (waist[1] - root[1]) * rng.uniform(0.2, 0.8), centre[2]]
        size = [wide * rng.uniform(0.7, 1.05), rng.uniform(0.012, 0.035), half[2] * 1.08]
        o.add("cylinder box", size, np.array(at), Part.LOWER_TORSO, name="belt")
    if o.chance(0.1):
        x = o.joints[Part.LEFT_UPPER_LEG, 0] * rng.uniform(1.2, 2.0)
        at = [
            x,
            o.joints[Part.LOWER_TORSO, 1] - 0.01,
            o.joints[Part.LOWER_TORSO, 2] + rng.uniform(-0.05, 0.05),
        ]
        o.add("box", [0.03, 0.04, 0.025], np.array(at), Part.LOWER_TORSO, name="pouch")


def _limb_tubes(o: Outfit, first: int, wide: float) -> None:
    """Gauntlets (first = LeftLowerArm) or boots (LeftLowerLeg): tubes around a limb segment."""
    start = o.rng.uniform(0, 0.5)
    kind = str(o.rng.choice(["cylinder", "box", "capsule"]))
    covers = float(o.rng.random() < 0.6)
    for b in (first, first + 3):
        along = o.joints[b + 1] - o.joints[b]
        length = np.linalg.norm(along) + 1e-9
        mine = o.points[o.labels == b]
        off = np.linalg.norm(np.cross(mine - o.joints[b], along / length), axis=1)
        r = (np.median(off) if len(off) > 5 else 0.04) * wide
        centre = o.joints[b] + along * (1 + start) / 2
        half = [r, length * (1 - start) / 2, r]
        o.add(kind, half, centre, b, basis_along(along), covers=covers, name="tube")


def held_prop(o: Outfit) -> None:
    """A sword, a bag, a shield: something that stayed in a hand or on a forearm."""
    rng = o.rng
    b = int(rng.choice([Part.LEFT_HAND, Part.RIGHT_HAND]))
    mine = o.points[o.labels == b]
    at = mine.mean(axis=0) if len(mine) else o.joints[b]
    if o.chance(0.6):
        length = rng.uniform(0.08, 0.3)
        half = [rng.uniform(0.008, 0.03), length, rng.uniform(0.008, 0.04)]
        at = at + [0, 0, length * rng.uniform(-0.2, 0.8)]
        o.add("box cylinder capsule", half, at, b, rotation(X, rng.uniform(0.6, 1.8)), name="prop")
    else:
        half = [0.02, rng.uniform(0.08, 0.16), rng.uniform(0.08, 0.16)]
        o.add("ellipsoid box", half, o.joints[b] + [0, 0, 0.04], b - 1, name="shield")


HEADGEAR = ((0.14, brimmed_hat), (0.18, helmet), (0.12, plain_hat))


def dressed(character: Character, rng: np.random.Generator) -> Character:
    """The character with whatever chance makes it wear and carry."""
    vertices, _, labels = character.merged()
    if (labels == Part.HEAD).sum() < 8:
        return character
    o = Outfit(rng, character.joints, vertices, labels)
    drawn, low = rng.random(), 0.0
    for probability, wear in HEADGEAR:
        if low <= drawn < low + probability:
            wear(o)
        low += probability
    hair(o)
    wild_hair(o)
    ears_and_face(o)
    back_gear(o)
    armour(o)
    if o.chance(0.08):
        held_prop(o)
    lower = rng.random()
    if lower < 0.17:
        skirt(o)
    elif lower < 0.23:
        robe(o)
    names = tuple(sorted({p.name for p in o.pieces}))
    body = character.pieces
    if o.hidden is not None:
        body = tuple(_without(p, o.hidden) for p in body)
    return Character(
        (*body, *o.pieces), character.joints, character.style, (*character.tags, *names)
    )


def _without(piece: Piece, hidden: Callable[[Floats], Floats]) -> Piece:
    """The piece without the faces whose middle is hidden, unless that would leave nothing."""
    keep = ~hidden(piece.vertices[piece.faces].mean(axis=1))
    if keep.sum() < 8 or keep.all():
        return piece
    return Piece(
        piece.vertices, piece.faces[keep], piece.labels, piece.solid, piece.covers, piece.name
    )
