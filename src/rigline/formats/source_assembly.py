"""Joining the pieces that a reader found into one ``SourceModel``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rigline.avatar.mesh import Floats, Ints, TriangleMesh, vertex_normals
from rigline.errors import InvalidInput
from rigline.formats.source_model import Float32s, MaterialLibrary, Primitive, SourceModel
from rigline.formats.source_rig import Influences, SourceRig
from rigline.formats.warning_log import WarningLog

MAX_COORDINATE = 1e12
"""Squares and cubes of coordinates must stay finite in everything that follows."""

MIN_EXTENT = 1e-9
"""Below this a model is a point: it has no height to scale by."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One primitive, placed in the scene: ``positions (n, 3)``, ``faces (m, 3)`` into them.

    ``normals (n, 3)``, ``uvs (n, 2)`` and ``colors (n, 4)`` are None where the file had none.
    """

    name: str
    material: int | None
    positions: Floats
    faces: Ints
    normals: Float32s | None = None
    uvs: Float32s | None = None
    colors: Float32s | None = None
    influences: Influences | None = None


def assemble(
    pieces: Sequence[Piece],
    materials: MaterialLibrary,
    file_format: str,
    declared_up: str,
    warnings: WarningLog,
    rig: SourceRig | None = None,
    declared_front: str = "",
) -> SourceModel:
    """One model from ``pieces`` in their order.

    Without ``declared_front`` a format that says which way is up is one that faces Z.

    Raises ``InvalidInput`` when there is no triangle, when positions are not finite or absurdly
    large, or when the whole model is a single point.
    """
    if not pieces:
        raise InvalidInput(
            "The file holds no triangles.",
            remedy="Export the character's mesh, not only its skeleton or an empty scene.",
        )
    vertex_stops = np.cumsum([len(piece.positions) for piece in pieces]).tolist()
    face_stops = np.cumsum([len(piece.faces) for piece in pieces]).tolist()
    primitives, faces = [], []
    vertex_start = face_start = 0
    for piece, vertex_stop, face_stop in zip(pieces, vertex_stops, face_stops, strict=True):
        primitives.append(
            Primitive(piece.name, piece.material, vertex_start, vertex_stop, face_start, face_stop)
        )
        faces.append(piece.faces + vertex_start)
        vertex_start, face_start = vertex_stop, face_stop
    mesh = TriangleMesh(np.concatenate([p.positions for p in pieces]), np.concatenate(faces))
    _check_extent(mesh.vertices)
    return SourceModel(
        mesh,
        _join_normals(pieces, warnings),
        _join_uvs(pieces, warnings),
        _join_colors(pieces, warnings),
        tuple(primitives),
        materials,
        file_format,
        declared_up,
        warnings.messages(),
        rig,
        declared_front or ("Z" if declared_up else ""),
    )


def _check_extent(vertices: Floats) -> None:
    largest = float(np.abs(vertices).max())
    if largest > MAX_COORDINATE:
        raise InvalidInput(
            f"The model has coordinates as large as {largest:.1e}.",
            remedy="Export it again near the origin and in ordinary units.",
            largest=largest,
        )
    extent = float(np.ptp(vertices, axis=0).max())
    if extent < MIN_EXTENT:
        raise InvalidInput(
            "All vertices of the model lie in one point.",
            remedy="Check that no node is scaled to zero.",
            extent=extent,
        )


def _join_normals(pieces: Sequence[Piece], warnings: WarningLog) -> Float32s | None:
    """Unit normals; those that are missing, zero or not finite come from the triangles."""
    if all(piece.normals is None for piece in pieces):
        return None
    joined = []
    for piece in pieces:
        normals = np.zeros((len(piece.positions), 3))
        if piece.normals is not None:
            normals = np.nan_to_num(piece.normals.astype(np.float64), nan=0.0, posinf=0, neginf=0)
        length = np.linalg.norm(normals, axis=1)
        bad = length < 1e-12
        if bad.any():
            if piece.normals is not None:
                warnings.add("Some normals were zero or not finite; the triangles' were taken.")
            normals[bad] = vertex_normals(piece.positions, piece.faces)[bad]
            length[bad] = 1.0
        joined.append((normals / length[:, None]).astype(np.float32))
    return np.concatenate(joined)


def _join_uvs(pieces: Sequence[Piece], warnings: WarningLog) -> Float32s | None:
    if all(piece.uvs is None for piece in pieces):
        return None
    empty = [
        np.zeros((len(p.positions), 2), np.float32) if p.uvs is None else p.uvs for p in pieces
    ]
    return _finite(np.concatenate(empty), "texture coordinates", warnings)


def _join_colors(pieces: Sequence[Piece], warnings: WarningLog) -> Float32s | None:
    if all(piece.colors is None for piece in pieces):
        return None
    white = [
        np.ones((len(p.positions), 4), np.float32) if p.colors is None else p.colors for p in pieces
    ]
    return _finite(np.concatenate(white), "vertex colours", warnings)


def _finite(values: Float32s, what: str, warnings: WarningLog) -> Float32s:
    if np.isfinite(values).all():
        return values
    warnings.add(f"Some {what} were not finite numbers and became 0.")
    return np.where(np.isfinite(values), values, np.float32(0))
