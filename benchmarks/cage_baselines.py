"""The cage that Rigline lays, beside two simpler ones with the same vertices and triangles.

    python -m benchmarks.cage_baselines [FILE...]

Those two begin with tubes of fixed radii around the bones. *Projection* moves each vertex to the
nearest point of the body; *offset* goes on from there along the surface's normal, as far as
Rigline's cage lies outside. A row is one file and one way: mean and largest distance of the cage's
vertices from the body in studs (a body is five high), the share of them that the body encloses, the
share of the body's surface that the cage encloses, the mean bend between neighbouring triangles of
the cage and the share of those that fold back (over 90 degrees).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.serving_parity import SAMPLES, set_up
from rigline.avatar.body import CHILD, N_PARTS
from rigline.avatar.cage import OuterCage, body_samples, cage_evidence, fit_cage
from rigline.avatar.cage_kernel import INFLATION, fit_vertices
from rigline.avatar.cage_template import template
from rigline.avatar.mesh import Floats, Ints, face_cross
from rigline.avatar.surface_queries import SurfaceSamples, nearest_on_surface, share_inside
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository

STUDS = 5.0
TITLE = """\
| file | cage | mean distance, studs | largest | inside, % | covers, % | bend, degrees | folded, % |
|---|---|---|---|---|---|---|---|"""


def tubes(samples: SurfaceSamples, part: Ints, joints: Floats) -> Floats:
    """The template around the bones: what the kernel makes of the bones' ends alone."""
    owner, points, ends = part[samples.corner], [], []
    for p in range(N_PARTS):
        own = samples.points[owner == p]
        if CHILD[p] >= 0 or not len(own):
            end = joints[CHILD[p]] if CHILD[p] >= 0 else joints[p]
        else:
            end = own[np.linalg.norm(own - joints[p], axis=1).argmax()]
        points += [joints[p], end]
        ends += [p, p]
    return fit_vertices(np.array(points), np.array(ends), joints)


def bends(cage: Floats) -> Floats:
    """Degrees between the normals of triangles that share an edge; those without area left out."""
    faces = template().twin[template().faces]
    cross = face_cross(cage, faces)
    size = np.linalg.norm(cross, axis=1)
    normal = cross / np.maximum(size, 1e-15)[:, None]
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    edges, owner = edges[order], owner[order]
    pair = np.flatnonzero((edges[1:] == edges[:-1]).all(axis=1))
    first, second = owner[pair], owner[pair + 1]
    solid = (size[first] > 1e-12) & (size[second] > 1e-12)
    cosine = (normal[first[solid]] * normal[second[solid]]).sum(axis=1)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def cages(vertices: Floats, faces: Ints, part: Ints, joints: Floats) -> dict[str, Floats]:
    """The three cages of one body by name."""
    samples = body_samples(vertices, faces, part)
    nearest, face = nearest_on_surface(tubes(samples, part, joints), vertices, faces, samples)
    cross = face_cross(vertices, faces)[face]
    normal = cross / np.maximum(np.linalg.norm(cross, axis=1), 1e-15)[:, None]
    return {
        "projection": nearest,
        "offset": nearest + INFLATION * normal,
        "Rigline": fit_cage(vertices, faces, part, joints).vertices,
    }


def rows(path: Path, models: EmbeddedModels) -> list[tuple[str, list[float]]]:
    """Each cage's name and figures for one file."""
    body, segmentation, rig = set_up(path.name, path.read_bytes(), models)
    part = segmentation.part.astype(np.int64)
    found = []
    for name, cage in cages(body.vertices, body.faces, part, rig.joints).items():
        seen = cage_evidence(OuterCage(cage), body.vertices, body.faces, part)
        bend, faces = bends(cage), template().twin[template().faces]
        points = body_samples(body.vertices, body.faces, part).points
        figures = [
            STUDS * seen["mean_distance"], STUDS * seen["max_distance"],
            100 * seen["inside_share"], 100 * share_inside(points, cage, faces),
            float(bend.mean()), 100 * float((bend > 90).mean()),
        ]  # fmt: skip
        found.append((name, figures))
    return found


def told(file: str, cage: str, figures: list[float]) -> str:
    texts = [f"{v:.{n}f}" for v, n in zip(figures, (3, 2, 1, 1, 0, 1), strict=True)]
    return "| " + " | ".join([file, cage, *texts]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Rigline's cage beside two simpler ones.")
    parser.add_argument("files", nargs="*", type=Path, default=sorted(SAMPLES.glob("*.glb")))
    args = parser.parse_args()
    models = EmbeddedModels(shipped_repository())
    print(TITLE)
    every: dict[str, list[list[float]]] = {}
    for path in args.files:
        for name, figures in rows(path, models):
            every.setdefault(name, []).append(figures)
            print(told(path.stem, name, figures), flush=True)
    for name, figures in every.items():
        print(told("mean of all", name, list(np.mean(figures, axis=0))))


if __name__ == "__main__":
    main()
