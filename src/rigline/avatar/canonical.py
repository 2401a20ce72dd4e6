"""The canonical frame, and the way into it from whatever frame an asset came in.

Canonical: right-handed, +Y up, facing +Z, the character's left at +X, feet on Y = 0, the bounding
box centred on X = Z = 0, height 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.mesh import Bools, Floats, Ints, TriangleMesh, face_areas, islands, weld
from rigline.avatar.sampling import Patches, PointCloud, patches, sample_surface
from rigline.errors import InvalidInput

N_ORIENTATION_POINTS: Final = 512
N_ORIENTATION_PATCHES: Final = 64
N_ORIENTATION_NEIGHBOURS: Final = 16
YAW_DEAD_ZONE_RAD: Final = np.deg2rad(8.0)
"""A smaller yaw is left alone: files are mostly square to their axes, and the estimate is not."""

SPECK_SHARE: Final = 1e-4
MAX_SPECKS_SHARE: Final = 0.01

MAX_YAW_RAD: Final = np.deg2rad(45.0)


MAX_SINKING: Final = 0.01
"""How far the lowest point may be from the asset's own floor for that to be kept, in shares of
height."""


def axis_turns() -> Floats:
    """``(24, 3, 3)`` the rotations that map axes to axes; the first is the identity.

    The order is by descending trace and then lexicographic, and part of the model's contract.
    """
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), order] = signs
            if np.linalg.det(matrix) > 0:
                turns.append(matrix)
    return np.array(sorted(turns, key=lambda m: (-np.trace(m), m.ravel().tolist())))


TURNS: Final = axis_turns()
"""Class k of the orientation model: the input is the upright character turned by TURNS[k]."""

EVEN_TURNS: Final = np.flatnonzero(np.linalg.det(np.abs(TURNS)) > 0)
ODD_TURNS: Final = np.setdiff1d(np.arange(len(TURNS)), EVEN_TURNS)
"""The twelve turns that permute the axes evenly, which are a group (that of a tetrahedron), and the
others: either half shows an asset from all sides, however it was turned."""


def _composition() -> Ints:
    """``(24, 24)``: COMPOSED[g, c] is the class of TURNS[g] @ TURNS[c]."""
    product = TURNS[:, None] @ TURNS[None]
    return np.abs(product[:, :, None] - TURNS).sum(axis=(3, 4)).argmin(axis=2)


COMPOSED: Final = _composition()
"""``(24, 3)`` where the character's front points in the asset, for each class."""

UP_IN_ASSET: Final = TURNS[:, :, 1]


def yaw_matrix(yaw_rad: float) -> Floats:
    """``(3, 3)`` right-handed rotation about +Y; positive yaw turns the front from +Z to +X."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


@dataclass(frozen=True, eq=False)
class CanonicalMesh:
    """A mesh in the canonical frame and how it got there.

    ``vertices (N, 3)`` float64, ``faces (M, 3)`` int64; ``canonical_from_asset (4, 4)`` is the
    similarity that took the asset's points here. ``height_asset`` is the body's height in the
    asset's own unit.
    """

    vertices: Floats
    faces: Ints
    canonical_from_asset: Floats
    height_asset: float

    @property
    def mesh(self) -> TriangleMesh:
        """The vertices and faces as a mesh."""
        return TriangleMesh(self.vertices, self.faces)

    def own_origin(self) -> Floats:
        """The asset's own origin ``(3,)`` where it stands under the body; else the frame's.

        Modellers put the origin between the feet, which a pack or a cape moves the middle of the
        box away from, and let soles sink into the floor a little. An origin outside of the middle
        half of the box, as of a figure taken out of a scene, says nothing of where the body stands,
        nor does one at the hips say where the floor is.
        """
        origin = self.canonical_from_asset[:3, 3].copy()
        reach = np.ptp(self.vertices, axis=0) / 4
        if (np.abs(origin) > reach)[[0, 2]].any():
            return np.zeros(3)
        if abs(origin[1]) > MAX_SINKING:
            origin[1] = 0.0
        return origin


def to_canonical(
    mesh: TriangleMesh, upright_from_asset: Floats, ignored: Bools | None = None
) -> CanonicalMesh:
    """Turn a mesh upright by a rotation ``(3, 3)``, put it on the floor and scale it to height 1.

    Vertices ``ignored (N,)`` have no say in floor, middle and height. Raises
    ``InvalidInput`` for a mesh without height in that direction.
    """
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces] = True
    if ignored is not None:
        used &= ~ignored
    turned = mesh.vertices @ upright_from_asset.T
    low, high = turned[used].min(axis=0), turned[used].max(axis=0)
    height = float(high[1] - low[1])
    if not height > 1e-9 * max(1.0, float(np.abs(turned[used]).max())):
        raise InvalidInput(
            "The mesh has no height.", remedy="A flat picture cannot be rigged; check the export."
        )
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    matrix = np.eye(4)
    matrix[:3, :3] = upright_from_asset / height
    matrix[:3, 3] = -origin / height
    return CanonicalMesh((turned - origin) / height, mesh.faces, matrix, height)


def with_front(
    base: CanonicalMesh, source: TriangleMesh, front: Floats, up: Floats
) -> CanonicalMesh:
    """The mesh turned so that ``front (3,)`` and ``up (3,)``, seen in ``base``, are +Z and +Y.

    ``source`` is the asset's own mesh that ``base`` was made from; floor, middle and height are
    measured on it anew. The directions must be at right angles, but for rounding. Raises
    ``InvalidInput`` for a mesh without height along ``up``.
    """
    forwards = front / np.linalg.norm(front)
    upwards = up - (up @ forwards) * forwards
    upwards = upwards / np.linalg.norm(upwards)
    turn = np.stack([np.cross(upwards, forwards), upwards, forwards])
    base_from_asset = base.canonical_from_asset[:3, :3] * base.height_asset
    return to_canonical(source, turn @ base_from_asset, far_specks(source))


def far_specks(mesh: TriangleMesh) -> Bools:
    """``(N,)`` vertices of pieces that hold next to no surface and lie far away from the rest.

    Exporters leave such triangles behind; one of them would shrink the character to a dot. A piece
    is a speck with less than ``SPECK_SHARE`` of the surface, all of it outside the box of the rest
    grown by half of its longest side. Where specks add up to more than ``MAX_SPECKS_SHARE``, the
    mesh is a soup and nothing is left out.
    """
    first, inverse = weld(mesh.vertices)
    count, welded_island = islands(len(first), inverse[mesh.faces])
    island = welded_island[inverse]
    area = np.bincount(island[mesh.faces[:, 0]], face_areas(mesh.vertices, mesh.faces), count)
    small = (area < SPECK_SHARE * area.sum())[island]
    rest = mesh.vertices[~small]
    if not small.any() or not len(rest):
        return np.zeros(len(mesh.vertices), bool)
    low, high = rest.min(axis=0), rest.max(axis=0)
    margin = 0.5 * float((high - low).max())
    inside = ((mesh.vertices > low - margin) & (mesh.vertices < high + margin)).all(axis=1)
    near = np.zeros(count, bool)
    near[island[inside]] = True
    specks = np.asarray(small & ~near[island])
    lost = area[np.unique(island[specks])].sum()
    return specks if lost < MAX_SPECKS_SHARE * area.sum() else np.zeros(len(specks), bool)


def orientation_views(mesh: TriangleMesh, samplings: int, seed: int) -> Iterator[Patches]:
    """The orientation model's inputs: some samplings of the surface, scaled to a unit box.

    Each cloud is centred on the middle of its 1 % to 99 % box and divided by that box's longest
    side, so that a lance or a stray vertex changes little.
    """
    for k in range(samplings):
        cloud = sample_surface(mesh, N_ORIENTATION_POINTS, np.random.default_rng([seed, k]))
        low, high = np.quantile(cloud.points, [0.01, 0.99], axis=0)
        scale = max(float((high - low).max()), 1e-12)
        unit = PointCloud((cloud.points - (low + high) / 2) / scale, cloud.normals)
        yield patches(unit, N_ORIENTATION_PATCHES, N_ORIENTATION_NEIGHBOURS)


def turned_view(view: Patches, turns: Ints) -> tuple[Floats, Ints]:
    """One view turned by each of ``turns (t,)``: features (t, n, 6) and neighbours (t, p, k)."""
    turn = TURNS[turns].transpose(0, 2, 1).astype(np.float32)
    points = view.features[None, :, :3] @ turn
    normals = view.features[None, :, 3:] @ turn
    features = np.concatenate([points, normals], axis=2)
    return features, np.repeat(view.neighbours[None], len(turns), axis=0)


@dataclass(frozen=True, eq=False)
class Orientation:
    """How an asset stands: ``turn`` is the index into TURNS, ``yaw_rad`` the rest about its up.

    ``probability (24,)`` over the turns; ``margin`` is the best probability less the second best;
    ``up_margin`` the same over the six up axes.
    """

    turn: int
    yaw_rad: float
    probability: Floats
    margin: float
    up_margin: float

    @property
    def upright_from_asset(self) -> Floats:
        """``(3, 3)`` the rotation that stands the asset up, facing +Z."""
        return yaw_matrix(-self.yaw_rad) @ TURNS[self.turn].T


def vote_orientation(
    turns: Ints,
    log_probability: Floats,
    yaw: Floats,
    prior: Floats | None = None,
    sharpness: float = 1.0,
) -> Orientation:
    """Join what the model says of turned copies of one asset.

    ``log_probability (t, 24)``: for each of the applied ``turns (t,)`` the model's log
    probabilities. ``yaw (t, 2)``: cosine and sine of the yaw it saw. ``prior (24,)`` are log
    probabilities to add, from what the file format promises. If the asset is turned by c, its copy
    turned by g shows class g∘c, so the votes for c are read off the composition table.
    """
    shown = COMPOSED[turns]
    votes = np.take_along_axis(log_probability, shown, axis=1).mean(axis=0) * sharpness
    if prior is not None:
        votes = votes + prior
    probability = np.exp(votes - votes.max())
    probability /= probability.sum()
    turn = int(probability.argmax())
    agrees = shown[:, turn] == log_probability.argmax(axis=1)
    average = (yaw[agrees] if agrees.any() else yaw).mean(axis=0)
    angle = float(np.clip(np.arctan2(average[1], average[0]), -MAX_YAW_RAD, MAX_YAW_RAD))
    ranked = np.sort(probability)[::-1]
    up_total = np.sort(_by_up_axis(probability))[::-1]
    return Orientation(
        turn,
        angle if abs(angle) > YAW_DEAD_ZONE_RAD else 0.0,
        probability,
        float(ranked[0] - ranked[1]),
        float(up_total[0] - up_total[1]),
    )


def _by_up_axis(probability: Floats) -> Floats:
    """``(6,)`` probability of each up axis."""
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    return np.array([probability[np.isclose(UP_IN_ASSET @ a, 1)].sum() for a in axes])
