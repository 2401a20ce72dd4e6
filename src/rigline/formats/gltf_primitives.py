"""One glTF primitive as a triangle list with its attributes, in the space of its mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.gltf_accessors import AccessorReader
from rigline.formats.gltf_json import REMEDY, JsonObject
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece
from rigline.formats.source_model import Float32s
from rigline.formats.warning_log import WarningLog

TRIANGLES, STRIP, FAN = 4, 5, 6


@dataclass
class GeometryBudget:
    """What is left of the triangles, vertices and primitives that a file may have."""

    limits: Limits
    triangles: int = 0
    vertices: int = 0
    primitives: int = 0

    def spend(self, triangles: int, vertices: int) -> None:
        """Count one primitive; ``InvalidInput`` when a limit is passed."""
        self.triangles += triangles
        self.vertices += vertices
        self.primitives += 1
        for what in ("triangles", "vertices", "primitives"):
            count, limit = getattr(self, what), getattr(self.limits, f"max_{what}")
            if count > limit:
                raise InvalidInput(
                    f"The model has more than {limit:,} {what}.",
                    remedy="Reduce it in your modelling tool, or raise the limit in the settings.",
                    count=count,
                    limit=limit,
                )


def read_primitive(
    primitive: JsonObject,
    name: str,
    accessors: AccessorReader,
    budget: GeometryBudget,
    warnings: WarningLog,
    morph_weights: Sequence[float] = (),
    uv_set: int = 0,
) -> tuple[Piece, Ints] | None:
    """The primitive and which of the file's vertices it draws; None, with a warning, where it draws
    no triangles.

    Vertices keep the file's order; those that no triangle uses are dropped, because exporters let
    many primitives share one large vertex buffer. ``material`` is the file's index. Morph targets
    move positions by ``morph_weights``; ``uv_set`` is the set of texture coordinates to take.
    """
    mode = primitive.integer("mode", TRIANGLES)
    if mode > FAN:
        primitive.reject("mode", "one of glTF's primitive modes")
    attributes = primitive.required_child("attributes")
    if mode < TRIANGLES or "POSITION" not in attributes.values:
        what = "points or lines" if mode < TRIANGLES else "no positions"
        warnings.add(f"A primitive of {name or 'the model'} with {what} was left out.")
        budget.spend(0, 0)
        return None
    position = attributes.integer("POSITION")
    accessors.unpack_draco(primitive)
    corners = _corners(primitive, mode, accessors, position, budget.limits)
    used, faces = np.unique(triangle_list(corners, mode), return_inverse=True)
    faces = faces.reshape(-1, 3).astype(np.int64)
    budget.spend(len(faces), len(used))
    if len(faces) == 0:
        warnings.add(f"A primitive of {name or 'the model'} without triangles was left out.")
        return None
    count = accessors.count(position)
    if used[-1] >= count:
        raise InvalidInput(
            f"{primitive.where} names vertex {used[-1]}, but there are {count}.", remedy=REMEDY
        )
    positions = accessors.floats(position, "VEC3", rows=used).astype(np.float64)
    positions += _morphed(primitive, morph_weights, accessors, used, count)
    piece = Piece(
        name,
        primitive.optional_integer("material"),
        positions,
        faces,
        _attribute(attributes, "NORMAL", accessors, used, count, "VEC3"),
        _attribute(attributes, f"TEXCOORD_{uv_set}", accessors, used, count, "VEC2"),
        _colors(attributes, accessors, used, count),
    )
    return piece, used


def _morphed(
    primitive: JsonObject,
    weights: Sequence[float],
    accessors: AccessorReader,
    used: Ints,
    count: int,
) -> Floats:
    """What the morph targets with a weight above zero add to the positions ``used``."""
    moved = np.zeros((len(used), 3))
    for number in range(min(primitive.size("targets"), len(weights))):
        if weights[number]:
            target = primitive.item("targets", number)
            delta = _attribute(target, "POSITION", accessors, used, count, "VEC3")
            if delta is not None:
                moved += weights[number] * delta
    return moved


def placed(piece: Piece, world_from_mesh: Floats) -> Piece:
    """``piece`` in the world; where the transform mirrors, triangles turn to keep their outside."""
    linear, origin = world_from_mesh[:3, :3], world_from_mesh[:3, 3]
    determinant = np.linalg.det(linear)
    normals = piece.normals
    if normals is not None:
        # Cofactors are the inverse transpose times the determinant, and exist for any matrix.
        cofactors = np.stack([np.cross(linear[(k + 1) % 3], linear[(k + 2) % 3]) for k in range(3)])
        turned = _unit_rows(normals.astype(np.float64)) @ _scaled(cofactors).T
        normals = (_unit_rows(turned) * (-1 if determinant < 0 else 1)).astype(np.float32)
    return replace(
        piece,
        positions=piece.positions @ linear.T + origin,
        faces=piece.faces[:, ::-1].copy() if determinant < 0 else piece.faces,
        normals=normals,
    )


def _scaled(matrix: Floats) -> Floats:
    largest = float(np.abs(matrix).max())
    return matrix / largest if np.isfinite(largest) and largest > 0 else np.zeros((3, 3))


def _unit_rows(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-20)
    return unit


def _corners(
    primitive: JsonObject, mode: int, accessors: AccessorReader, position: int, limits: Limits
) -> Ints:
    """``(n,)`` vertex indices in drawing order; the count is checked before it is allocated."""
    index = primitive.optional_integer("indices")
    count = accessors.count(position if index is None else index)
    triangles = count // 3 if mode == TRIANGLES else count - 2
    if triangles > limits.max_triangles:
        raise InvalidInput(
            f"{primitive.where} has {triangles:,} triangles; "
            f"at most {limits.max_triangles:,} are read.",
            remedy="Reduce it in your modelling tool, or raise the limit in the settings.",
            count=triangles,
            limit=limits.max_triangles,
        )
    if index is None:
        return np.arange(count, dtype=np.int64)
    return accessors.indices(index)


def triangle_list(corners: Ints, mode: int) -> Ints:
    """``(m, 3)`` of a list, strip or fan of corners.

    Incomplete triangles at the end are ignored (glTF 2.0, section 3.7.2.1).
    """
    if mode == TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    first = np.arange(max(len(corners) - 2, 0))
    if mode == FAN:
        order = np.stack([first + 1, first + 2, np.zeros_like(first)], axis=1)
    else:
        odd = first % 2
        order = np.stack([first, first + 1 + odd, first + 2 - odd], axis=1)
    return corners[order]


def _attribute(
    attributes: JsonObject,
    key: str,
    accessors: AccessorReader,
    used: Ints,
    count: int,
    *types: str,
) -> Float32s | None:
    index = attributes.optional_integer(key)
    if index is None:
        return None
    found = accessors.count(index)
    if found != count:
        raise InvalidInput(
            f"{attributes.place(key)} has {found} elements for {count} vertices.", remedy=REMEDY
        )
    return accessors.floats(index, *types, rows=used)


def _colors(
    attributes: JsonObject, accessors: AccessorReader, used: Ints, count: int
) -> Float32s | None:
    colors = _attribute(attributes, "COLOR_0", accessors, used, count, "VEC3", "VEC4")
    if colors is None or colors.shape[1] == 4:
        return colors
    return np.concatenate([colors, np.ones((len(colors), 1), np.float32)], axis=1)
