"""Compressed geometry of glTF: buffer views under meshopt, primitives under Draco.

Both decoders are the formats' own, as extras of the wheel (``rigline[compression]``). They are
native code, one more reason to read in a process of its own. What comes out is checked like any
array.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rigline.errors import InvalidInput
from rigline.formats.gltf_json import JsonObject, brief, clean_text

MESHOPT: Final = ("EXT_meshopt_compression", "KHR_meshopt_compression")
DRACO: Final = "KHR_draco_mesh_compression"
MODES: Final = ("ATTRIBUTES", "TRIANGLES", "INDICES")
FILTERS: Final = ("NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL")
MAX_STRIDE: Final = 256
MAX_DECODED_BYTES: Final = 256 * 1024 * 1024


def meshopt_extension(view: JsonObject) -> JsonObject | None:
    """The extension of a buffer view that says how it is compressed, if it is."""
    extensions = view.child("extensions")
    for name in MESHOPT:
        found = None if extensions is None else extensions.child(name)
        if found is not None:
            return found
    return None


def decode_meshopt(packed: JsonObject, data: memoryview) -> memoryview:
    """The bytes that a buffer view stands for, from those that it has.

    Raises ``InvalidInput`` for what the extension does not allow, for damage, and where the library
    is not installed.
    """
    try:
        import meshoptimizer
    except ModuleNotFoundError as error:
        raise _missing("meshopt", "meshoptimizer") from error
    count, stride = packed.integer("count"), packed.integer("byteStride")
    mode, kind = packed.text("mode"), packed.text("filter") or "NONE"
    if mode not in MODES:
        packed.reject("mode", " or ".join(MODES))
    if kind not in FILTERS:
        packed.reject("filter", " or ".join(FILTERS))
    sizes = range(4, MAX_STRIDE + 1, 4) if mode == "ATTRIBUTES" else (2, 4)
    if stride not in sizes:
        packed.reject("byteStride", "a size that this mode allows")
    if count * stride > MAX_DECODED_BYTES or (mode == "TRIANGLES" and count % 3):
        packed.reject("count", "a number of elements that can be unpacked")
    if kind != "NONE" and (mode != "ATTRIBUTES" or not _fits(kind, stride)):
        packed.reject("filter", "one that this mode and stride allow")
    if not count:
        return memoryview(b"")
    try:
        return _unpacked(meshoptimizer, mode, kind, count, stride, bytes(data))
    except (RuntimeError, ValueError) as error:
        raise _damaged(packed.where, error) from error


def _unpacked(
    library: Any, mode: str, kind: str, count: int, stride: int, data: bytes
) -> memoryview:
    if mode == "ATTRIBUTES":
        rows = library.decode_vertex_buffer(count, stride, data, dtype=np.dtype((np.void, stride)))
        found = np.frombuffer(rows.tobytes(), np.uint8)
    else:
        decode = library.decode_index_buffer if mode == "TRIANGLES" else (
            library.decode_index_sequence
        )  # fmt: skip
        found = decode(count, stride, data).astype(f"<u{stride}").view(np.uint8)
    filters = {
        "OCTAHEDRAL": library.decode_filter_oct,
        "QUATERNION": library.decode_filter_quat,
        "EXPONENTIAL": library.decode_filter_exp,
    }
    if kind in filters:
        found = filters[kind](found, count, stride)
    return memoryview(np.ascontiguousarray(found).tobytes())


def _fits(kind: str, stride: int) -> bool:
    if kind == "OCTAHEDRAL":
        return stride in (4, 8)
    return stride == 8 if kind == "QUATERNION" else stride % 4 == 0


def draco_extension(primitive: JsonObject) -> JsonObject | None:
    """The extension of a primitive that says where its Draco bytes are, if it has them."""
    extensions = primitive.child("extensions")
    return None if extensions is None else extensions.child(DRACO)


def decode_draco(
    packed: JsonObject, data: memoryview
) -> tuple[npt.NDArray[Any], dict[int, npt.NDArray[Any]]]:
    """Triangles ``(m, 3)`` and the attributes ``(n, k)`` by their unique ids.

    Raises ``InvalidInput`` for damage, and where the library is not installed.
    """
    try:
        import DracoPy
    except ModuleNotFoundError as error:
        raise _missing(DRACO, "DracoPy") from error
    try:
        mesh = DracoPy.decode(bytes(data))
        faces = np.asarray(mesh.faces).reshape(-1, 3)
        attributes = {int(a["unique_id"]): np.asarray(a["data"]) for a in mesh.attributes}
    except Exception as error:  # the library has errors of its own for each fault
        raise _damaged(packed.where, error) from error
    return faces, attributes


def _missing(method: str, library: str) -> InvalidInput:
    return InvalidInput(
        f"The geometry is compressed ({method}), which needs the library {library}.",
        remedy="Run pip install 'rigline[compression]', or export it without mesh compression.",
        compression=method,
    )


def _damaged(where: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"The compressed geometry of {where} cannot be read: {brief(clean_text(str(error)))}.",
        remedy="The file is damaged; export it again.",
        place=where,
    )
