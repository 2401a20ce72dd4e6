"""Whether an asset can be one standing humanoid at all, as far as plain geometry can tell.

The models answer whatever they are asked: a crate gets fifteen joints too. These measures name what
is wrong with an asset that is none; what only the shape can tell is the models' part.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.mesh import Floats, TriangleMesh
from rigline.avatar.sampling import sample_surface

N_POINTS: Final = 3000
N_DIRECTIONS: Final = 12
"""Horizontal directions in which a gap between bodies is sought, evenly over a half turn."""

BODY_AREA: Final = 0.2
BODY_HEIGHT: Final = 0.5
"""What lies on one side of a gap is a body of its own with this share of the surface and height."""

SMALLEST_GAP: Final = 0.01


def shape_evidence(mesh: TriangleMesh, seed: int) -> dict[str, float]:
    """``thickness`` and ``bodies`` of a mesh in the canonical frame. Deterministic for a seed.

    ``thickness`` is the smallest principal extent of the surface as a share of the largest, each
    one standard deviation: 0 for a flat sheet, 1 for a cube. ``bodies`` is how many upright pieces
    stand side by side with air between them (more than two count as two).
    """
    points = sample_surface(mesh, N_POINTS, np.random.default_rng([seed])).points
    return {"thickness": _thickness(points), "bodies": float(_bodies(points))}


def _thickness(points: Floats) -> float:
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return float(spread[-1] / max(spread[0], 1e-30))


def _bodies(points: Floats) -> int:
    for angle in np.arange(N_DIRECTIONS) * np.pi / N_DIRECTIONS:
        along = points[:, 0] * np.cos(angle) + points[:, 2] * np.sin(angle)
        if _stand_apart(along, points[:, 1]):
            return 2
    return 1


def _stand_apart(along: Floats, level: Floats) -> bool:
    """Whether the widest gap along a direction has an upright body on either side."""
    order = np.argsort(along)
    few = int(BODY_AREA * len(along))
    gaps = np.diff(along[order][few : len(along) - few])
    widest = int(gaps.argmax())
    if gaps[widest] < SMALLEST_GAP:
        return False
    sides = order[: few + widest + 1], order[few + widest + 1 :]
    return all(np.ptp(np.quantile(level[side], (0.01, 0.99))) > BODY_HEIGHT for side in sides)
