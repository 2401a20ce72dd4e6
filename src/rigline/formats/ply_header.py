"""The header of a PLY file: its encoding, its elements, and how their rows are laid out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rigline.errors import InvalidInput
from rigline.formats.gltf_json import brief, clean_text

MAX_HEADER_BYTES: Final = 1 << 16
REMEDY: Final = "Export the model again; this file does not follow the PLY format."
TYPES: Final = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_LINE_END = re.compile(rb"[ \t]*(?:\r\n|\n|\r)")
ENCODINGS: Final = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class Property:
    """A column: one value of ``kind``, or, with ``count_kind``, a list of them."""

    name: str
    kind: str
    count_kind: str = ""


@dataclass(frozen=True)
class Element:
    """``count`` rows with the same properties."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def fixed(self) -> bool:
        """Whether all rows are equally long."""
        return not any(p.count_kind for p in self.properties)

    def row_type(self, order: str) -> np.dtype[Any]:
        """The layout of a row in binary, where all are equally long; names made unique."""
        return np.dtype([(f"{k} {p.name}", order + p.kind) for k, p in enumerate(self.properties)])

    def index(self, *names: str) -> int | None:
        """The column of the first of some names that is there."""
        for name in names:
            for k, p in enumerate(self.properties):
                if p.name == name:
                    return k
        return None


@dataclass(frozen=True)
class PlyHeader:
    """``order`` is numpy's sign of the byte order, empty for text; rows begin at ``start``."""

    order: str
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    start: int


def read_header(data: bytes) -> PlyHeader:
    """The header of a PLY file; ``InvalidInput`` when it is broken."""
    end = data.find(b"end_header", 0, MAX_HEADER_BYTES)
    stop = end + len(b"end_header")
    line_end = _LINE_END.match(data, stop) if end >= 0 else None
    if line_end is None:
        raise InvalidInput("The PLY file's header does not end.", remedy=REMEDY)
    order: str | None = None
    comments: list[str] = []
    elements: list[tuple[str, int, list[Property]]] = []
    for line in data[:end].decode("latin-1").splitlines()[1:]:
        words = line.split()
        if not words:
            continue
        if words[0] in ("comment", "obj_info"):
            comments.append(clean_text(" ".join(words[1:])))
        elif words[0] == "format" and len(words) >= 2 and words[1] in ENCODINGS:
            order = ENCODINGS[words[1]]
        elif words[0] == "element" and len(words) == 3 and _is_count(words[2]):
            elements.append((words[1], int(words[2]), []))
        elif words[0] == "property" and elements:
            elements[-1][2].append(_property(words, line))
        else:
            raise _broken(line)
    if order is None:
        raise InvalidInput("The PLY file does not say how it is encoded.", remedy=REMEDY)
    return PlyHeader(
        order,
        tuple(Element(n, c, tuple(p)) for n, c, p in elements),
        tuple(comments),
        line_end.end(),
    )


def _property(words: list[str], line: str) -> Property:
    kinds = [TYPES.get(word, "") for word in words[1:-1]]
    if len(words) == 3 and kinds[0]:
        return Property(words[2], kinds[0])
    if len(words) == 5 and words[1] == "list" and all(kinds[1:]) and kinds[1][0] != "f":
        return Property(words[4], kinds[2], kinds[1])
    raise _broken(line)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 18


def _broken(line: str) -> InvalidInput:
    return InvalidInput(f"The PLY file's header has the line {brief(line)}.", remedy=REMEDY)
