"""Wavefront OBJ, the text form: positions, texture coordinates, normals and polygons.

Read are ``v`` (with optional colours), ``vt``, ``vn``, ``f``, ``o``, ``g``, ``usemtl``. A material
library that ``mtllib`` names is another file and is never opened: materials are plain, one for each
``usemtl`` name. Polygons are split into a fan from their first corner. OBJ puts the origin of
texture coordinates at the lower left; they are flipped to glTF's upper left.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.gltf_json import brief, clean_text
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece, assemble
from rigline.formats.source_model import Float32s, JsonDict, MaterialLibrary, SourceModel
from rigline.formats.warning_log import WarningLog

_REMEDY = "Export the model again; this line does not follow the OBJ format."


@dataclass
class _Group:
    """The polygons of one object or group and one material, by their corners' numbers.

    ``numbers`` gives each corner as the file spells it (``12/7/3``) a number, ``triangles`` holds
    three numbers for each triangle.
    """

    name: str
    material: str
    numbers: dict[bytes, int] = field(default_factory=dict)
    triangles: list[int] = field(default_factory=list)


@dataclass
class _Scan:
    """What the lines of the file said, still as words."""

    limits: Limits
    warnings: WarningLog
    rows: dict[bytes, list[list[bytes]]] = field(
        default_factory=lambda: {b"v": [], b"vt": [], b"vn": []}
    )
    groups: dict[tuple[str, str], _Group] = field(default_factory=dict)
    triangle_count: int = 0
    name: str = ""
    material: str = ""

    def row(self, key: bytes, words: list[bytes]) -> None:
        rows = self.rows[key]
        rows.append(words)
        if len(rows) > self.limits.max_vertices:
            raise _too_many("vertices", self.limits.max_vertices)

    def face(self, words: list[bytes], line: bytes) -> None:
        if len(words) < 4:
            raise InvalidInput(f"A face has fewer than three corners: {_shown(line)}.")
        corners = words[1:]
        if b"-" in line:
            corners = [self._absolute(corner) for corner in corners]
        self.triangle_count += len(corners) - 2
        if self.triangle_count > self.limits.max_triangles:
            raise _too_many("triangles", self.limits.max_triangles)
        numbers = self._group().numbers
        ids = [numbers.setdefault(corner, len(numbers)) for corner in corners]
        triangles = self._group().triangles
        for k in range(1, len(ids) - 1):
            triangles += (ids[0], ids[k], ids[k + 1])

    def _group(self) -> _Group:
        key = (self.name, self.material)
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= self.limits.max_primitives:
                raise _too_many("groups", self.limits.max_primitives)
            group = self.groups[key] = _Group(self.name, self.material)
        return group

    def _absolute(self, corner: bytes) -> bytes:
        """Negative numbers count back from the latest row, so they must be resolved on the way."""
        resolved = []
        for key, word in zip((b"v", b"vt", b"vn"), corner.split(b"/"), strict=False):
            number = _whole(word) if word else 0
            if number < 0:
                number += len(self.rows[key]) + 1
                if number < 1:
                    raise InvalidInput(f"A face counts back too far: {_shown(corner)}.")
            resolved.append(b"%d" % number if word else b"")
        return b"/".join(resolved)


# Absurd numbers overflow; the assembly mends or refuses what is not finite, so numpy may be silent.
@np.errstate(all="ignore")
def read_obj(data: bytes, limits: Limits) -> SourceModel:
    """The model in an OBJ file; ``InvalidInput`` when it cannot be used."""
    most_lines = 4 * limits.max_vertices + 2 * limits.max_triangles
    if data.count(b"\n") > most_lines:
        raise _too_many("lines", most_lines)
    scan = _Scan(limits, WarningLog())
    for line in io.BytesIO(_one_line_each(data)):
        _scan_line(scan, line)
    positions, colors = _vertices(scan.rows[b"v"])
    upwards = _columns(scan.rows[b"vt"], 2, "texture coordinate")
    normals = _columns(scan.rows[b"vn"], 3, "normal").astype(np.float32)
    uvs = np.stack([upwards[:, 0], 1 - upwards[:, 1]], axis=1).astype(np.float32)
    materials, numbers = _materials(scan)
    pieces = []
    vertex_count = 0
    for group in scan.groups.values():
        material = numbers.get(group.material)
        piece = _piece(group, material, positions, colors, uvs, normals)
        vertex_count += len(piece.positions)
        if vertex_count > limits.max_vertices:
            raise _too_many("vertices", limits.max_vertices)
        pieces.append(piece)
    return assemble(pieces, materials, "obj", "", scan.warnings)


def _one_line_each(data: bytes) -> bytes:
    """Old line ends made new, and lines that a backslash continues joined."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\\\n", b" ")


def _scan_line(scan: _Scan, line: bytes) -> None:
    words = line.split()
    if not words:
        return
    key = words[0]
    if key == b"f":
        scan.face(words, line)
    elif key in scan.rows:
        scan.row(key, words)
    elif key in (b"o", b"g"):
        scan.name = _text(line)
    elif key == b"usemtl":
        scan.material = _text(line)
    elif key == b"mtllib":
        scan.warnings.add(
            f"The material library {brief(_text(line))} is another file, which is never opened; "
            "materials are plain. Export as GLB to keep colours and textures."
        )
    elif key in (b"l", b"p"):
        scan.warnings.add("Points or lines were left out.")


def _text(line: bytes) -> str:
    return clean_text(line.strip().partition(b" ")[2].strip().decode("utf-8", "replace"))


def _vertices(rows: list[list[bytes]]) -> tuple[Floats, Float32s | None]:
    """``(V, 3)`` positions, and ``(V, 4)`` colours where any vertex has them."""
    positions = _columns(rows, 3, "vertex")
    coloured = [index for index, row in enumerate(rows) if len(row) >= 7]
    if not coloured:
        return positions, None
    # x y z r g b, or with alpha; a fourth word alone is the weight of a rational curve.
    given = _columns([[b"", *rows[index][4:7]] for index in coloured], 3, "colour")
    colors = np.ones((len(rows), 4), np.float32)
    colors[coloured, :3] = given / 255 if given.max() > 1 else given
    return positions, colors


def _columns(rows: list[list[bytes]], width: int, what: str) -> Floats:
    """``(len(rows), width)`` numbers; a texture coordinate with one number gets a zero."""
    words = [word for row in rows for word in row[1 : 1 + width]]
    if len(words) != len(rows) * width:
        if width != 2 or any(len(row) < 2 for row in rows):
            raise InvalidInput(f"A {what} has fewer than {width} numbers.", remedy=_REMEDY)
        words = [word for row in rows for word in (*row[1:3], b"0")[:2]]
    try:
        numbers = np.array(words, dtype=object).astype(np.float64)
    except ValueError as error:
        raise InvalidInput(f"A {what} is not a number: {error}", remedy=_REMEDY) from error
    return numbers.reshape(-1, width)


def _materials(scan: _Scan) -> tuple[MaterialLibrary, dict[str, int]]:
    names = dict.fromkeys(group.material for group in scan.groups.values() if group.material)
    numbers = {name: index for index, name in enumerate(names)}
    materials: tuple[JsonDict, ...] = tuple(
        {"name": name, "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9}}
        for name in names
    )
    return MaterialLibrary(materials), numbers


def _piece(
    group: _Group,
    material: int | None,
    positions: Floats,
    colors: Float32s | None,
    uvs: Float32s,
    normals: Float32s,
) -> Piece:
    """A vertex for each distinct corner, in the order of the file's positions."""
    corners = np.array([_corner(word) for word in group.numbers], dtype=np.int64)
    for column, rows, what in ((0, positions, "vertex"), (1, uvs, "UV"), (2, normals, "normal")):
        largest = int(corners[:, column].max())
        if largest > len(rows):
            raise InvalidInput(
                f"A face names {what} {largest}, but there are {len(rows)}.", remedy=_REMEDY
            )
    order = np.lexsort(corners.T[::-1])
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    faces: Ints = rank[np.array(group.triangles, dtype=np.int64)].reshape(-1, 3)
    v, vt, vn = corners[order].T - 1
    return Piece(
        group.name,
        material,
        positions[v],
        faces,
        _taken(normals, vn),
        _taken(uvs, vt),
        None if colors is None else colors[v],
    )


def _taken(rows: Float32s, numbers: Ints) -> Float32s | None:
    """The rows that corners name, zero for corners that name none; None when all name none."""
    named = numbers >= 0
    if not named.any():
        return None
    taken = np.zeros((len(numbers), rows.shape[1]), np.float32)
    taken[named] = rows[numbers[named]]
    return taken


def _corner(word: bytes) -> tuple[int, int, int]:
    """Position, UV and normal numbers from 1; 0 where a corner leaves one out."""
    parts = word.split(b"/")
    if len(parts) > 3:
        raise InvalidInput(f"A face has the corner {_shown(word)}.", remedy=_REMEDY)
    v, vt, vn = (_whole(part) if part else 0 for part in (*parts, b"", b"")[:3])
    if v < 1:
        raise InvalidInput(f"A face has the corner {_shown(word)}.", remedy=_REMEDY)
    return v, vt, vn


def _whole(word: bytes) -> int:
    try:
        number = int(word)
    except ValueError as error:
        raise InvalidInput(
            f"A face has the corner number {_shown(word)}.", remedy=_REMEDY
        ) from error
    if abs(number) >= 2**62:
        raise InvalidInput(f"A face has the corner number {_shown(word)}.", remedy=_REMEDY)
    return number


def _shown(word: bytes) -> str:
    return brief(word.strip().decode("utf-8", "replace"))


def _too_many(what: str, limit: int) -> InvalidInput:
    return InvalidInput(
        f"The model has more than {limit:,} {what}.",
        remedy="Reduce it in your modelling tool, or raise the limit in the settings.",
        limit=limit,
    )
