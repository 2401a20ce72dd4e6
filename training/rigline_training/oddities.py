"""What is no standing humanoid: beasts on four legs, busts, seated people, groups, things.

Negative examples for the network's sense of what it was made for. Labels and joints here mean
nothing. An odd thing may come in any stance, because the orientation model stands it up somehow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from rigline.avatar.body import Part
from rigline.avatar.canonical import TURNS
from rigline_training.character import Character, Floats, Piece, basis_along, rotation
from rigline_training.dataset import Characters, draw_sample, write_shard
from rigline_training.lofted import random_section
from rigline_training.lofts import loft, placed
from rigline_training.posing import LEGS
from rigline_training.solids import KINDS, lathe_piece, solid_piece

Oddity = Callable[[Characters, np.random.Generator], tuple[Piece, ...]]
X, Y, Z = np.eye(3)


def _tube(rng: np.random.Generator, start: Floats, end: Floats, r0: float, r1: float) -> Piece:
    """A limb or a beam from one point to another."""
    along = np.asarray(end, float) - start
    stations = np.linspace(0, np.linalg.norm(along), 4)
    radii = np.linspace(r0, r1, 4)
    piece = loft(stations, np.stack([radii, radii], 1), random_section(rng), np.zeros(4, int))
    return placed(piece, basis_along(along), np.asarray(start, float))


def quadruped(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """A dog, a horse, a lizard, a chair-like beast: a level trunk on four legs, head in front."""
    long, tall = rng.uniform(0.5, 1.3), rng.uniform(0.15, 0.8)
    girth, leg_r = rng.uniform(0.08, 0.25), rng.uniform(0.02, 0.09)
    pieces = [
        _tube(rng, [0, tall, -long / 2], [0, tall, long / 2], girth, girth * rng.uniform(0.6, 1.3))
    ]
    wide, bend = girth * rng.uniform(0.4, 1.2), rng.normal(0, 0.08)
    for z in (-0.42, 0.42):
        for x in (1, -1):
            top, foot = np.array([x * wide, tall, z * long]), np.array([x * wide, 0, z * long])
            knee = (top + foot) / 2 + [0, 0, bend]
            pieces += [
                _tube(rng, top, knee, leg_r * 1.2, leg_r),
                _tube(rng, knee, foot, leg_r, leg_r),
            ]
            if rng.random() < 0.6:
                paw = [leg_r, leg_r * 0.6, leg_r * 1.6]
                pieces.append(solid_piece("ellipsoid", paw, foot + [0, 0, leg_r], 0))
    neck = np.array([0, tall + girth * 0.5, long / 2])
    head = neck + [0, rng.uniform(-0.1, 0.6) * long, rng.uniform(0.1, 0.5) * long]
    half = girth * rng.uniform(0.5, 1.2) * np.array([0.8, 0.8, rng.uniform(0.9, 1.8)])
    pieces += [_tube(rng, neck, head, girth * 0.7, girth * 0.5)]
    pieces.append(solid_piece(str(rng.choice(KINDS)), half, head, 0, detail=2))
    for x in (1, -1):
        ear = half * [0.2, rng.uniform(0.3, 1.2), 0.2]
        pieces.append(solid_piece("cone", ear, head + half * [x * 0.6, 1, 0], 0))
    if rng.random() < 0.8:
        end = [rng.normal(0, 0.1), tall + rng.uniform(-0.3, 0.4), -long * rng.uniform(0.7, 1.2)]
        pieces.append(_tube(rng, np.array([0, tall, -long / 2]), end, 0.04, 0.02))
    return tuple(pieces)


def bust(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """The upper part of a character, cut somewhere between thighs and neck; maybe on a base."""
    drawn = characters.draw(rng)
    joints = drawn.joints
    low, high = joints[[10, 13], 1].mean(), joints[Part.HEAD, 1]
    cut = low + (high - low) * rng.uniform(0.1, 1.02)
    armless = rng.random() < 0.4
    pieces = []
    for piece in drawn.pieces:
        middle = piece.vertices[piece.faces].mean(axis=1)
        keep = middle[:, 1] > cut
        if armless:
            keep &= ~np.isin(piece.labels[piece.faces[:, 0]], [3, 4, 5, 6, 7, 8])
        if keep.sum() > 4:
            pieces.append(replace(piece, faces=piece.faces[keep], solid=None))
    if rng.random() < 0.5:
        r = rng.uniform(0.08, 0.25)
        half = [r, rng.uniform(0.02, 0.2), r]
        at = [joints[1, 0], cut - half[1], joints[1, 2]]
        pieces.append(solid_piece(str(rng.choice(KINDS)), half, at, 0))
    return tuple(pieces)


def seated(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """A character with its legs turned at hips and knees, as on a chair or on the ground."""
    drawn = characters.draw(rng)
    hip, knee = rng.uniform(-1.9, -1.15), rng.choice([rng.uniform(1.1, 1.9), rng.uniform(0, 0.4)])
    pieces = []
    for piece in drawn.pieces:
        vertices = piece.vertices.copy()
        for b, side in LEGS:
            turn = rotation(Y, side * rng.uniform(0, 0.1)) @ rotation(X, hip)
            mine = np.isin(piece.labels, [b, b + 1, b + 2])
            below = np.isin(piece.labels, [b + 1, b + 2])
            at_knee = drawn.joints[b + 1]
            vertices[below] = (vertices[below] - at_knee) @ rotation(X, knee).T + at_knee
            at_hip = drawn.joints[b]
            vertices[mine] = (vertices[mine] - at_hip) @ turn.T + at_hip
        pieces.append(piece.moved(vertices))
    if rng.random() < 0.6:
        root = drawn.joints[Part.LOWER_TORSO]
        half = [rng.uniform(0.1, 0.25), rng.uniform(0.02, 0.2), rng.uniform(0.1, 0.25)]
        at = root - [0, half[1] + 0.06, 0.02]
        pieces.append(solid_piece("box", half, at, 0))
        if rng.random() < 0.6:
            back = [half[0], rng.uniform(0.15, 0.4), 0.02]
            pieces.append(solid_piece("box", back, at + [0, back[1], -half[2]], 0))
    return tuple(pieces)


def group(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """Two or three characters in one file, beside or behind each other."""
    pieces, at = [], np.zeros(3)
    for _ in range(int(rng.choice([2, 2, 3]))):
        drawn = characters.draw(rng)
        vertices, _, _ = drawn.merged()
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        scale = rng.uniform(0.7, 1.3) / (high[1] - low[1])
        turn = rotation(Y, rng.choice([0.0, rng.normal(0, 0.8), np.pi]))
        for piece in drawn.pieces:
            v = (piece.vertices - [(low[0] + high[0]) / 2, low[1], 0]) * scale
            pieces.append(piece.moved(v @ turn.T + at))
        step = (high[0] - low[0]) * scale * rng.uniform(0.5, 1.1)
        at = at + (X * step if rng.random() < 0.75 else Z * rng.uniform(0.2, 0.6))
    return tuple(pieces)


def thing(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """One to twelve primitives thrown, stacked or lined up: crates, lamps, swords, machines."""
    manner = rng.choice(["heap", "stack", "row", "mirrored"])
    pieces, top = [], 0.0
    for k in range(int(rng.choice([1, 2, 3, 5, 8, 12]))):
        half = np.exp(rng.normal(-1.6, 0.7, 3))
        turn = rotation(rng.normal(size=3), rng.choice([0.0, rng.uniform(0, np.pi)]))
        at = rng.normal(0, 0.3, 3)
        if manner == "stack":
            at, turn = np.array([0, top + half[1], 0]) + rng.normal(0, 0.02, 3), np.eye(3)
            top += 2 * half[1]
        elif manner == "row":
            at = np.array([k * rng.uniform(0.1, 0.3), half[1], 0])
        kind = str(rng.choice([*KINDS, "cone"]))
        pieces.append(solid_piece(kind, half, at, 0, turn, detail=int(rng.integers(1, 4))))
        if manner == "mirrored":
            away = at * [-1, 1, 1]
            pieces.append(solid_piece(kind, half, away, 0, turn, detail=2))
    return tuple(pieces)


def furniture(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """Tables, chairs, shelves, trees, lamp posts: a slab or crown on one to four posts."""
    tall, wide, deep = rng.uniform(0.3, 1.2), rng.uniform(0.15, 0.8), rng.uniform(0.15, 0.6)
    slab = [wide, rng.uniform(0.01, 0.3), deep]
    pieces = [solid_piece(str(rng.choice(KINDS)), slab, [0, tall + slab[1], 0], 0, detail=3)]
    r, posts = rng.uniform(0.01, 0.08), rng.choice([1, 2, 4])
    for x, z in ((1, 1), (-1, 1), (1, -1), (-1, -1))[:posts]:
        at = np.array([x * wide, 0, z * deep]) * (0.85 if posts > 1 else 0.0)
        pieces.append(_tube(rng, at, at + [0, tall, 0], r, r * rng.uniform(0.5, 1.2)))
    if rng.random() < 0.5:
        back = [wide, rng.uniform(0.1, 0.5), 0.03]
        pieces.append(solid_piece("box", back, [0, tall + back[1], -deep], 0))
    return tuple(pieces)


def vessel(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """A vase, a bottle, a chess pawn, a tower: any surface of revolution."""
    knots = rng.uniform(0.03, 0.5, 6)
    t = np.linspace(0, 1, 6)
    body = lathe_piece(lambda s: np.interp(s, t, knots), 0, 1, np.zeros(3), 0, rings=14)
    return (body,)


def single_part(characters: Characters, rng: np.random.Generator) -> tuple[Piece, ...]:
    """Only a head, a hand, a leg or a torso of a character."""
    drawn = characters.draw(rng)
    kept = [(0,), (5,), (9, 10, 11), (3, 4, 5), (1, 2), (0, 1), (9, 10, 11, 12, 13, 14, 2)]
    wanted = kept[int(rng.integers(len(kept)))]
    pieces = []
    for piece in drawn.pieces:
        keep = np.isin(piece.labels[piece.faces], wanted).all(axis=1)
        if keep.sum() > 3:
            pieces.append(replace(piece, faces=piece.faces[keep], solid=None))
    return tuple(pieces)


ODDITIES: tuple[Oddity, ...] = (
    quadruped, quadruped, bust, bust, seated, seated, group, thing, furniture, vessel, single_part,
)  # fmt: skip
"""Kinds by how often they are drawn: the harder ones twice."""


def draw_oddity(characters: Characters, rng: np.random.Generator) -> Character:
    """One odd thing, upright with a turned front two times in three, else in any stance."""
    while True:
        make = ODDITIES[int(rng.integers(len(ODDITIES)))]
        pieces = make(characters, rng)
        if pieces:
            break
    upright = rng.random() < 0.67
    turn = TURNS[int(rng.integers(24))]
    if upright:
        turn = rotation(Y, rng.choice([0.0, 0.0, np.pi / 2, np.pi, -np.pi / 2]))
    pieces = tuple(p.moved(p.vertices @ turn.T) for p in pieces)
    return Character(pieces, np.zeros((15, 3)), make.__name__)


def generate_oddities(folder: Path, seed: int, shards: int, per_shard: int) -> None:
    """Write shards of odd things; existing shards are kept as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    characters = Characters()
    for k in range(shards):
        path = folder / f"shard-{seed:03d}-{k:04d}.npz"
        if path.exists():
            continue
        characters.bodies.forget_drawn()
        rng = np.random.default_rng([seed, k])
        draw = lambda r: draw_oddity(characters, r)  # noqa: E731
        write_shard(path, [draw_sample(draw, rng, humanoid=False) for _ in range(per_shard)])
        print(f"{path.name}: {per_shard} odd things", flush=True)


def main() -> None:
    p = argparse.ArgumentParser(description="Generate shards of what is no humanoid.")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--shards", type=int, default=6)
    p.add_argument("--per-shard", type=int, default=500)
    args = p.parse_args()
    generate_oddities(args.out, args.seed, args.shards, args.per_shard)


if __name__ == "__main__":
    main()
