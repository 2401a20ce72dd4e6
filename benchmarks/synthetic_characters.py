"""Characters that nobody has tuned to: the samples in other proportions, bent, coarser, laden.

What keeps a body a body stays: the order of its parts along the height and the side. Everything
else is drawn from a seed: how long and how thick each stretch of it is, a smooth dent here and
there, a lean, how many triangles, and whether it carries a pack or a hat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.synthetic_assets import SAMPLES, geometry_glb
from rigline.avatar.mesh import Floats, Ints, weld
from rigline.formats import read_model

KNOTS = 7
LENGTHS = (0.72, 1.38)
"""How much longer or shorter a stretch of the height, or of the width, may become."""

DENT = 0.025
"""The largest smooth displacement, in heights."""

LEAN = 0.05
COARSEST = 1500
"""Triangles below which a library's reduction leaves no body worth the name."""

LADEN = 0.3
"""The share of characters that carry something."""


@dataclass(frozen=True, eq=False)
class SyntheticCharacter:
    """A GLB of one mesh, and what was done to the sample."""

    name: str
    glb: bytes
    triangles: int


def synthetic_characters(count: int, seed: int = 0) -> Iterator[SyntheticCharacter]:
    """``count`` different characters. Deterministic."""
    samples = sorted(SAMPLES.glob("*.glb"))
    for number in range(count):
        path = samples[number % len(samples)]
        random = np.random.default_rng((seed, number))
        mesh = read_model(path.read_bytes(), path.name).mesh
        vertices, faces = _coarser(mesh.vertices, mesh.faces, random)
        vertices = _dented(_reproportioned(vertices, random), random)
        if random.random() < LADEN:
            vertices, faces = _laden(vertices, faces, random)
        vertices = vertices * np.exp(random.uniform(np.log(0.01), np.log(100)))
        yield SyntheticCharacter(
            f"{number:02d}_{path.stem}", geometry_glb(vertices, faces), len(faces)
        )


def _reproportioned(vertices: Floats, random: np.random.Generator) -> Floats:
    """Stretches of the height and of the width lengthened or shortened; all thicker, leaning."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    tall = high[1] - low[1]
    middle = (low + high) / 2
    moved = vertices.copy()
    moved[:, 1] = low[1] + _warped(vertices[:, 1] - low[1], tall, random)
    side = vertices[:, 0] - middle[0]
    moved[:, 0] = np.sign(side) * _warped(np.abs(side), (high[0] - low[0]) / 2, random)
    moved[:, 2] = (vertices[:, 2] - middle[2]) * random.uniform(*LENGTHS)
    share = (vertices[:, 1] - low[1]) / tall
    moved[:, [0, 2]] += share[:, None] * random.uniform(-LEAN, LEAN, 2) * tall
    return moved


def _warped(values: Floats, extent: float, random: np.random.Generator) -> Floats:
    """``values`` of [0, extent] through a growing curve of random slopes."""
    knots = np.linspace(0, extent, KNOTS)
    low, high = float(np.log(LENGTHS[0])), float(np.log(LENGTHS[1]))
    slopes = np.exp(random.uniform(low, high, KNOTS - 1))
    return np.interp(values, knots, np.concatenate([[0.0], np.cumsum(slopes * np.diff(knots))]))


def _dented(vertices: Floats, random: np.random.Generator) -> Floats:
    """A few long waves through the body."""
    tall = float(np.ptp(vertices[:, 1]))
    moved = vertices.copy()
    for _ in range(4):
        way = random.normal(size=3)
        wave = random.normal(size=3) * 2 * np.pi / tall
        shift = np.sin(vertices @ wave + random.uniform(0, 2 * np.pi))
        moved += DENT / 4 * tall * shift[:, None] * way
    return moved


def _coarser(vertices: Floats, faces: Ints, random: np.random.Generator) -> tuple[Floats, Ints]:
    """Half of the characters with fewer triangles, down to a third; what is coarse stays."""
    target = int(len(faces) * random.uniform(0.33, 0.9))
    if random.random() < 0.5 or target < COARSEST:
        return vertices, faces
    import pyfqmr

    first, inverse = weld(vertices)
    simplifier = pyfqmr.Simplify()
    simplifier.setMesh(vertices[first], inverse[faces].astype(np.int32))
    simplifier.simplify_mesh(
        target_count=target, aggressiveness=3, preserve_border=True, verbose=False
    )
    points, found, _ = simplifier.getMesh()
    return np.asarray(points, np.float64), np.asarray(found, np.int64)


def _laden(vertices: Floats, faces: Ints, random: np.random.Generator) -> tuple[Floats, Ints]:
    """A box on the back or on the head."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    size = (high[1] - low[1]) * random.uniform((0.1, 0.1, 0.06), (0.2, 0.22, 0.14))
    if random.random() < 0.5:
        place = np.array([vertices[:, 0].mean(), high[1], vertices[:, 2].mean()])
    else:
        chest = vertices[
            np.abs(vertices[:, 1] - low[1] - 0.65 * (high[1] - low[1])) < 0.1 * size[1]
        ]
        back = chest[:, 2].min() if len(chest) else low[2]
        place = np.array([vertices[:, 0].mean(), low[1] + 0.65 * (high[1] - low[1]), back])
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    box = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    return (
        np.concatenate([vertices, place + corners * size / 2]),
        np.concatenate([faces, box + len(vertices)]),
    )
