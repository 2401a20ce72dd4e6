"""How the body models see a canonical mesh: several samplings, every second one mirrored.

Averaging over samplings and mirror images lowers the error, and what the views disagree on is the
best evidence of doubt that the models give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import FLIP, SWAP
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.sampling import N_POINTS, patches, sample_surface

MIDDLE: Final = np.array([0.0, 0.5, 0.0])
"""The models' origin in the canonical frame: the middle of the body's box."""


@dataclass(frozen=True, eq=False)
class BodyView:
    """One view: ``features (n, 6)`` float32, ``neighbours (p, k)`` int64, and whether mirrored."""

    features: Floats
    neighbours: Ints
    mirrored: bool

    def to_view(self, points: Floats, normals: Floats) -> Floats:
        """Canonical points and normals ``(q, 3)`` as the view's query features ``(q, 6)``."""
        side = FLIP if self.mirrored else np.ones(3)
        features = np.concatenate([(points - MIDDLE) * side, normals * side], axis=1)
        return features.astype(np.float32)

    def joints_from_view(self, joints: Floats) -> Floats:
        """The view's joints ``(15, 3)`` in the canonical frame, left and right put right."""
        out = joints.astype(np.float64)
        if self.mirrored:
            out = out[SWAP] * FLIP
        return out + MIDDLE

    def parts_from_view(self, columns: Floats) -> Floats:
        """Per-part columns ``(…, 15)`` with left and right put right."""
        return columns[..., SWAP] if self.mirrored else columns


def body_views(mesh: CanonicalMesh, samplings: int, seed: int) -> list[BodyView]:
    """``samplings`` views, every second one mirrored. Deterministic for a seed."""
    views = []
    for k in range(samplings):
        cloud = sample_surface(mesh.mesh, N_POINTS, np.random.default_rng([seed, k]))
        seen = patches(cloud)
        mirrored = k % 2 == 1
        side = (FLIP if mirrored else np.ones(3)).astype(np.float32)
        points = (seen.features[:, :3] - MIDDLE.astype(np.float32)) * side
        features = np.concatenate([points, seen.features[:, 3:] * side], axis=1)
        views.append(BodyView(features, seen.neighbours, mirrored))
    return views
