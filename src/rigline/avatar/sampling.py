"""Surface points as the models see them: even samples, patch centres, neighbourhoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from rigline.avatar.mesh import Floats, Ints, TriangleMesh, face_cross
from rigline.errors import InvalidInput

N_POINTS = 2048
N_PATCHES = 128
N_NEIGHBOURS = 20

Floats32 = npt.NDArray[np.float32]
Ints64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """``points (n, 3)`` and unit ``normals (n, 3)``, float64, in the frame of the mesh."""

    points: Floats
    normals: Floats


@dataclass(frozen=True, eq=False)
class Patches:
    """The models' view of a cloud.

    ``features (n, 6)`` float32: position and normal, the patch centres first. ``neighbours (p, k)``
    int64: indices into the features of the points nearest to each of the p centres.
    """

    features: Floats32
    neighbours: Ints64


def sample_surface(mesh: TriangleMesh, count: int, rng: np.random.Generator) -> PointCloud:
    """``count`` points spread evenly over the area of the mesh, by stratified inversion.

    Deterministic for a given generator state. Raises ``InvalidInput`` for a mesh without area.
    """
    cross = face_cross(mesh.vertices, mesh.faces)
    double_area = np.linalg.norm(cross, axis=1)
    total = double_area.sum()
    if not np.isfinite(total) or total <= 0:
        raise InvalidInput("The mesh has no surface area.", remedy="Check its scale and faces.")
    cumulative = np.cumsum(double_area)
    target = (np.arange(count) + rng.random(count)) / count * cumulative[-1]
    face = np.minimum(np.searchsorted(cumulative, target), len(mesh.faces) - 1)
    u, v = rng.random(count), rng.random(count)
    outside = u + v > 1
    u[outside], v[outside] = 1 - u[outside], 1 - v[outside]
    a, b, c = (mesh.vertices[mesh.faces[face, k]] for k in range(3))
    points = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    normals = cross[face] / np.maximum(double_area[face], 1e-30)[:, None]
    return PointCloud(points, normals)


def farthest_points(points: Floats, count: int, first: int = 0) -> Ints:
    """Indices ``(count,)`` in farthest-point order: each next one is farthest from those before.

    Eldar et al., "The farthest point strategy for progressive image sampling", 1997.
    """
    chosen = np.empty(count, dtype=np.int64)
    x, y, z = (np.ascontiguousarray(points[:, k], dtype=np.float32) for k in range(3))
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    index = first
    for i in range(count):
        chosen[i] = index
        distance = (x - x[index]) ** 2 + (y - y[index]) ** 2 + (z - z[index]) ** 2
        np.minimum(nearest, distance, out=nearest)
        index = int(nearest.argmax())
    return chosen


def patches(
    cloud: PointCloud,
    n_patches: int = N_PATCHES,
    n_neighbours: int = N_NEIGHBOURS,
) -> Patches:
    """Order a cloud so that its patch centres come first, and find their neighbourhoods."""
    centres = farthest_points(cloud.points, n_patches)
    rest = np.ones(len(cloud.points), bool)
    rest[centres] = False
    order = np.concatenate([centres, np.flatnonzero(rest)])
    points = cloud.points[order]
    neighbours = np.asarray(cKDTree(points).query(points[:n_patches], n_neighbours)[1])
    features = np.concatenate([points, cloud.normals[order]], axis=1)
    return Patches(features.astype(np.float32), neighbours.astype(np.int64))
