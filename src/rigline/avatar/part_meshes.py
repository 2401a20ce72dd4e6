"""The fifteen meshes of a parted body as a file holds them: vertices with normals and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import N_PARTS
from rigline.avatar.mesh import Floats, Ints, face_cross
from rigline.avatar.partition import PartedBody
from rigline.avatar.skinning import SkinWeights, strongest

CREASE_COSINE: Final = float(np.cos(np.deg2rad(50)))
"""Faces that meet at a sharper angle than this do not smooth each other's shading."""

SAME_NORMAL: Final = 1e-3


@dataclass(frozen=True, eq=False)
class PartMesh:
    """``positions, normals (n, 3)``, ``uvs (n, 2)`` and ``tangents (n, 3)`` or None, ``faces
    (m, 3)`` and weights."""

    part: int
    positions: Floats
    normals: Floats
    uvs: Floats | None
    tangents: Floats | None
    faces: Ints
    weights: SkinWeights


def part_meshes(
    body: PartedBody, normals: Floats | None = None, uvs: Floats | None = None
) -> tuple[PartMesh, ...]:
    """A mesh for each part that has a surface, in the order of the parts.

    ``normals (F, 3, 3)`` and ``uvs (F, 3, 2)`` are those of every corner; without normals the
    surface's own (``corner_normals``). Vertices are doubled where corners differ. What is shared
    between parts has one position, one weight and one normal on both sides.
    """
    if normals is None:
        normals = corner_normals(body)
    tangents = None if uvs is None else corner_tangents(body, normals, uvs)
    sparse = strongest(body.weights, body.vertex_part())
    meshes = []
    for part in range(N_PARTS):
        rows = body.rows_of(part)
        if len(rows):
            first, faces = _merged_corners(body.faces[rows], normals[rows], _rows(uvs, rows))
            own = body.faces[rows].ravel()[first]
            meshes.append(
                PartMesh(
                    part,
                    body.vertices[own],
                    normals[rows].reshape(-1, 3)[first],
                    None if uvs is None else uvs[rows].reshape(-1, 2)[first],
                    None if tangents is None else tangents[rows].reshape(-1, 3)[first],
                    faces,
                    SkinWeights(sparse.joints[own], sparse.weights[own]),
                )
            )
    return tuple(meshes)


def _rows(values: Floats | None, rows: Ints) -> Floats | None:
    return None if values is None else values[rows]


def _merged_corners(faces: Ints, normals: Floats, uvs: Floats | None) -> tuple[Ints, Ints]:
    """Corners ``(n,)`` that stand for those alike in vertex, normal and UV, and faces over them."""
    key = [faces.reshape(-1, 1), np.round(normals.reshape(-1, 3) / SAME_NORMAL)]
    if uvs is not None:
        key.append(np.round(uvs.reshape(-1, 2) * 2**20))
    _, first, inverse = np.unique(
        np.concatenate(key, axis=1).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    return first, inverse.reshape(-1, 3)


def corner_tangents(body: PartedBody, normals: Floats, uvs: Floats) -> Floats:
    """``(F, 3, 3)`` unit directions of growing U at every corner, across its normal.

    The mean over the faces whose corners become one vertex, so that baking and drawing agree.
    """
    corner = body.vertices[body.faces]
    one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    du, dv = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    turn = np.sign(du[:, :1] * dv[:, 1:] - du[:, 1:] * dv[:, :1])
    along = turn * (dv[:, 1:] * one - du[:, 1:] * other)
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 1e-20, along / np.maximum(length, 1e-20), [1.0, 0.0, 0.0])
    first, merged = _merged_corners(body.faces, normals, uvs)
    total = np.zeros((len(first), 3))
    np.add.at(total, merged.ravel(), np.repeat(along, 3, axis=0))
    tangent = total[merged]
    tangent -= (tangent * normals).sum(axis=2, keepdims=True) * normals
    length = np.linalg.norm(tangent, axis=2, keepdims=True)
    spare = np.cross(normals, np.where(np.abs(normals[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    spare /= np.linalg.norm(spare, axis=2, keepdims=True)
    return np.where(length > 1e-6, tangent / np.maximum(length, 1e-6), spare)


def corner_normals(body: PartedBody) -> Floats:
    """``(F, 3, 3)`` unit normals at every corner, smooth but for creases.

    The mean of the faces around the vertex, by their angle there, that are not creased against the
    corner's own; across the cuts between parts as if they were not there. Lids are flat.
    """
    cross = face_cross(body.vertices, body.faces)
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    flat = np.divide(cross, length, out=np.zeros_like(cross), where=length > 1e-30)
    normals = np.repeat(flat[:, None], 3, axis=1)
    skin = np.flatnonzero(~body.lid)
    faces = body.faces[skin]
    angles = _angles(body.vertices, faces).ravel()
    corner, other = _around_same_vertex(faces.ravel())
    own = flat[skin]
    smooth = np.einsum("ij,ij->i", own[corner // 3], own[other // 3]) >= CREASE_COSINE
    corner, other = corner[smooth], other[smooth]
    total = np.stack(
        [
            np.bincount(corner, angles[other] * own[other // 3, k], minlength=faces.size)
            for k in range(3)
        ],
        axis=1,
    )
    size = np.linalg.norm(total, axis=1, keepdims=True)
    mean = np.where(size > 1e-12, total / np.maximum(size, 1e-12), np.repeat(own, 3, axis=0))
    normals[skin] = mean.reshape(-1, 3, 3)
    return np.where(np.linalg.norm(normals, axis=2, keepdims=True) > 0.5, normals, [0.0, 1.0, 0.0])


def _angles(vertices: Floats, faces: Ints) -> npt.NDArray[np.float64]:
    """``(m, 3)`` the angle of each triangle at each corner, in radians."""
    corners = vertices[faces]
    to_next, to_last = np.roll(corners, -1, axis=1) - corners, np.roll(corners, 1, axis=1) - corners
    size = np.linalg.norm(to_next, axis=2) * np.linalg.norm(to_last, axis=2)
    cosine = (to_next * to_last).sum(axis=2) / np.maximum(size, 1e-30)
    return np.arccos(np.clip(cosine, -1, 1))


def _around_same_vertex(vertex: Ints) -> tuple[Ints, Ints]:
    """All pairs of corners ``(k,), (k,)`` that have the same vertex, each with itself too."""
    order = np.argsort(vertex, kind="stable")
    count = np.bincount(vertex)
    start = np.cumsum(count) - count
    each = count[vertex]  # partners of each corner
    corner = np.repeat(np.arange(len(vertex)), each)
    within = np.arange(len(corner)) - np.repeat(np.cumsum(each) - each, each)
    return corner, order[start[vertex[corner]] + within]
