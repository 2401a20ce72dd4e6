"""Other ways to skin than ours, short, for ``benchmarks.skinning``.

All take canonical vertices ``(N, 3)``, ``faces (M, 3)`` and ``bones (15, 2, 3)``, the ends of each
part's bone (NaN where the rig has none), and give weights ``(N, 15)``; rows of zeros are vertices
that the method leaves without any. Visibility and inside are decided on a grid of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import robust_laplacian
from scipy import ndimage
from scipy.sparse import coo_array, csc_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import splu

from rigline.avatar.body import CHILD, N_PARTS, PARENT, Part
from rigline.avatar.mesh import Bools, Floats, Ints, weld

VOXELS_HIGH = 96
FALLOFF = 0.3
"""α of geodesic voxel binding, in the middle of what its authors offer to artists."""
HEAT = 1.0
"""c of bone heat, as in the paper and in Blender."""


def bones_of(joints: Floats, vertices: Floats) -> Floats:
    """``(15, 2, 3)`` the ends of each bone; where no joint follows, half its parent's length on."""
    ends = np.empty((N_PARTS, 2, 3))
    for part in range(N_PARTS):
        ends[part, 0] = joints[part]
        if CHILD[part] >= 0:
            ends[part, 1] = joints[CHILD[part]]
        elif part == Part.LOWER_TORSO:  # from the root to the waist
            ends[part, 1] = joints[Part.UPPER_TORSO]
        elif part == Part.HEAD:
            top = np.array([0.0, vertices[:, 1].max() - joints[part, 1], 0.0])
            ends[part, 1] = joints[part] + 0.8 * top
        else:
            ends[part, 1] = joints[part] + 0.5 * (joints[part] - joints[PARENT[part]])
    return ends


def bone_distances(points: Floats, bones: Floats) -> tuple[Floats, Floats]:
    """Distances ``(N, 15)``, infinite where there is no bone, and nearest points ``(N, 15, 3)``."""
    start, along = bones[:, 0], bones[:, 1] - bones[:, 0]
    square = np.maximum((along**2).sum(axis=1), 1e-12)
    place = np.einsum("nbk,bk->nb", points[:, None] - start, along) / square
    near = start + np.clip(place, 0, 1)[:, :, None] * along
    distance = np.linalg.norm(points[:, None] - near, axis=2)
    return np.where(np.isfinite(distance), distance, np.inf), near


def closest_bone(vertices: Floats, faces: Ints, bones: Floats) -> Floats:
    """Each vertex wholly to the nearest bone."""
    return np.eye(N_PARTS)[bone_distances(vertices, bones)[0].argmin(axis=1)]


def bone_heat(vertices: Floats, faces: Ints, bones: Floats) -> Floats:
    """Bone heat (Baran & Popović, "Automatic rigging and animation of 3D characters", 2007).

    Solves ``(L + M H) w = M H p`` with H = c / d² at vertices that see their nearest bone. Islands
    none of whose vertices does stay cold.
    """
    first, inverse = weld(vertices)
    points, triangles = vertices[first], inverse[faces]
    distance, near = bone_distances(points, bones)
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(points))
    target = near[rows, nearest]
    close = distance <= distance.min(axis=1, keepdims=True) * 1.0001 + 1e-12
    seen = Voxels.of(points, triangles).sees(points, target)
    heat = np.where(seen, HEAT / np.maximum(distance.min(axis=1), 1e-4) ** 2, 0.0)
    used = np.unique(triangles)
    local = np.full(len(points), -1)
    local[used] = np.arange(len(used))
    laplacian, mass = robust_laplacian.mesh_laplacian(points[used], local[triangles])
    _, island = connected_components(laplacian, directed=False)
    warm = np.isin(island, np.unique(island[heat[used] > 0]))
    weights = np.zeros((len(points), N_PARTS))
    if warm.any():
        kept = used[warm]
        source = mass.diagonal()[warm] * heat[kept]
        system = csr_array(laplacian)[warm][:, warm] + diags_array(source)
        share = close[kept] / close[kept].sum(axis=1, keepdims=True)
        solved = splu(csc_array(system), permc_spec="MMD_AT_PLUS_A").solve(source[:, None] * share)
        weights[kept] = np.clip(solved, 0, None)
    return _normalised(weights[inverse])


def geodesic_voxels(vertices: Floats, faces: Ints, bones: Floats) -> Floats:
    """Geodesic voxel binding (Dionne & de Lasa, "Geodesic voxel binding for production character
    meshes", 2013).

    Distances from each bone through the solid voxels; weights ``((1 - α) d + α d²)⁻²``. A solid
    piece that no bone passes through stays without weight, as in the paper's own limit.
    """
    voxels = Voxels.of(vertices, faces)
    number, graph = voxels.graph()
    own = number[tuple(voxels.cells(vertices).T)]
    distance = np.full((len(vertices), N_PARTS), np.inf)
    for part in np.flatnonzero(np.isfinite(bones).all(axis=(1, 2))):
        steps = np.linspace(0, 1, 4 * VOXELS_HIGH)[:, None]
        cells = voxels.cells(bones[part, 0] + steps * (bones[part, 1] - bones[part, 0]))
        sources = np.unique(number[tuple(cells.T)])
        sources = sources[sources >= 0]
        if len(sources):
            found = dijkstra(graph, directed=False, indices=sources, min_only=True)
            distance[:, part] = found[own]
    distance = np.maximum(distance, 0.5 * voxels.size)
    weights = ((1 - FALLOFF) * distance + FALLOFF * distance**2) ** -2
    kept = np.sort(weights, axis=1)[:, -4:-3]
    return _normalised(np.where(weights >= kept, weights, 0))


@dataclass(frozen=True, eq=False)
class Voxels:
    """A grid over a mesh: ``solid`` cells hold its surface or what it encloses."""

    solid: Bools
    origin: Floats
    size: float

    @classmethod
    def of(cls, vertices: Floats, faces: Ints) -> Voxels:
        """The voxels of a mesh of any topology; what is open to the outside encloses nothing."""
        size = float(np.ptp(vertices[:, 1])) / VOXELS_HIGH
        origin = vertices.min(axis=0) - 2 * size
        shape = np.ceil((vertices.max(axis=0) - origin) / size).astype(int) + 3
        surface = np.zeros(shape, bool)
        for points in _covering(vertices[faces], 0.5 * size):
            surface[tuple(np.floor((points - origin) / size).astype(int).T)] = True
        return cls(ndimage.binary_fill_holes(surface), origin, size)

    def cells(self, points: Floats) -> Ints:
        """``(n, 3)`` the cells of points; the nearest of the grid for those outside."""
        found = np.floor((points - self.origin) / self.size).astype(np.int64)
        return np.clip(found, 0, np.array(self.solid.shape) - 1)

    def sees(self, points: Floats, targets: Floats) -> Bools:
        """``(n,)`` whether the way from each point to its target stays inside."""
        inside = np.ones(len(points), bool)
        for step in np.linspace(0, 1, VOXELS_HIGH // 2):
            inside &= self.solid[tuple(self.cells(points + step * (targets - points)).T)]
        return inside

    def graph(self) -> tuple[Ints, csr_array]:
        """Numbers of the solid cells, -1 elsewhere, and the lengths between the 26 neighbours."""
        number = np.full(self.solid.shape, -1)
        number[self.solid] = np.arange(int(self.solid.sum()))
        ends, lengths = [], []
        for step in np.ndindex(3, 3, 3):
            offset = np.array(step) - 1
            if tuple(offset) <= (0, 0, 0):
                continue
            other = np.roll(number, tuple(-offset), axis=(0, 1, 2))  # the rim of the grid is empty
            both = (number >= 0) & (other >= 0)
            ends.append(np.stack([number[both], other[both]]))
            lengths.append(np.full(int(both.sum()), self.size * np.linalg.norm(offset)))
        (a, b), count = np.concatenate(ends, axis=1), int(self.solid.sum())
        return number, csr_array(coo_array((np.concatenate(lengths), (a, b)), (count, count)))


def _covering(corners: Floats, step: float) -> list[Floats]:
    """Points on triangles ``(M, 3, 3)``, none farther than a step from its neighbours."""
    longest = np.linalg.norm(corners - corners[:, [1, 2, 0]], axis=2).max(axis=1)
    counts = np.maximum(1, np.ceil(longest / step)).astype(int)
    found = []
    for count in np.unique(counts):
        i, j = (grid.ravel() for grid in np.mgrid[: count + 1, : count + 1])
        i, j = i[i + j <= count] / count, j[i + j <= count] / count
        share = np.stack([1 - i - j, i, j])
        found.append(np.einsum("kp,mkd->mpd", share, corners[counts == count]).reshape(-1, 3))
    return found


def _normalised(weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 1e-9, weights / np.maximum(total, 1e-9), 0.0)
