"""Heat diffusion over a surface, whatever its topology: smooths labels and makes skin weights."""

from __future__ import annotations

import numpy as np
import robust_laplacian
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

from rigline.avatar.mesh import Floats, Ints, unique_edges, vertex_areas
from rigline.errors import ContractViolation

DIRECT_LIMIT = 12_000
"""Up to so many vertices a factorisation is cheap whatever the mesh connects."""

SURFACE_EDGES = 2.0
"""Edges a triangle below which a mesh is mostly a surface (closed ones have 1.5), so that a
factorisation stays sparse; beyond, triangles join vertices at will and iterations are safer."""

MAX_ITERATIONS = 400
TOLERANCE = 1e-6


class SurfaceDiffusion:
    """Solves ``(M + t L) x = M b`` on a welded mesh, with M the lumped mass and L the Laplacian.

    The Laplacian is the tufted intrinsic Delaunay one (Sharp & Crane, "A Laplacian for nonmanifold
    triangle meshes", 2020), which copes with non-manifold edges, soups and open shells; where it
    fails on a degenerate mesh, a graph Laplacian over the edges takes its place. Values do not
    cross gaps between islands.
    """

    def __init__(self, vertices: Floats, faces: Ints) -> None:
        """``vertices (W, 3)`` welded, ``faces (M, 3)`` into them; unreferenced ones are allowed."""
        proper = faces[
            (faces[:, 0] != faces[:, 1])
            & (faces[:, 1] != faces[:, 2])
            & (faces[:, 2] != faces[:, 0])
        ]
        n_edges = len(unique_edges(proper))
        self._direct = len(vertices) <= DIRECT_LIMIT or n_edges < SURFACE_EDGES * len(proper)
        self._laplacian, self._mass = _operators(vertices, proper)

    def smooth(self, values: Floats, radius: float) -> Floats:
        """Values ``(W, k)`` after diffusion; ``radius`` is √t, in the unit of the vertices.

        Keeps constants and leaves isolated vertices as they are. Values stay within the range of
        the input, but for what the solver's tolerance and obtuse triangles allow. Deterministic.
        """
        system = csr_array(diags_array(self._mass) + radius**2 * self._laplacian)
        right = self._mass[:, None] * values
        if self._direct:
            # An ordering for symmetric matrices fills in far less than the default one.
            factors = splu(
                system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )  # fmt: skip
            return np.asarray(factors.solve(right))
        return _conjugate_gradients(system, right, values)


def _operators(vertices: Floats, faces: Ints) -> tuple[csr_array, Floats]:
    """Laplacian (W, W), positive semi-definite, and lumped mass (W,), positive."""
    count = len(vertices)
    used = np.unique(faces)
    floor = 1e-12
    if len(used) == 0:
        return csr_array((count, count)), np.ones(count)
    local = np.full(count, -1)
    local[used] = np.arange(len(used))
    try:
        small, mass = robust_laplacian.mesh_laplacian(vertices[used], local[faces])
        small, mass = csr_array(small), mass.diagonal()
        sound = np.isfinite(small.data).all() and np.isfinite(mass).all()
    except (RuntimeError, ValueError):
        sound = False
    if not sound:
        small = _graph_laplacian(vertices[used], local[faces])
        mass = vertex_areas(vertices[used], local[faces])
    spread = csr_array((np.ones(len(used)), (used, np.arange(len(used)))), shape=(count, len(used)))
    full_mass = np.zeros(count)
    full_mass[used] = mass
    positive = full_mass[full_mass > 0]
    typical = float(np.median(positive)) if len(positive) else 1.0
    return csr_array(spread @ small @ spread.T), np.maximum(full_mass, max(typical * 1e-6, floor))


def _graph_laplacian(vertices: Floats, faces: Ints) -> csr_array:
    """The combinatorial Laplacian, every edge of weight one: coarse, but never undefined."""
    i = faces[:, [0, 1, 2]].ravel()
    j = faces[:, [1, 2, 0]].ravel()
    n = len(vertices)
    weights = csr_array((np.ones(len(i)), (i, j)), shape=(n, n))
    weights = weights + weights.T
    return csr_array(diags_array(np.asarray(weights.sum(axis=1)).ravel()) - weights)


def _conjugate_gradients(system: csr_array, right: Floats, start: Floats) -> Floats:
    """Jacobi-preconditioned conjugate gradients, all columns at once (Hestenes & Stiefel 1952)."""
    inverse = (1 / system.diagonal())[:, None]
    x = start.copy()
    residual = right - system @ x
    z = inverse * residual
    p = z.copy()
    rz = (residual * z).sum(axis=0)
    goal = TOLERANCE * np.sqrt((right * inverse * right).sum(axis=0)) + 1e-30
    for _ in range(MAX_ITERATIONS):
        if (np.sqrt(np.maximum(rz, 0)) <= goal).all():
            return x
        ap = system @ p
        step = rz / np.maximum((p * ap).sum(axis=0), 1e-300)
        x += step * p
        residual -= step * ap
        z = inverse * residual
        fresh = (residual * z).sum(axis=0)
        p = z + fresh / np.maximum(rz, 1e-300) * p
        rz = fresh
    if not np.isfinite(x).all():
        raise ContractViolation("Diffusion over the surface did not converge.")
    return x
