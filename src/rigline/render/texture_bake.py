"""The looks of a source surface painted into the atlas of a body that lies close to it.

Every texel of the atlas is a point of the body; it takes what the nearest point of the source looks
like. Triangles that the body kept from the source are followed exactly.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from rigline.avatar.mesh import Bools, Floats, Ints
from rigline.avatar.surface_queries import lattice_samples
from rigline.render.raster import visible_faces
from rigline.render.source_look import Pixels, SourceLook

SAMPLE_BUDGET: Final = 60_000
SAMPLE_PITCH: Final = 0.004
BLOCK: Final = 2
"""The nearest triangle is looked up once for so many texels a side."""

CANDIDATES: Final = 4
"""Of so many samples near a block each texel takes the triangle that is nearest to it."""


@dataclass(frozen=True, eq=False)
class BakeTarget:
    """A body to paint: ``vertices (V, 3)`` in the source's frame, ``faces (F, 3)``, ``uvs
    (F, 3, 2)``, none of them mirrored, ``source_face (F,)`` with -1 where unknown; ``normals`` and
    ``tangents (F, 3, 3)`` at the corners."""

    vertices: Floats
    faces: Ints
    uvs: Floats
    source_face: Ints
    normals: Floats
    tangents: Floats


@dataclass(frozen=True, eq=False)
class BakedMaps:
    """The atlas as images: ``base_color (s, s, 3)``; ``metallic_roughness`` and ``normal
    (t, t, 3)`` as glTF packs them (green roughness, blue metalness; OpenGL normals)."""

    base_color: Pixels
    metallic_roughness: Pixels
    normal: Pixels


def bake(
    target: BakeTarget, look: SourceLook, seen: Ints, size: int, detail_size: int
) -> BakedMaps:
    """Paint colour at ``size`` and the other maps at ``detail_size`` pixels a side.

    ``seen`` are the source's triangles that can be looked at; hidden layers would shine through.
    Between charts the nearest colours go on, so that no seam shows. Deterministic.
    """
    finder = _Finder(look, seen)
    fine = _Texels.of(target, size)
    face, share = finder.source_points(target, fine)
    colour = fine.filled(_bytes(look.base_color(face, share)))
    coarse = _Texels.of(target, detail_size)
    face, share = finder.source_points(target, coarse)
    metal = look.metallic_roughness(face, share)
    packed = np.stack([np.ones(len(metal)), metal[:, 1], metal[:, 0]], axis=1)
    normal = _tangent_space(target, coarse, look.shading_normal(face, share))
    return BakedMaps(
        colour, coarse.filled(_bytes(packed)), coarse.filled(_bytes(0.5 + 0.5 * normal))
    )


@dataclass(frozen=True, eq=False)
class _Texels:
    """The covered texels of an atlas: ``pixel (q,)`` row by row, the face and place of each."""

    size: int
    pixel: Ints
    face: Ints
    share: Floats

    @staticmethod
    def of(target: BakeTarget, size: int) -> _Texels:
        corners = target.uvs.reshape(-1, 2) * size
        screen = np.concatenate([corners, np.zeros((len(corners), 1))], axis=1)
        order = np.arange(len(corners)).reshape(-1, 3)
        nearest = visible_faces(screen, order, size, size).ravel()
        pixel = np.flatnonzero(nearest >= 0)
        face = nearest[pixel]
        middle = np.stack([pixel % size + 0.5, pixel // size + 0.5], axis=1)
        return _Texels(size, pixel, face, _flat_shares(middle, target.uvs[face] * size))

    def points(self, target: BakeTarget) -> Floats:
        """``(q, 3)`` where the texels are on the body."""
        corners = target.vertices[target.faces[self.face]]
        return np.asarray(np.einsum("qk,qkx->qx", self.share, corners))

    def filled(self, values: Pixels) -> Pixels:
        """An image of ``values (q, 3)``; empty texels take the nearest covered one."""
        image = np.zeros((self.size * self.size, 3), np.uint8)
        image[self.pixel] = values
        covered = np.zeros(self.size * self.size, bool)
        covered[self.pixel] = True
        empty = ~covered.reshape(self.size, self.size)
        rows, columns = distance_transform_edt(empty, return_distances=False, return_indices=True)
        return np.asarray(image.reshape(self.size, self.size, 3)[rows, columns])


class _Finder:
    """Finds what point of the source a texel stands for."""

    def __init__(self, look: SourceLook, seen: Ints) -> None:
        self._faces = look.faces
        self._corners = look.vertices[look.faces]
        self._share_of = _share_maps(self._corners)
        samples = lattice_samples(look.vertices, look.faces[seen], SAMPLE_PITCH, SAMPLE_BUDGET)
        self._face = seen[samples.face]
        self._tree = cKDTree(samples.points)

    def source_points(self, target: BakeTarget, texels: _Texels) -> tuple[Ints, Floats]:
        """The source triangle and the place in it ``(q, 3)`` of every texel."""
        points = texels.points(target)
        face = target.source_face[texels.face].copy()
        lost = np.flatnonzero(face < 0)
        if len(lost):
            _, member, number = np.unique(
                self._blocks(texels, lost), return_index=True, return_inverse=True
            )
            block, middles = number.reshape(-1), points[lost[member]]
            reach = np.zeros(len(member))
            np.maximum.at(reach, block, np.linalg.norm(points[lost] - middles[block], axis=1))
            near, rivals = self._sorted_candidates(middles, reach)
            face[lost] = self._nearest(points[lost], near[block], rivals[block])
        return face, _clipped(self._shares(points, face))

    def _sorted_candidates(self, points: Floats, reach: Floats) -> tuple[Ints, Bools]:
        """``(q, CANDIDATES)`` triangles near each point, the nearest first; and whether another
        one than that and its neighbours may be nearest within ``reach (q,)`` of the point."""
        near = self._face[self._tree.query(points, CANDIDATES)[1].reshape(len(points), -1)]
        squared = np.stack([self._squared(points, near[:, k]) for k in range(near.shape[1])], 1)
        order = np.argsort(squared, axis=1, kind="stable")
        near = np.take_along_axis(near, order, 1)
        gap = np.sqrt(np.take_along_axis(squared, order, 1))
        corners = self._faces[near]  # (q, k, 3)
        beside = (corners[:, :, :, None] == corners[:, :1, None, :]).any(axis=(2, 3))
        # A distance changes by no more than the point moves, on both sides.
        rivals = ~beside & (gap < gap[:, :1] + 2 * reach[:, None])
        return near, rivals.any(axis=1)

    def _nearest(self, points: Floats, candidates: Ints, rivals: Bools) -> Ints:
        """Of each point's candidates ``(q, k)`` the triangle that is nearest to it.

        A point straight above the first of them takes it where no other surface rivals it.
        """
        best = candidates[:, 0].copy()
        unsure = np.flatnonzero(rivals | (self._shares(points, best).min(axis=1) < 0))
        least = self._squared(points[unsure], best[unsure])
        for k in range(1, candidates.shape[1]):
            face = candidates[unsure, k]
            squared = self._squared(points[unsure], face)
            closer = squared < least
            best[unsure[closer]], least[closer] = face[closer], squared[closer]
        return best

    def _shares(self, points: Floats, face: Ints) -> Floats:
        """Barycentric coordinates ``(q, 3)`` in the planes of triangles; negative beside them."""
        maps = self._share_of[face]
        second, third = (
            np.einsum("qx,qx->q", points, maps[:, k, :3]) + maps[:, k, 3] for k in (0, 1)
        )
        return np.stack([1 - second - third, second, third], axis=1)

    def _squared(self, points: Floats, face: Ints) -> Floats:
        """The squared distance of points from triangles."""
        share = _clipped(self._shares(points, face))
        gap = points - np.einsum("qk,qkx->qx", share, self._corners[face])
        return np.asarray(np.einsum("qx,qx->q", gap, gap))

    def _blocks(self, texels: _Texels, rows: Ints) -> Ints:
        """The block of each texel; a block is of one face alone."""
        pixel = texels.pixel[rows]
        across = -(-texels.size // BLOCK)
        place = pixel // texels.size // BLOCK * across + pixel % texels.size // BLOCK
        return texels.face[rows] * (across * across) + place


def _share_maps(corners: Floats) -> Floats:
    """``(M, 2, 4)`` for triangles ``(M, 3, 3)``: the gradients and offsets of the second and third
    barycentric coordinate over space."""
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    uu, uv, vv = (np.einsum("ij,ij->i", x, y)[:, None] for x, y in ((u, u), (u, v), (v, v)))
    double = np.maximum(uu * vv - uv * uv, 1e-30)
    slopes = np.stack([(vv * u - uv * v) / double, (uu * v - uv * u) / double], axis=1)
    offset = -np.einsum("mkx,mx->mk", slopes, a)
    return np.concatenate([slopes, offset[:, :, None]], axis=2)


def _clipped(share: Floats) -> Floats:
    """Barycentric coordinates brought into their triangles."""
    kept = np.clip(share, 0, 1)
    return np.asarray(kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-12))


def _flat_shares(points: Floats, corners: Floats) -> Floats:
    """Barycentric coordinates ``(q, 3)`` of points in triangles ``(q, 3, 2)`` of the plane."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    first, second, offset = b - a, c - a, points - a
    double = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    double = np.where(np.abs(double) < 1e-12, 1e-12, double)
    u = (offset[:, 0] * second[:, 1] - offset[:, 1] * second[:, 0]) / double
    v = (first[:, 0] * offset[:, 1] - first[:, 1] * offset[:, 0]) / double
    return np.stack([1 - u - v, u, v], axis=1)


def _tangent_space(target: BakeTarget, texels: _Texels, wanted: Floats) -> Floats:
    """``(q, 3)`` normals as the body's own shading sees them."""
    normal, tangent = (
        np.einsum("qk,qkx->qx", texels.share, values[texels.face])
        for values in (target.normals, target.tangents)
    )
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    tangent -= (tangent * normal).sum(axis=1, keepdims=True) * normal
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    side = np.cross(normal, tangent)
    local = np.stack([(wanted * axis).sum(axis=1) for axis in (tangent, side, normal)], axis=1)
    # What looks away cannot be shown by a normal map: the body's own normal stands there.
    local[local[:, 2] < 0.1] = 0.0, 0.0, 1.0
    return np.asarray(local / np.linalg.norm(local, axis=1, keepdims=True))


def _bytes(values: Floats) -> Pixels:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def png_of(pixels: Pixels) -> bytes:
    """An image ``(h, w, 3)`` as PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(out, "PNG", compress_level=4)
    return out.getvalue()
