"""Training samples from characters, drawn by seed and kept in shards.

A sample is what the models see of a character: 2,048 surface points with normals, the part of each
point, the joints, and the neighbourhoods of the 128 patch centres. Coordinates are those of the
models: the canonical frame (height 1, facing +Z), moved down so that the middle of the body's box
is the origin.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.sampling import N_PATCHES, N_POINTS, farthest_points
from rigline_training.accessories import dressed
from rigline_training.anny_bodies import AnnyBodies
from rigline_training.blocky import blocky_character
from rigline_training.box_people import box_person
from rigline_training.character import Character, Floats, Ints, Piece, rotation
from rigline_training.held_out_families import FAMILIES
from rigline_training.lofted import lofted_character
from rigline_training.styles import posed_body, stylised_body

NEIGHBOURS_KEPT = 32
"""More than the models use: which of them a training step sees is drawn anew each time."""

SHORTEST_BODY = 0.24
"""Characters whose neck is lower than this share of their height are heads with feet; left out."""

BOX_PEOPLE = 0.25
"""Share of figures of flush boxes among the characters of primitives."""

FIELDS = ("points", "normals", "labels", "joints", "neighbours", "boundary", "blocky")


@dataclass(frozen=True)
class Sample:
    """One character as arrays; see the module's docstring."""

    points: Floats
    normals: Floats
    labels: Ints
    joints: Floats
    neighbours: Ints
    boundary: Ints
    blocky: bool


AUGMENTATIONS = ("dressing", "primitives", "tubes", "stylising", "hems")
"""What can be left out, to measure what it buys: all that is worn over a body and carried;
characters of primitives; characters of swept tubes; everything that bends a realistic body;
garments that end anywhere."""


class Characters:
    """Draws dressed, posed characters: bodies, characters of primitives and of swept tubes.

    ``without`` names one of ``AUGMENTATIONS`` to leave out; what is left takes its share.
    """

    def __init__(
        self, share_blocky: float = 0.24, share_lofted: float = 0.2, without: str | None = None
    ) -> None:
        self.bodies = AnnyBodies()
        blocky = 0.0 if without == "primitives" else share_blocky
        lofted = 0.0 if without == "tubes" else share_lofted
        self._blocky, self._lofted = blocky, blocky + lofted
        self._bent = without != "stylising"
        self._dressed = without != "dressing"
        self._hems = without != "hems"

    def draw(self, rng: np.random.Generator) -> Character:
        level = float(rng.choice([0.7, 1.0, 1.3]))
        drawn = rng.random()
        if drawn < self._blocky:
            make = box_person if rng.random() < BOX_PEOPLE else blocky_character
            bare = make(rng, level)
        elif drawn < self._lofted:
            bare = lofted_character(rng, level)
        elif self._bent:
            level *= float(rng.choice([0.6, 1.0, 1.0]))
            bare = stylised_body(self.bodies, rng, level, self._hems)
        else:
            bare = posed_body(self.bodies, rng, level)
        return dressed(bare, rng) if self._dressed else bare


def _surface(piece: Piece, count: int, rng: np.random.Generator) -> tuple[Floats, Floats, Ints]:
    """Points, normals and labels of a piece; a label is the corner's that weighs most."""
    a, b, c = (piece.vertices[piece.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    double = np.linalg.norm(cross, axis=1)
    cumulative = np.cumsum(double)
    if cumulative[-1] <= 0:
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64)
    face = np.searchsorted(cumulative, rng.random(count) * cumulative[-1])
    face = np.minimum(face, len(piece.faces) - 1)
    u, v = rng.random(count), rng.random(count)
    flip = u + v > 1
    u[flip], v[flip] = 1 - u[flip], 1 - v[flip]
    points = a[face] + u[:, None] * (b - a)[face] + v[:, None] * (c - a)[face]
    corner = np.argmax(np.stack([1 - u - v, u, v], axis=1), axis=1)
    labels = piece.labels[piece.faces[face, corner]]
    return points, cross[face] / np.maximum(double[face], 1e-30)[:, None], labels


def visible_surface(
    character: Character, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Ints]:
    """``count`` points over all pieces by area, mostly without those hidden inside solids."""
    fused = rng.random() < 0.6
    areas = []
    for piece in character.pieces:
        a, b, c = (piece.vertices[piece.faces[:, k]] for k in range(3))
        areas.append(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    share = np.array(areas) / sum(areas)
    out: list[tuple[Floats, Floats, Ints]] = []
    need = rng.multinomial(int(count * 2.5), share)
    for i, (piece, n) in enumerate(zip(character.pieces, need, strict=True)):
        if n == 0:
            continue
        points, normals, labels = _surface(piece, int(n), rng)
        keep = np.ones(len(points), bool)
        for j, other in enumerate(character.pieces):
            if j != i and other.solid is not None and (other.covers or (fused and piece.solid)):
                keep &= ~other.solid.contains(points)
        out.append((points[keep], normals[keep], labels[keep]))
    points, normals, labels = (np.concatenate(x) for x in zip(*out, strict=True))
    if len(points) < count:
        raise ValueError("too little of the surface is visible")
    chosen = rng.permutation(len(points))[:count]
    return points[chosen], normals[chosen], labels[chosen]


def sample_of(character: Character, rng: np.random.Generator, humanoid: bool = True) -> Sample:
    """A sample in the models' frame, after a small random turn and stretch of the character.

    Raises ``ValueError`` for a character that came out unusable (too many parts hidden or flung
    out of the box); callers draw another. What is no ``humanoid`` need not have parts.
    """
    points, normals, labels = visible_surface(character, N_POINTS, rng)
    turn = rotation(np.array([0, 1.0, 0]), np.deg2rad(rng.normal(0, 8)))
    turn = turn @ rotation(rng.normal(size=3), np.deg2rad(rng.normal(0, 2)))
    stretch = np.exp(rng.normal(0, 0.1, 3))
    points = points * stretch @ turn.T
    joints = character.joints * stretch @ turn.T
    normals = normals / stretch @ turn.T
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 1 / (high[1] - low[1])
    points, joints = (points - (low + high) / 2) * scale, (joints - (low + high) / 2) * scale
    usable = np.isfinite(points).all() and np.isfinite(joints).all()
    neck_up = joints[Part.HEAD, 1] > points[:, 1].min() + SHORTEST_BODY
    whole = neck_up and np.abs(points).max() <= 2 and len(np.unique(labels)) >= 13
    if not usable or (humanoid and not whole):
        raise ValueError("unusable character")
    centres = farthest_points(points, N_PATCHES, int(rng.integers(N_POINTS)))
    order = np.concatenate([centres, np.setdiff1d(np.arange(N_POINTS), centres)])
    points, normals, labels = points[order], normals[order], labels[order]
    tree = cKDTree(points)
    around = labels[tree.query(points, 7)[1]]
    return Sample(
        points, normals, labels, joints,
        tree.query(points[:N_PATCHES], NEIGHBOURS_KEPT)[1],
        (around != labels[:, None]).any(axis=1),
        character.style in ("blocky", "lofted"),
    )  # fmt: skip


def draw_sample(
    draw: Callable[[np.random.Generator], Character],
    rng: np.random.Generator,
    humanoid: bool = True,
) -> Sample:
    """The next usable sample of what ``draw`` draws."""
    while True:
        try:
            return sample_of(draw(rng), rng, humanoid)
        except (ValueError, IndexError, np.linalg.LinAlgError):
            continue


def write_shard(path: Path, samples: list[Sample]) -> None:
    """Store samples compactly; the file appears whole or not at all."""
    kinds = dict(
        points=np.float16, normals=np.float16, labels=np.uint8, joints=np.float32,
        neighbours=np.int16, boundary=bool, blocky=bool,
    )  # fmt: skip
    arrays = {
        k: np.stack([np.asarray(getattr(s, k)) for s in samples]).astype(t)
        for k, t in kinds.items()
    }
    assert arrays["joints"].shape[1] == N_PARTS
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    partial.rename(path)


def generate(
    folder: Path, seed: int, shards: int, per_shard: int, without: str | None = None
) -> None:
    """Write ``shards`` files of ``per_shard`` samples; existing shards are kept as they are.

    A shard depends on its seed and number alone, not on what was drawn before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    characters: Characters | None = None
    for k in range(shards):
        path = folder / f"shard-{seed:03d}-{k:04d}.npz"
        if path.exists():
            continue
        characters = characters or Characters(without=without)
        characters.bodies.forget_drawn()
        rng = np.random.default_rng([seed, k])
        started = time.monotonic()
        write_shard(path, [draw_sample(characters.draw, rng) for _ in range(per_shard)])
        print(f"{path.name}: {per_shard} samples in {time.monotonic() - started:.0f} s", flush=True)


def generate_family(folder: Path, name: str, seed: int, count: int) -> None:
    """Write one shard of a family that no training character belongs to."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"shard-{seed:03d}-0000.npz"
    if path.exists():
        return
    bodies, rng = AnnyBodies(), np.random.default_rng([seed])
    family = FAMILIES[name]
    write_shard(path, [draw_sample(lambda r: family(bodies, r), rng) for _ in range(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate shards of training samples.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--per-shard", type=int, default=1000)
    parser.add_argument("--family", choices=sorted(FAMILIES), help="one shard of this family")
    parser.add_argument("--without", choices=AUGMENTATIONS, help="leave this out")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if args.family:
        generate_family(args.out, args.family, args.seed, args.per_shard)
        return
    generate(args.out, args.seed, args.shards, args.per_shard, args.without)


if __name__ == "__main__":
    main()
