"""Triangle meshes and the few measures of them that every stage needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rigline.errors import InvalidInput

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """Vertices ``(N, 3)`` float64 and triangles ``(M, 3)`` int64, checked once, here.

    Raises ``InvalidInput`` on wrong shapes, values that are not finite, indices out of range, or a
    mesh without triangles. Triangles may be degenerate, repeated or non-manifold.
    """

    vertices: Floats
    faces: Ints

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, dtype=np.float64)
        faces = np.ascontiguousarray(self.faces, dtype=np.int64)
        if vertices.ndim != 2 or vertices.shape[1:] != (3,):
            raise InvalidInput("Vertices must have the shape (N, 3).", shape=vertices.shape)
        if faces.ndim != 2 or faces.shape[1:] != (3,) or len(faces) == 0:
            raise InvalidInput("The mesh has no triangles.", shape=faces.shape)
        if not np.isfinite(vertices).all():
            raise InvalidInput(
                "The mesh has vertices that are not finite numbers.",
                remedy="Export it again without NaN or infinite positions.",
                count=int((~np.isfinite(vertices)).any(axis=1).sum()),
            )
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise InvalidInput(
                f"A triangle names vertex {int(faces.max())}, but there are {len(vertices)}.",
                index=int(faces.max()),
                count=len(vertices),
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)


def face_cross(vertices: Floats, faces: Ints) -> Floats:
    """``(M, 3)`` cross products of two edges: normal direction, length twice the area."""
    a, b, c = vertices[faces[:, 0]], vertices[faces[:, 1]], vertices[faces[:, 2]]
    return np.cross(b - a, c - a)


def face_areas(vertices: Floats, faces: Ints) -> Floats:
    """``(M,)`` triangle areas in squared units of the vertices."""
    return 0.5 * np.linalg.norm(face_cross(vertices, faces), axis=1)


def vertex_areas(vertices: Floats, faces: Ints) -> Floats:
    """``(N,)`` area around each vertex: a third of each of its triangles."""
    third = face_areas(vertices, faces) / 3
    return np.asarray(
        np.bincount(faces.ravel(), np.repeat(third, 3), minlength=len(vertices)), np.float64
    )


def vertex_normals(vertices: Floats, faces: Ints) -> Floats:
    """``(N, 3)`` area-weighted unit normals; zero where a vertex has no area around it."""
    cross = face_cross(vertices, faces)
    normals = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(cross[:, k], 3), minlength=len(vertices))
            for k in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 1e-20)


def weld(vertices: Floats, tolerance: float = 1e-5) -> tuple[Ints, Ints]:
    """Merge vertices that coincide, as duplicates along UV and normal seams do.

    Returns ``first (W,)``, for each welded vertex one index of the original, and ``inverse (N,)``,
    for each original vertex its welded one. ``tolerance`` is a share of the longest side of the
    bounding box; positions are compared on a grid of that pitch.
    """
    extent = float(np.ptp(vertices, axis=0).max()) or 1.0
    grid = np.round(vertices / (tolerance * extent)).astype(np.int64)
    # At most 1 / tolerance + 2 steps an axis, so three of them fit into one 64-bit key.
    grid -= grid.min(axis=0)
    steps = grid.max(axis=0) + 1
    keys = (grid[:, 0] * steps[1] + grid[:, 1]) * steps[2] + grid[:, 2]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.reshape(-1).astype(np.int64)


def islands(n_vertices: int, faces: Ints) -> tuple[int, Ints]:
    """Connected components over shared vertices: their count and a label ``(N,)`` per vertex."""
    return components(n_vertices, np.concatenate([faces[:, :2], faces[:, 1:]]))


def components(count: int, links: Ints) -> tuple[int, Ints]:
    """How many connected components ``count`` things have that ``links (k, 2)`` join, and the
    component of each, ``(count,)``."""
    graph = coo_array(
        (np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count)
    )
    number, label = connected_components(graph.tocsr(), directed=False)
    return int(number), label.astype(np.int64)


def unique_edges(faces: Ints) -> Ints:
    """``(E, 2)`` undirected edges, each once, the smaller index first."""
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    count = int(faces.max()) + 1 if len(faces) else 1
    keys = np.unique(np.minimum(start, end) * count + np.maximum(start, end))
    return np.stack([keys // count, keys % count], axis=1)
