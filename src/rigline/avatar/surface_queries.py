"""Questions about a surface: samples of it, the nearest point of it, and what it encloses.

All of them take any triangle soup: open, non-manifold or with overlapping layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from rigline.avatar.mesh import Floats, Ints, face_cross

MAX_SUBDIVISION = 40
MAX_PAIRS = 12_000_000
"""Point-triangle pairs a winding query may cost; beyond, it takes fewer points."""

EXACT_COST = 12
"""An exact pair costs about so many far ones."""

BLOCK_PAIRS = 2_000_000
"""Pairs a winding query holds a byte each for at a time; bounds its memory."""

CACHED_PAIRS = 65_536
"""Pairs whose intermediate values stay in a processor's cache."""

NEAR_FIELD = 2.0
"""Within so many edge lengths a triangle counts exactly, beyond as a dipole."""


@dataclass(frozen=True, eq=False)
class SurfaceSamples:
    """``points (n, 3)`` on triangles ``face (n,)``, each nearest to the vertex ``corner (n,)``."""

    points: Floats
    face: Ints
    corner: Ints


def lattice_samples(
    vertices: Floats, faces: Ints, pitch: float, budget: int, corner_rank: Ints | None = None
) -> SurfaceSamples:
    """The mesh's used vertices, and a barycentric lattice over every triangle longer than a pitch.

    ``pitch`` is in the unit of the vertices and grows until no more than about ``budget`` lattice
    points are needed. ``corner_rank (N,)`` says which corner wins where two are equally near, so
    that the samples depend on the triangles alone, not on the order of their corners: a mirrored
    mesh has exactly the mirrored samples.
    """
    corners = vertices[faces]
    longest = np.sqrt(((corners - np.roll(corners, 1, axis=1)) ** 2).sum(axis=2).max(axis=1))
    pitch = _affordable_pitch(longest, pitch, budget)
    steps = np.clip(np.ceil(longest / pitch), 1, MAX_SUBDIVISION).astype(np.int64)
    used = np.unique(faces)
    face_of = np.zeros(len(vertices), np.int64)
    face_of[faces.ravel()] = np.repeat(np.arange(len(faces)), 3)
    points, face, corner = [vertices[used]], [face_of[used]], [used]
    rank = np.zeros(len(vertices)) if corner_rank is None else corner_rank
    for n in np.unique(steps[steps > 1]):
        chosen = np.flatnonzero(steps == n)
        weights = _lattice(int(n))
        points.append(np.einsum("lc,fcx->flx", weights, corners[chosen]).reshape(-1, 3))
        face.append(np.repeat(chosen, len(weights)))
        preference = weights[None] - 1e-9 * rank[faces[chosen]][:, None, :]
        nearest = preference.argmax(axis=2)
        corner.append(np.take_along_axis(faces[chosen], nearest, axis=1).ravel())
    return SurfaceSamples(np.concatenate(points), np.concatenate(face), np.concatenate(corner))


def _affordable_pitch(longest: Floats, pitch: float, budget: int) -> float:
    """The pitch, or the first of a growing series that keeps the lattice within the budget."""
    pitch = max(pitch, float(longest.max()) / MAX_SUBDIVISION, 1e-12)
    while True:
        steps = np.ceil(longest / pitch)
        if (steps * (steps + 3) / 2)[steps > 1].sum() <= budget:
            return pitch
        pitch *= 1.25


@cache
def _lattice(n: int) -> Floats:
    """Barycentric coordinates of a triangle divided n times, without its three corners."""
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    inside = (i + j <= n) & (np.maximum(np.maximum(i, j), n - i - j) < n)
    return np.asarray(np.stack([i, j, n - i - j], axis=1)[inside] / n)


def nearest_on_surface(
    points: Floats, vertices: Floats, faces: Ints, samples: SurfaceSamples, candidates: int = 12
) -> tuple[Floats, Ints]:
    """The nearest point of the mesh to each of ``points (q, 3)``, and the triangle it lies on.

    Exact on the triangles of the nearest samples, which is exact but for a fraction of their pitch.
    """
    count = min(candidates, len(samples.points))
    near = cKDTree(samples.points).query(points, count)[1].reshape(len(points), count)
    triangles = samples.face[near]
    flat = faces[triangles.ravel()]
    found = _nearest_on_triangles(
        np.repeat(points, count, axis=0),
        vertices[flat[:, 0]],
        vertices[flat[:, 1]],
        vertices[flat[:, 2]],
    ).reshape(len(points), count, 3)
    # The sample itself is on the surface too, and sits on triangles beside the one it names.
    found = np.concatenate([found, samples.points[near]], axis=1)
    squared = ((found - points[:, None]) ** 2).sum(axis=2)
    best = squared.argmin(axis=1)
    rows = np.arange(len(points))
    return found[rows, best], triangles[rows, best % count]


def _nearest_on_triangles(p: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Nearest point of triangle i to point i: the projection if inside, else on an edge."""
    best = _nearest_on_segments(p, a, b)
    for start, end in ((b, c), (c, a)):
        other = _nearest_on_segments(p, start, end)
        closer = ((other - p) ** 2).sum(axis=1) < ((best - p) ** 2).sum(axis=1)
        best = np.where(closer[:, None], other, best)
    normal = np.cross(b - a, c - a)
    squared = (normal**2).sum(axis=1)
    flat = squared > 1e-30
    height = np.divide(((p - a) * normal).sum(axis=1), squared, out=np.zeros(len(p)), where=flat)
    foot = p - height[:, None] * normal
    inside = flat
    for start, end in ((a, b), (b, c), (c, a)):
        inside = inside & ((np.cross(end - start, foot - start) * normal).sum(axis=1) >= 0)
    return np.where(inside[:, None], foot, best)


def _nearest_on_segments(p: Floats, a: Floats, b: Floats) -> Floats:
    """Nearest point of segment i to point i."""
    along = b - a
    squared = (along**2).sum(axis=1)
    share = ((p - a) * along).sum(axis=1) / np.maximum(squared, 1e-30)
    return np.asarray(a + np.clip(share, 0.0, 1.0)[:, None] * along)


def farthest_hit(origin: Floats, direction: Floats, vertices: Floats, faces: Ints) -> float | None:
    """How far along a ray, in lengths of ``direction``, it last meets the mesh; None if it misses.

    Möller and Trumbore, "Fast, minimum storage ray-triangle intersection", 1997.
    """
    a = vertices[faces[:, 0]]
    first, second = vertices[faces[:, 1]] - a, vertices[faces[:, 2]] - a
    across = np.cross(direction, second)
    determinant = (first * across).sum(axis=1)
    scale = np.where(np.abs(determinant) > 1e-15, determinant, np.inf)
    offset = origin - a
    u = (offset * across).sum(axis=1) / scale
    turned = np.cross(offset, first)
    v = (turned @ direction) / scale
    distance = (second * turned).sum(axis=1) / scale
    edge = -1e-9
    hit = (u >= edge) & (v >= edge) & (u + v <= 1 - edge) & (distance > 0) & np.isfinite(scale)
    return float(distance[hit].max()) if hit.any() else None


def winding_numbers(points: Floats, vertices: Floats, faces: Ints) -> Floats:
    """``(q,)`` generalized winding numbers: near 0 outside, near ±1 (or more) inside.

    Jacobson et al., "Robust inside-outside segmentation using generalized winding numbers", 2013;
    far triangles count as dipoles at their centroids, as in Barill et al., "Fast winding numbers
    for soups and clouds", 2018, but without a tree.
    """
    return _winding(points, *_dipoles(vertices, faces))


def _winding(
    points: Floats, corners: Floats, centroid: Floats, dipole: Floats, reach: Floats
) -> Floats:
    """``winding_numbers`` of what ``_dipoles`` made of a mesh."""
    result = np.zeros(len(points))
    count = len(corners)
    rows = max(1, BLOCK_PAIRS // count)
    for start in range(0, len(points), rows):
        some = points[start : start + rows]
        total, unsure = _far_field(some, centroid, dipole, reach)
        query, face = np.divmod(np.flatnonzero(unsure), count)
        offset = centroid[face] - some[query]
        squared = _dots(offset, offset)
        near = squared < reach[face]
        squared[near] = 1.0
        angle = _dots(offset, dipole[face]) / np.maximum(squared, 1e-30) ** 1.5
        angle[near] = _solid_angles(corners[face[near]] - some[query[near]][:, None])
        total += np.bincount(query, angle, minlength=len(some))
        result[start : start + rows] = total / (4 * np.pi)
    return result


def _dipoles(vertices: Floats, faces: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Corners ``(M, 3, 3)``, centroids and area vectors ``(M, 3)`` of the triangles, and the
    squared distance ``(M,)`` within which each counts exactly."""
    corners = vertices[faces]
    longest = ((corners - np.roll(corners, 1, axis=1)) ** 2).sum(axis=2).max(axis=1)
    return (
        corners,
        corners.mean(axis=1),
        0.5 * face_cross(vertices, faces),
        (NEAR_FIELD**2) * longest,
    )


def _far_field(
    points: Floats, centroid: Floats, dipole: Floats, reach: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Summed dipoles seen from ``points (q, 3)``, and ``(q, M)`` the pairs that it left out.

    Single precision, around the middle of the points, and in pieces that stay in the cache; pairs
    within reach, or so close to it that rounding might decide, are left to the caller.
    """
    count = len(centroid)
    unsure = np.empty((len(points), count), np.bool_)
    total = np.empty(len(points))
    middle = points.mean(axis=0)
    eyes = (points - middle).astype(np.float32)
    x, y, z = np.ascontiguousarray((centroid - middle).T, np.float32)
    u, v, w = np.ascontiguousarray(dipole.T, np.float32)
    close = np.maximum(reach * 1.0002, 1e-20).astype(np.float32)
    rows = max(1, CACHED_PAIRS // count)
    buffers = np.empty((4, min(rows, len(points)), count), np.float32)
    for start in range(0, len(points), rows):
        eye = eyes[start : start + rows, :, None]
        squared, flux, delta, product = buffers[:, : len(eye)]
        np.subtract(x, eye[:, 0], out=delta)
        np.multiply(delta, delta, out=squared)
        np.multiply(delta, u, out=flux)
        for centre, normal, at in ((y, v, eye[:, 1]), (z, w, eye[:, 2])):
            np.subtract(centre, at, out=delta)
            flux += np.multiply(delta, normal, out=product)
            squared += np.multiply(delta, delta, out=delta)
        left_out = np.less(squared, close, out=unsure[start : start + rows])
        np.copyto(squared, np.inf, where=left_out)
        squared *= np.sqrt(squared, out=delta)
        flux /= squared
        total[start : start + rows] = flux.sum(axis=1)
    return total, unsure


def _dots(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", a, b))


def _solid_angles(corners: Floats) -> Floats:
    """Signed solid angles of triangles ``(k, 3, 3)`` seen from the origin.

    Van Oosterom and Strackee, "The solid angle of a plane triangle", 1983.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
    volume = _dots(a, np.cross(b, c))
    ab, bc, ca = _dots(a, b), _dots(b, c), _dots(c, a)
    return np.asarray(2 * np.arctan2(volume, la * lb * lc + ab * lc + bc * la + ca * lb))


def share_inside(points: Floats, vertices: Floats, faces: Ints) -> float:
    """The share of ``points (q, 3)`` that the mesh encloses, by winding number.

    On large meshes an even, deterministic selection of at least 128 points answers for all.
    """
    some = points[:: max(1, len(points) // 16)]
    dipoles = _dipoles(vertices, faces)
    near = _far_field(some, *dipoles[1:])[1].sum() / max(len(some), 1)
    cost = len(faces) + EXACT_COST * near
    affordable = max(128, int(MAX_PAIRS / max(cost, 1)))
    if len(points) > affordable:
        chosen = np.linspace(0, len(points) - 1, affordable).astype(np.int64)
        points = points[chosen]
    return float((np.abs(_winding(points, *dipoles)) > 0.5).mean())
