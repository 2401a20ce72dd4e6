"""STL in its binary and its text form: triangles, each with corners of its own.

Corners at the very same place are one vertex. The format has neither units nor axes, names nor
materials; its normals say no more than the triangles do and are not read, nor are the colours that
some programs hide in the binary form.
"""

from __future__ import annotations

import re
import struct
from typing import Final

import numpy as np

from rigline.avatar.mesh import Floats
from rigline.errors import InvalidInput
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece, assemble
from rigline.formats.source_model import MaterialLibrary, SourceModel
from rigline.formats.warning_log import WarningLog

HEADER_BYTES: Final = 84
TRIANGLE: Final = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])

_TEXT = re.compile(rb"\s*solid\b.*?\bfacet\b", re.DOTALL)
_CORNER = re.compile(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
_SNIFFED_BYTES = 1 << 20


def is_binary_stl(data: bytes) -> bool:
    """Whether the length is what the count of triangles in the header makes it."""
    if len(data) < HEADER_BYTES:
        return False
    return len(data) == HEADER_BYTES + TRIANGLE.itemsize * _count(data)


def is_text_stl(data: bytes) -> bool:
    """Whether the text begins with a solid and its first facet."""
    return _TEXT.match(data[:_SNIFFED_BYTES]) is not None


# Absurd numbers overflow; the assembly refuses what is not finite, so numpy may be silent.
@np.errstate(all="ignore")
def read_stl(data: bytes, limits: Limits) -> SourceModel:
    """The model in an STL file; ``InvalidInput`` when it cannot be used."""
    corners = _binary(data, limits) if is_binary_stl(data) else _text(data, limits)
    if not len(corners):
        raise InvalidInput("The STL file holds no triangles.", remedy="Export the mesh again.")
    rows = np.ascontiguousarray(corners.reshape(-1, 3), np.float32) + np.float32(0)  # no minus zero
    _, first, inverse = np.unique(
        rows.view(np.dtype((np.void, 12))).ravel(), return_index=True, return_inverse=True
    )
    # In the order in which the file first names them, whatever the sorting of their bytes.
    order = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[order] = np.arange(len(first))
    if len(first) > limits.max_vertices:
        raise _too_many("vertices", limits.max_vertices)
    piece = Piece("", None, rows[first[order]].astype(np.float64), number[inverse].reshape(-1, 3))
    return assemble([piece], MaterialLibrary(), "stl", "", WarningLog())


def _count(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, 80)[0])


def _binary(data: bytes, limits: Limits) -> Floats:
    count = _count(data)
    if count > limits.max_triangles:
        raise _too_many("triangles", limits.max_triangles)
    records = np.frombuffer(data, TRIANGLE, count, HEADER_BYTES)
    return np.asarray(records["corners"], np.float64)


def _text(data: bytes, limits: Limits) -> Floats:
    values: list[bytes] = []
    for match in _CORNER.finditer(data):
        values += match.groups()
        if len(values) > 9 * limits.max_triangles:
            raise _too_many("triangles", limits.max_triangles)
    if len(values) % 9:
        raise InvalidInput(
            f"The STL file has {len(values) // 3} corners, which make no whole triangles.",
            remedy="The file is truncated or damaged; export it again.",
        )
    try:
        return np.array([float(value) for value in values]).reshape(-1, 3, 3)
    except ValueError as error:
        raise InvalidInput(
            "The STL file has a coordinate that is no number.",
            remedy="The file is damaged; export it again.",
        ) from error


def _too_many(what: str, limit: int) -> InvalidInput:
    return InvalidInput(
        f"The model has more than {limit:,} {what}.",
        remedy="Reduce it in your modelling tool, or raise the limit in the settings.",
        limit=limit,
    )
