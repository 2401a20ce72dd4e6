"""Collects arrays, images and JSON objects into the bytes of one GLB 2.0 file."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

ARRAY_BUFFER = 34962
ELEMENT_ARRAY_BUFFER = 34963

_COMPONENTS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class GlbBuilder:
    """A glTF document in the making. ``add_*`` methods return the new object's index."""

    def __init__(self, generator: str) -> None:
        self.document: dict[str, Any] = {"asset": {"version": "2.0", "generator": generator}}
        self._binary = bytearray()

    def add(self, collection: str, value: dict[str, Any]) -> int:
        """Append an object to one of the document's lists."""
        items: list[dict[str, Any]] = self.document.setdefault(collection, [])
        items.append(value)
        return len(items) - 1

    def add_bytes(self, data: bytes, target: int | None = None, stride: int | None = None) -> int:
        """A buffer view over ``data``, aligned to four bytes."""
        self._binary.extend(b"\0" * (-len(self._binary) % 4))
        view: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": len(self._binary),
            "byteLength": len(data),
        }
        if target is not None:
            view["target"] = target
        if stride is not None:
            view["byteStride"] = stride
        self._binary.extend(data)
        return self.add("bufferViews", view)

    def add_array(
        self, array: npt.NDArray[Any], target: int | None = None, with_range: bool = False
    ) -> int:
        """An accessor over rows ``(n,)`` or ``(n, width)`` of uint8, uint16, uint32 or float32.

        ``with_range`` states the smallest and largest values, which positions must.
        """
        rows = array.reshape(len(array), -1)
        rows = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
        accessor: dict[str, Any] = {
            "bufferView": self.add_bytes(rows.tobytes(), target),
            "componentType": _COMPONENTS[f"{rows.dtype.kind}{rows.dtype.itemsize}"],
            "count": len(rows),
            "type": _TYPES[rows.shape[1]],
        }
        if with_range:
            accessor["min"] = [float(v) for v in rows.min(axis=0)]
            accessor["max"] = [float(v) for v in rows.max(axis=0)]
        return self.add("accessors", accessor)

    def to_bytes(self) -> bytes:
        """The finished file."""
        document = dict(self.document)
        if self._binary:
            document["buffers"] = [{"byteLength": len(self._binary)}]
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("utf-8")
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        if binary:
            chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
