"""PLY and STL files of synthetic bodies."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from rigline.avatar.mesh import Ints
from tests.support.bodies import SyntheticBody

ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
NAMES = {"f4": "float", "f8": "double", "u1": "uchar", "i4": "int"}


def stl_file(body: SyntheticBody, text: bool = False) -> bytes:
    """Every triangle by itself, as STL has it."""
    corners = body.vertices[body.faces].astype(np.float32)
    if text:
        lines = ["solid body"]
        for triangle in corners:
            lines.append("  facet normal 0 0 0\n    outer loop")
            lines += [f"      vertex {x!r} {y!r} {z!r}" for x, y, z in triangle.tolist()]
            lines.append("    endloop\n  endfacet")
        return "\n".join([*lines, "endsolid body", ""]).encode()
    records = np.zeros(len(corners), [("n", "<f4", 3), ("c", "<f4", (3, 3)), ("s", "<u2")])
    records["c"] = corners
    return b"made by a test".ljust(80) + struct.pack("<I", len(corners)) + records.tobytes()


def ply_file(
    body: SyntheticBody,
    encoding: str = "binary_little_endian",
    columns: dict[str, npt.NDArray[Any]] | None = None,
    polygons: list[list[int]] | None = None,
    extra: str = "",
) -> bytes:
    """The body with further columns of its vertices; ``polygons`` in place of its triangles.

    ``extra`` are lines for the header, before the vertices.
    """
    table = {"x": body.vertices[:, 0], "y": body.vertices[:, 1], "z": body.vertices[:, 2]}
    table = {name: values.astype("f4") for name, values in table.items()} | (columns or {})
    rows = polygons if polygons is not None else body.faces.tolist()
    header = ["ply", f"format {encoding} 1.0", "comment made by a test", *extra.splitlines()]
    header.append(f"element vertex {len(body.vertices)}")
    header += [f"property {NAMES[values.dtype.str[1:]]} {name}" for name, values in table.items()]
    header += [f"element face {len(rows)}", "property list uchar int vertex_indices", "end_header"]
    head = "\n".join(header).encode() + b"\n"
    order = ORDERS[encoding]
    if not order:
        points = [" ".join(str(v) for v in row) for row in zip(*table.values(), strict=True)]
        faces = [" ".join(map(str, [len(row), *row])) for row in rows]
        return head + "\n".join([*points, *faces, ""]).encode()
    kinds = [(name, order + values.dtype.str[1:]) for name, values in table.items()]
    records = np.zeros(len(body.vertices), kinds)
    for name, values in table.items():
        records[name] = values
    faces = [struct.pack(f"{order}B{len(row)}i", len(row), *row) for row in rows]
    return head + records.tobytes() + b"".join(faces)


def quads_of(faces: Ints) -> list[list[int]]:
    """Polygons of four corners, each around two neighbouring triangles of the list."""
    return [
        [int(k) for k in dict.fromkeys([*first, *second])][:4]
        for first, second in zip(faces[::2], faces[1::2], strict=True)
    ]
