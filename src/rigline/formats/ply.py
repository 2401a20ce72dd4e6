"""PLY (Stanford), as text or binary: vertices with colours, normals and UVs, and polygons.

Read are the elements ``vertex``, ``face`` and ``tristrips``; others are stepped over. Polygons are
split into a fan from their first corner. A texture that a comment names is another file and never
opened. UVs have their origin at the lower left; they are flipped to glTF's upper left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.formats.limits import Limits
from rigline.formats.ply_header import REMEDY, Element, PlyHeader, read_header
from rigline.formats.source_assembly import Piece, assemble
from rigline.formats.source_model import Float32s, MaterialLibrary, SourceModel
from rigline.formats.warning_log import WarningLog

MAX_ELEMENTS: Final = 64
CORNERS: Final = ("vertex_indices", "vertex_index")
UVS: Final = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
Table = Callable[[int], Floats]
MAX_COLUMNS: Final = 32
_WORD = re.compile(rb"\S+")
RESTART: Final = -1
"""Ends a strip and begins the next."""


@dataclass
class _Rows:
    """What is left to read: words of the text form, or bytes from ``start`` on."""

    header: PlyHeader
    data: bytes
    start: int
    words: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def is_text(self) -> bool:
        return not self.header.order


# Absurd numbers overflow; the assembly refuses what is not finite, so numpy may be silent.
@np.errstate(all="ignore")
def read_ply(data: bytes, limits: Limits) -> SourceModel:
    """The model in a PLY file; ``InvalidInput`` when it cannot be used."""
    header = read_header(data)
    warnings = WarningLog()
    if any(comment.lower().startswith("texturefile") for comment in header.comments):
        warnings.add("The texture is another file, which is never opened; it was left out.")
    if len(header.elements) > MAX_ELEMENTS:
        raise _too_many("elements", MAX_ELEMENTS)
    rows = _Rows(header, data, header.start)
    if rows.is_text:
        # One by one, because words in a list weigh fifty times what they do in the file.
        rows.words = (match.group() for match in _WORD.finditer(data, header.start))
    vertices: Piece | None = None
    faces: list[Ints] = []
    for element in header.elements:
        if element.name == "vertex" and vertices is None:
            vertices = _vertices(element, rows, limits)
        elif element.name in ("face", "tristrips"):
            faces.append(_faces(element, rows, limits))
        else:
            _skip(element, rows, limits)
    triangles = np.concatenate(faces) if faces else np.zeros((0, 3), np.int64)
    if vertices is None or not len(triangles):
        raise InvalidInput(
            "The PLY file holds no triangles.",
            remedy="Export a mesh; points alone, as scanners write them, are not enough.",
        )
    if triangles.min() < 0 or triangles.max() >= len(vertices.positions):
        raise InvalidInput("A face names a vertex that does not exist.", remedy=REMEDY)
    return assemble([_drawn(vertices, triangles)], MaterialLibrary(), "ply", "", warnings)


def _vertices(element: Element, rows: _Rows, limits: Limits) -> Piece:
    if element.count > limits.max_vertices:
        raise _too_many("vertices", limits.max_vertices)
    if not element.fixed:
        raise InvalidInput("The PLY file's vertices have lists.", remedy=REMEDY)
    columns = [k for name in "xyz" if (k := element.index(name)) is not None]
    if len(columns) < 3:
        raise InvalidInput("The PLY file's vertices have no x, y and z.", remedy=REMEDY)
    table = _table(element, rows, limits)
    return Piece(
        "",
        None,
        np.stack([table(k) for k in columns], axis=1),
        np.zeros((0, 3), np.int64),
        _together(table, [element.index(name) for name in ("nx", "ny", "nz")]),
        _uvs(element, table),
        _colors(element, table),
    )


def _table(element: Element, rows: _Rows, limits: Limits) -> Table:
    """The columns of an element whose rows are equally long, as float64 by their index."""
    width = len(element.properties)
    if rows.is_text:
        if width * element.count > MAX_COLUMNS * limits.max_vertices:
            raise _too_many("values", MAX_COLUMNS * limits.max_vertices)
        values = _text(rows, width * element.count).reshape(element.count, width)
        return lambda k: values[:, k]
    kind = element.row_type(rows.header.order)
    if rows.start + kind.itemsize * element.count > len(rows.data):
        raise _truncated()
    records = np.frombuffer(rows.data, kind, element.count, rows.start)
    rows.start += kind.itemsize * element.count
    names = kind.names or ()
    return lambda k: records[names[k]].astype(np.float64)


def _together(table: Table, columns: list[int | None]) -> Float32s | None:
    found = [table(k) for k in columns if k is not None]
    return np.stack(found, axis=1).astype(np.float32) if len(found) == len(columns) else None


def _uvs(element: Element, table: Table) -> Float32s | None:
    for pair in UVS:
        uvs = _together(table, [element.index(name) for name in pair])
        if uvs is not None:
            return np.stack([uvs[:, 0], 1 - uvs[:, 1]], axis=1)
    return None


def _colors(element: Element, table: Table) -> Float32s | None:
    """Colours in 0 to 1: whole numbers are shares of their type's largest."""
    columns = [element.index(n, f"diffuse_{n}") for n in ("red", "green", "blue")]
    alpha = element.index("alpha")
    wanted = [*columns, alpha] if alpha is not None else columns
    found = _together(table, wanted)
    if found is None:
        return None
    kinds = [element.properties[k].kind for k in wanted if k is not None]
    most = [1.0 if kind[0] == "f" else float(np.iinfo(kind).max) for kind in kinds]
    shares = np.clip(found / np.array(most, np.float32), 0, 1)
    full = np.ones((len(shares), 4), np.float32)
    full[:, : shares.shape[1]] = shares
    return full


def _faces(element: Element, rows: _Rows, limits: Limits) -> Ints:
    """Triangles ``(m, 3)`` of all polygons or strips of an element."""
    column = element.index(*CORNERS)
    strips = element.name == "tristrips"
    most = limits.max_triangles
    if element.count > most:
        raise _too_many("faces", most)
    if column is None or not element.properties[column].count_kind:
        _skip(element, rows, limits)
        return np.zeros((0, 3), np.int64)
    quick = None if rows.is_text else _equal_lists(element, rows)
    if quick is not None:
        corners, lengths = quick.ravel(), np.full(len(quick), quick.shape[1])
    else:
        corners, lengths = _lists(element, rows, column, 3 * most + 2 * element.count)
    return _strips(corners, lengths, most) if strips else _fans(corners, lengths, most)


def _equal_lists(element: Element, rows: _Rows) -> Ints | None:
    """``(m, k)`` where the rows hold one list of the same length each, as nearly all files do."""
    (only, *others) = element.properties
    if others or not element.count:
        return None
    order = rows.header.order
    head = np.dtype(order + only.count_kind)
    if rows.start + head.itemsize > len(rows.data):
        raise _truncated()
    length = int(np.frombuffer(rows.data, head, 1, rows.start)[0])
    if not 3 <= length <= 4:
        return None
    kind = np.dtype([("count", head), ("values", order + only.kind, length)])
    stop = rows.start + kind.itemsize * element.count
    if stop > len(rows.data):
        return None
    records = np.frombuffer(rows.data, kind, element.count, rows.start)
    if (records["count"] != length).any():
        return None
    rows.start = stop
    return _whole(records["values"])


def _lists(element: Element, rows: _Rows, column: int, most: int) -> tuple[Ints, Ints]:
    """The values of one list column, one after the other, and each list's length."""
    order = rows.header.order
    values: list[npt.NDArray[Any]] = []
    lengths, total = [], 0
    kinds = [
        (np.dtype(order + p.count_kind) if p.count_kind else None, np.dtype(order + p.kind))
        for p in element.properties
    ]
    for _ in range(element.count):
        for k, (head, kind) in enumerate(kinds):
            length = 1 if head is None else int(_whole(_take(rows, head, 1))[0])
            if length < 0 or length > most:
                raise InvalidInput(f"A list of the PLY file has length {length}.", remedy=REMEDY)
            found = _take(rows, kind, length)
            if k == column:
                total += length
                if total > most:
                    raise _too_many("corners", most)
                values.append(found)
                lengths.append(length)
    joined = np.concatenate(values) if values else np.zeros(0)
    return _whole(joined), np.array(lengths, np.int64)


def _take(rows: _Rows, kind: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    if rows.is_text:
        return _text(rows, count)
    start = rows.start
    rows.start += count * kind.itemsize
    if rows.start > len(rows.data):
        raise _truncated()
    return np.frombuffer(rows.data, kind, count, start)


def _skip(element: Element, rows: _Rows, limits: Limits) -> None:
    if not element.properties:
        return
    if element.fixed and not rows.is_text:
        rows.start += element.row_type(rows.header.order).itemsize * element.count
        if rows.start > len(rows.data):
            raise _truncated()
    elif element.fixed:
        _table(element, rows, limits)
    else:
        most = max(limits.max_vertices, limits.max_triangles)
        if element.count > most:
            raise _too_many(f"rows of {element.name!a}", most)
        _lists(element, rows, -1, most)


def _fans(corners: Ints, lengths: Ints, most: int) -> Ints:
    """Triangles of polygons, each a fan from its first corner."""
    triangles = np.maximum(lengths - 2, 0)
    if triangles.sum() > most:
        raise _too_many("triangles", most)
    start = np.cumsum(lengths) - lengths
    polygon = np.repeat(np.arange(len(lengths)), triangles)
    step = np.arange(len(polygon)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    first = start[polygon]
    return np.stack(
        [corners[first], corners[first + step + 1], corners[first + step + 2]], axis=1
    ).reshape(-1, 3)


def _strips(corners: Ints, lengths: Ints, most: int) -> Ints:
    """Triangles of strips, which a corner of -1 interrupts; every second one turns."""
    if len(corners) > most + 2 * len(lengths) + (corners == RESTART).sum() * 3:
        raise _too_many("triangles", most)
    found = []
    for strip in np.split(corners, np.cumsum(lengths)[:-1]):
        for run in np.split(strip, np.flatnonzero(strip == RESTART)):
            run = run[run != RESTART]
            first = np.arange(max(len(run) - 2, 0))
            odd = first % 2
            found.append(run[np.stack([first, first + 1 + odd, first + 2 - odd], axis=1)])
    return np.concatenate(found).reshape(-1, 3) if found else np.zeros((0, 3), np.int64)


def _drawn(vertices: Piece, triangles: Ints) -> Piece:
    """The piece with its triangles, and without vertices that none uses."""
    used, faces = np.unique(triangles, return_inverse=True)

    def of_used(array: Float32s | None) -> Float32s | None:
        return None if array is None else array[used]

    return Piece(
        "",
        None,
        vertices.positions[used],
        faces.reshape(-1, 3).astype(np.int64),
        of_used(vertices.normals),
        of_used(vertices.uvs),
        of_used(vertices.colors),
    )


def _text(rows: _Rows, count: int) -> Floats:
    """The next values of the text form."""
    try:
        values = np.fromiter((float(word) for word in islice(rows.words, count)), np.float64)
    except ValueError as error:
        raise InvalidInput("The PLY file has a value that is no number.", remedy=REMEDY) from error
    if len(values) < count:
        raise _truncated()
    return values


def _whole(values: npt.NDArray[Any]) -> Ints:
    """Vertex numbers as int64; what is none becomes one that does not exist."""
    wide = np.asarray(values, np.float64)
    # Out of range is caught with the rest: -2 is neither a vertex nor the end of a strip.
    fits = np.isfinite(wide) & (np.abs(wide) < 2**31) & (wide == np.floor(wide))
    return np.where(fits, wide, -2).astype(np.int64)


def _truncated() -> InvalidInput:
    return InvalidInput(
        "The PLY file ends before its rows do.",
        remedy="The file is truncated or damaged; export it again.",
    )


def _too_many(what: str, limit: int) -> InvalidInput:
    return InvalidInput(
        f"The model has more than {limit:,} {what}.",
        remedy="Reduce it in your modelling tool, or raise the limit in the settings.",
        limit=limit,
    )
