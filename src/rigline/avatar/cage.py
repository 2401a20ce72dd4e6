"""The outer cage: the fixed template of :mod:`cage_template`, laid around a body.

A body's surface is sampled here; what the samples become is in :mod:`rigline.avatar.cage_kernel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PART_NAMES
from rigline.avatar.cage_kernel import MIN_SAMPLES, fit_vertices
from rigline.avatar.cage_template import template
from rigline.avatar.mesh import Floats, Ints, TriangleMesh
from rigline.avatar.surface_queries import (
    SurfaceSamples,
    lattice_samples,
    nearest_on_surface,
    share_inside,
)
from rigline.errors import InvalidInput

SAMPLE_PITCH: Final = 0.012
SAMPLE_BUDGET: Final = 24_000


@dataclass(frozen=True, eq=False)
class OuterCage:
    """``vertices (C, 3)`` float64 in the canonical frame; topology and UVs are the template's."""

    vertices: Floats

    def with_vertices(self, ids: Ints, positions: Floats) -> OuterCage:
        """The cage with vertices ``ids (k,)`` at ``positions (k, 3)``, the last of two on one.

        Vertices that are at the same place go together, as both copies of a seam do and the rings
        in which two parts meet; so no crack opens.
        """
        _, place = np.unique(self.vertices, axis=0, return_inverse=True)
        place = place.reshape(-1)
        last = np.full(int(place.max()) + 1, -1)
        np.maximum.at(last, place[ids], np.arange(len(ids)))
        chosen = last[place]  # (C,) which of the positions each vertex takes, or -1
        return OuterCage(np.where(chosen[:, None] >= 0, positions[chosen], self.vertices))


def fit_cage(vertices: Floats, faces: Ints, part: Ints, joints: Floats) -> OuterCage:
    """Lay the template around a body in the canonical frame.

    ``vertices (N, 3)``, ``faces (M, 3)`` any triangle soup, ``part (N,)`` in 0…14, ``joints (15,
    3)``. A part with little or no surface gets a small tube around its bone. Deterministic, always
    finite, and mirror-symmetric on a mirror-symmetric body: exactly if its triangles are mirrored
    too, otherwise but for where its surface is sampled, some 0.1 % of the height. Raises
    ``InvalidInput`` on wrong shapes or values that are not finite.
    """
    mesh = TriangleMesh(vertices, faces)
    if joints.shape != (N_PARTS, 3) or not np.isfinite(joints).all():
        raise InvalidInput("Fifteen finite joints are needed.", shape=joints.shape)
    if part.shape != (len(mesh.vertices),) or part.min() < 0 or part.max() >= N_PARTS:
        raise InvalidInput("Each vertex needs one of the fifteen parts.", shape=part.shape)
    samples = body_samples(mesh.vertices, mesh.faces, part)
    return OuterCage(fit_vertices(samples.points, part[samples.corner], joints))


def body_samples(vertices: Floats, faces: Ints, part: Ints) -> SurfaceSamples:
    """Samples of a body of height 1, dense enough for the cage."""
    return lattice_samples(vertices, faces, SAMPLE_PITCH, SAMPLE_BUDGET, part)


def cage_evidence(cage: OuterCage, vertices: Floats, faces: Ints, part: Ints) -> dict[str, float]:
    """How well a cage fits, as shares of the body's height; poles, which close the tubes, left out.

    ``inside_share`` of the cage's vertices that the body encloses (generalized winding number),
    ``max_distance`` and ``mean_distance`` to the body's surface, ``bare_parts`` without surface to
    fit to, and ``mean_distance.<Part>``. Same arrays and frame as ``fit_cage``.
    """
    topology = template()
    samples = body_samples(vertices, faces, part)
    counted = np.flatnonzero(~topology.is_pole & (topology.twin == np.arange(len(topology.part))))
    points = cage.vertices[counted]
    nearest, _ = nearest_on_surface(points, vertices, faces, samples)
    distance = np.linalg.norm(points - nearest, axis=1)
    present = np.bincount(part[samples.corner], minlength=N_PARTS) >= MIN_SAMPLES
    evidence = {
        "inside_share": share_inside(points, vertices, faces),
        "max_distance": float(distance.max()),
        "mean_distance": float(distance.mean()),
        "bare_parts": float((~present).sum()),
    }
    for p, name in enumerate(PART_NAMES):
        evidence[f"mean_distance.{name}"] = float(distance[topology.part[counted] == p].mean())
    return evidence
