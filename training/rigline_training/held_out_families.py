"""Style families that no training character has, for choosing checkpoints and judging confidence.

What models say of their own doubt on characters of the training's kind means nothing for others:
on those they are sure and right. These three families lie outside, each in a way of its own:

- ``paper_dolls``: flat figures, a sixth to a third as deep as bodies are. Checkpoints are chosen
  and confidence is calibrated on them.
- ``creatures``: stooped, with a head thrust forward, long arms, bent legs, snout, horns and a tail.
- ``mascots``: people in padded suits, without a neck, with a huge head and mittens.

The last two only report. Their make-up is fixed before a training begins; see the history of this
file.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.mesh import vertex_normals
from rigline_training.accessories import dressed
from rigline_training.anny_bodies import AnnyBodies
from rigline_training.blocky import blocky_character
from rigline_training.character import Character, Piece, rotation
from rigline_training.lofted import lofted_character
from rigline_training.posing import ARMS, LEGS, bone_directions, deform, random_pose
from rigline_training.solids import solid_piece
from rigline_training.styles import proportions, stylised_body

X = np.array([1.0, 0, 0])

Family = Callable[[AnnyBodies, np.random.Generator], Character]


def paper_doll(bodies: AnnyBodies, rng: np.random.Generator) -> Character:
    """A character of the usual kinds, pressed flat and then turned a little."""
    made = rng.choice(3)
    if made == 0:
        drawn = stylised_body(bodies, rng, 1.0)
    else:
        drawn = blocky_character(rng, 1.0) if made == 1 else lofted_character(rng, 1.0)
    drawn = dressed(drawn, rng)
    flat = np.array([1.0, 1.0, rng.uniform(0.16, 0.34)])
    pieces = tuple(p.moved(p.vertices * flat) for p in drawn.pieces)
    return Character(pieces, drawn.joints * flat, "paper_doll", drawn.tags)


def creature(bodies: AnnyBodies, rng: np.random.Generator) -> Character:
    """A stooped beast that walks upright."""
    drawn = bodies.draw(rng)
    along = bone_directions(drawn.joints, drawn.vertices, bodies.labels)
    scales = proportions(rng, 0.6)
    for b, _ in ARMS:
        scales[[b, b + 1], 0] *= rng.uniform(1.2, 1.6)
        scales[b + 2] *= rng.uniform(1.2, 1.8)
    for b, _ in LEGS:
        scales[[b, b + 1], 0] *= rng.uniform(0.7, 0.95)
    turns = random_pose(rng, drawn.joints, 0.8)
    stoop, crouch = rng.uniform(0.35, 0.8), rng.uniform(0.3, 0.7)
    turns[Part.UPPER_TORSO] = rotation(X, stoop) @ turns[Part.UPPER_TORSO]
    turns[Part.HEAD] = rotation(X, -stoop * rng.uniform(0.6, 1.0)) @ turns[Part.HEAD]
    for b, _ in ARMS:
        turns[b] = rotation(X, -stoop * rng.uniform(0.4, 1.2)) @ turns[b]
    for b, _ in LEGS:
        turns[b] = rotation(X, -crouch) @ turns[b]
        turns[b + 1] = rotation(X, 2 * crouch) @ turns[b + 1]
        turns[b + 2] = rotation(X, -crouch) @ turns[b + 2]
    vertices, joints = deform(drawn.vertices, bodies.weights, drawn.joints, scales, turns, along)
    pieces = [Piece(vertices, bodies.faces, bodies.labels)]
    head = vertices[bodies.labels == Part.HEAD]
    low, high = head.min(axis=0), head.max(axis=0)
    centre, half = (low + high) / 2, (high - low) / 2
    snout = half * [rng.uniform(0.35, 0.6), rng.uniform(0.3, 0.5), rng.uniform(0.6, 1.1)]
    at = centre + [0, -0.2 * half[1], half[2] + 0.4 * snout[2]]
    pieces.append(solid_piece("ellipsoid", snout, at, Part.HEAD, name="snout"))
    for side in (1, -1):
        horn = half * [0.2, rng.uniform(0.4, 0.9), 0.2]
        at = centre + [side * half[0] * 0.6, half[1], 0]
        turn = rotation(np.array([0, 0, 1.0]), -side * rng.uniform(0.1, 0.9))
        pieces.append(solid_piece("cone", horn, at, Part.HEAD, turn, name="horn"))
    long = rng.uniform(0.12, 0.3)
    at = joints[Part.LOWER_TORSO] - [0, 0.2 * long, 0.06 + 0.7 * long]
    turn = rotation(X, rng.uniform(0.8, 1.4))
    half_tail = [0.025, long, 0.025]
    pieces.append(solid_piece("ellipsoid", half_tail, at, Part.LOWER_TORSO, turn, name="tail"))
    return Character(tuple(pieces), joints, "creature")


def mascot(bodies: AnnyBodies, rng: np.random.Generator) -> Character:
    """Somebody in a padded suit with an animal's head."""
    drawn = bodies.draw(rng)
    along = bone_directions(drawn.joints, drawn.vertices, bodies.labels)
    thick = np.full(N_PARTS, rng.uniform(0.025, 0.05))
    thick[[Part.UPPER_TORSO, Part.LOWER_TORSO]] *= rng.uniform(1.2, 2.0)
    padding = (bodies.weights @ thick)[:, None] * vertex_normals(drawn.vertices, bodies.faces)
    turns = random_pose(rng, drawn.joints, 0.7)
    scales = proportions(rng, 0.4)
    vertices, joints = deform(
        drawn.vertices + padding, bodies.weights, drawn.joints, scales, turns, along
    )
    above = bodies.labels != Part.HEAD
    faces = bodies.faces[above[bodies.faces].all(axis=1)]
    pieces = [Piece(vertices, faces, bodies.labels)]
    height = np.ptp(vertices[above][:, 1])
    half = height * np.array([rng.uniform(0.15, 0.27), rng.uniform(0.13, 0.22), 0.0])
    half[2] = half[0] * rng.uniform(0.8, 1.1)
    centre = joints[Part.HEAD] + [0, half[1] * rng.uniform(0.5, 0.9), 0.02]
    pieces.append(solid_piece("ellipsoid", half, centre, Part.HEAD, detail=3, name="head"))
    snout = half * [rng.uniform(0.3, 0.5), 0.35, rng.uniform(0.3, 0.7)]
    at = centre + [0, -0.25 * half[1], half[2]]
    pieces.append(solid_piece("ellipsoid", snout, at, Part.HEAD, name="snout"))
    long = rng.uniform(0.25, 1.1)
    for side in (1, -1):
        ear = half * [0.25, long, 0.15]
        at = centre + [side * half[0] * 0.65, half[1] * (0.75 + 0.6 * long), 0]
        pieces.append(solid_piece("ellipsoid", ear, at, Part.HEAD, name="ear"))
        b = Part.LEFT_HAND if side > 0 else Part.RIGHT_HAND
        palm = height * rng.uniform(0.04, 0.07)
        middle = vertices[bodies.labels == b].mean(axis=0)
        pieces.append(solid_piece("ellipsoid", np.full(3, palm), middle, b, name="mitten"))
    return Character(tuple(pieces), joints, "mascot")


FAMILIES: dict[str, Family] = {
    "paper_dolls": paper_doll,
    "creatures": creature,
    "mascots": mascot,
}
SELECTION = "paper_dolls"
"""The family that checkpoints are chosen and confidence is calibrated on."""

REPORTING = ("creatures", "mascots")
"""The families that only report."""


def draw_family(name: str, bodies: AnnyBodies, seed: int, count: int) -> list[Character]:
    """``count`` characters of a family, the same ones for the same seed."""
    bodies.forget_drawn()
    rng = np.random.default_rng([seed, sorted(FAMILIES).index(name)])
    return [FAMILIES[name](bodies, rng) for _ in range(count)]
