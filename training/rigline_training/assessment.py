"""The product's own stages over synthetic characters whose answer is known.

What a network scores on samples is not what an avatar gets: labels are smoothed and snapped, views
are joined, the orientation may be wrong. Here the stages run as in the product, on meshes, and
leave what the policy sees (evidence) beside what really was the case (truth).

    python -m rigline_training.assessment --family creatures --count 200 --out out/creatures.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fast_simplification import simplify
from scipy.spatial import cKDTree

from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import TriangleMesh, face_areas
from rigline.engine.stage import StageContext
from rigline.formats.source_model import MaterialLibrary, Primitive, SourceModel
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.pipelines import avatar_stages as stages
from rigline_training.anny_bodies import AnnyBodies
from rigline_training.character import Character, Floats, Ints, Piece
from rigline_training.dataset import Characters
from rigline_training.held_out_families import FAMILIES, draw_family
from rigline_training.oddities import draw_oddity

MAX_FACES = 3000
"""Pieces with more triangles are simplified, as game characters are."""

ACCEPTABLE_ERROR, ACCEPTABLE_ACCURACY = 5.0, 0.85
"""Until reviewers have decided: mean joint error in % of height, and share of the area right."""


@dataclass(frozen=True)
class Subject:
    """A character as the product gets it, and the answer: ``part (N,)``, ``joints (15, 3)``."""

    source: SourceModel
    part: Ints
    joints: Floats
    style: str


def subject_of(character: Character) -> Subject:
    """One mesh in the character's own frame, which may be any."""
    lighter = Character(
        tuple(_lighter(p) for p in character.pieces), character.joints, character.style
    )
    vertices, faces, labels = lighter.merged()
    used, faces = np.unique(faces, return_inverse=True)
    mesh = TriangleMesh(vertices[used], faces.reshape(-1, 3))
    whole = Primitive("character", None, 0, len(mesh.vertices), 0, len(mesh.faces))
    source = SourceModel(mesh, None, None, None, (whole,), MaterialLibrary(), "glb", "Y")
    return Subject(source, labels[used], character.joints, character.style)


def _lighter(piece: Piece) -> Piece:
    if len(piece.faces) <= MAX_FACES:
        return piece
    vertices, faces = simplify(
        piece.vertices.astype(np.float32), piece.faces.astype(np.int32), target_count=MAX_FACES
    )
    if len(faces) < 4:
        return piece
    nearest = cKDTree(piece.vertices).query(vertices)[1]
    return Piece(vertices.astype(float), faces.astype(np.int64), piece.labels[nearest])


def assess(subject: Subject, ctx: StageContext) -> dict[str, Any]:
    """Evidence of the stages up to the skin, and joint errors (% of height) and accuracy."""
    upright = stages.orient(ctx, subject.source)
    parts = stages.segment_parts(ctx, upright.value)
    rig = stages.rig(ctx, subject.source, upright.value)
    skin = stages.skin_body(ctx, subject.source, upright.value, parts.value, rig.value)
    produced = {"orient": upright, "segment": parts, "rig": rig, "skin": skin}
    return {
        "style": subject.style,
        "evidence": {name: p.evidence for name, p in produced.items()},
        **truth_of(subject, upright.value, parts.value.part, rig.value.joints),
    }


def truth_of(subject: Subject, mesh: CanonicalMesh, part: Ints, joints: Floats) -> dict[str, Any]:
    """How good labels and joints in the canonical frame are."""
    matrix = mesh.canonical_from_asset
    wanted = subject.joints @ matrix[:3, :3].T + matrix[:3, 3]
    error = 100 * np.linalg.norm(joints - wanted, axis=1)
    area = np.repeat(face_areas(mesh.vertices, mesh.faces), 3)
    right = (part == subject.part)[mesh.faces].ravel()
    accuracy = float((area * right).sum() / area.sum())
    return {
        "joint_error": error.tolist(),
        "accuracy": accuracy,
        "front_right": bool(matrix[2, 2] > 0 and matrix[1, 1] > 0),
        "acceptable": bool(error.mean() <= ACCEPTABLE_ERROR and accuracy >= ACCEPTABLE_ACCURACY),
    }


def characters_of(kind: str, seed: int, count: int) -> list[Character]:
    """Characters of a held-out family, of the training's own kinds, or odd things."""
    if kind in FAMILIES:
        return draw_family(kind, AnnyBodies(), seed, count)
    characters = Characters()
    draw = draw_oddity if kind == "oddities" else lambda c, rng: c.draw(rng)
    return [draw(characters, np.random.default_rng([seed, k])) for k in range(count)]


def models_context(repository: Path | None) -> StageContext:
    return StageContext(EmbeddedModels(repository or shipped_repository(), threads=1))


def main() -> None:
    p = argparse.ArgumentParser(description="Run the product's stages over synthetic characters.")
    p.add_argument("--family", choices=[*FAMILIES, "training", "oddities"], required=True)
    p.add_argument("--count", type=int, default=200)
    p.add_argument("--seed", type=int, default=500)
    p.add_argument("--models", type=Path, help="model repository; by default the one that ships")
    p.add_argument("--out", type=Path, required=True, help="JSON file")
    args = p.parse_args()
    ctx, found = models_context(args.models), []
    for character in characters_of(args.family, args.seed, args.count):
        found.append(assess(subject_of(character), ctx))
        if len(found) % 20 == 0:
            print(f"{len(found)} of {args.count}", flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found))
    error = np.array([f["joint_error"] for f in found])
    summary = {
        "joint_error": float(error.mean()),
        "accuracy": float(np.mean([f["accuracy"] for f in found])),
        "acceptable": float(np.mean([f["acceptable"] for f in found])),
        "front_right": float(np.mean([f["front_right"] for f in found])),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
