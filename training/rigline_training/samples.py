"""The characters of ``make demo``: eight draws of the generator, of differing style, as small GLBs.

    python -m rigline_training.samples --out ../benchmarks/samples

The files hold what an artist would hand in: meshes and materials, and nothing of what the generator
knows of parts and joints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fast_simplification
import numpy as np

from rigline.avatar.mesh import vertex_normals
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder
from rigline_training.character import Character, Piece
from rigline_training.dataset import Characters

FIRST_SEED = 100
NAMES = {
    101: "plate_knight",
    104: "brute_with_club",
    114: "straw_hat",
    116: "caped_hero",
    119: "robed_elder",
    127: "boxhead_kid",
    128: "goblin",
    136: "toy_robot",
}
"""By seed. Bodies are drawn in batches, so the seeds before one have a part in what it gives."""

MAX_FACES = 4000
HEIGHT = 1.8
SKIN = (0.82, 0.62, 0.5)
COLOURS = (
    (0.35, 0.45, 0.62),
    (0.62, 0.3, 0.28),
    (0.75, 0.62, 0.36),
    (0.33, 0.5, 0.38),
    (0.5, 0.5, 0.54),
)


def glb_of(character: Character) -> bytes:
    """A character as GLB: one mesh, a primitive and a plain material for each kind of piece."""
    glb = GlbBuilder("Rigline sample generator")
    low = min(p.vertices[:, 1].min() for p in character.pieces)
    high = max(p.vertices[:, 1].max() for p in character.pieces)
    scale, floor = HEIGHT / (high - low), np.array([0, low, 0])
    names = sorted({p.name for p in character.pieces})
    for k, name in enumerate(names):
        colour = SKIN if name == "body" else COLOURS[k % len(COLOURS)]
        glb.add(
            "materials",
            {"name": name, "doubleSided": True,
             "pbrMetallicRoughness": {"baseColorFactor": [*colour, 1.0], "metallicFactor": 0.0}},
        )  # fmt: skip
    primitives = [
        _primitive(glb, [p for p in character.pieces if p.name == name], k, scale, floor)
        for k, name in enumerate(names)
    ]
    mesh = glb.add("meshes", {"name": "character", "primitives": primitives})
    glb.document["scenes"] = [{"nodes": [glb.add("nodes", {"name": "character", "mesh": mesh})]}]
    glb.document["scene"] = 0
    return glb.to_bytes()


def _primitive(
    glb: GlbBuilder, pieces: list[Piece], material: int, scale: float, floor: np.ndarray
) -> dict:
    offset, vertices, faces = 0, [], []
    for piece in pieces:
        own, own_faces = _light(piece)
        vertices.append((own - floor) * scale)
        faces.append(own_faces + offset)
        offset += len(own)
    points, triangles = np.concatenate(vertices), np.concatenate(faces)
    used, triangles = np.unique(triangles, return_inverse=True)
    points, triangles = points[used], triangles.reshape(-1, 3)
    normals = vertex_normals(points, triangles)
    normals[np.linalg.norm(normals, axis=1) < 0.5] = [0, 1, 0]
    return {
        "attributes": {
            "POSITION": glb.add_array(points.astype(np.float32), ARRAY_BUFFER, with_range=True),
            "NORMAL": glb.add_array(normals.astype(np.float32), ARRAY_BUFFER),
        },
        "indices": glb.add_array(triangles.astype(np.uint16).ravel(), ELEMENT_ARRAY_BUFFER),
        "material": material,
    }


def _light(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """A piece with few enough triangles for a repository."""
    if len(piece.faces) <= MAX_FACES:
        return piece.vertices, piece.faces
    share = 1 - MAX_FACES / len(piece.faces)
    vertices, faces = fast_simplification.simplify(
        piece.vertices.astype(np.float32), piece.faces.astype(np.int32), share
    )
    return vertices.astype(np.float64), faces.astype(np.int64)


def main() -> None:
    p = argparse.ArgumentParser(description="Write the sample characters of the demo.")
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    characters = Characters()
    for seed in range(FIRST_SEED, max(NAMES) + 1):
        character = characters.draw(np.random.default_rng([seed]))
        if seed in NAMES:
            data = glb_of(character)
            (args.out / f"{NAMES[seed]}.glb").write_bytes(data)
            print(f"{NAMES[seed]}.glb: {len(data) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
