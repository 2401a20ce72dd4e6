"""glTF accessors as arrays, with every count and offset checked before anything is allocated."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rigline.avatar.mesh import Ints
from rigline.errors import InvalidInput
from rigline.formats.gltf_compression import decode_draco, draco_extension
from rigline.formats.gltf_container import GltfFile
from rigline.formats.gltf_json import JsonObject
from rigline.formats.limits import Limits
from rigline.formats.source_model import Float32s

AnyArray = npt.NDArray[Any]

COMPONENT_DTYPES: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
"""Component types of glTF 2.0, section 3.6.2.2."""

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
"""Element types that geometry uses; MAT2 and MAT3 occur in no attribute that is read."""

MAX_JOINTS = 4096
"""Inverse bind matrices of a skin; far above what any engine takes."""


class AccessorReader:
    """Reads accessors of one file; each is decoded once, and the sum of all is bounded."""

    def __init__(self, file: GltfFile, limits: Limits) -> None:
        self._file = file
        self._arrays: dict[int, AnyArray] = {}
        self._unpacked: set[tuple[int, int | None]] = set()
        self._remaining = 16 * limits.max_vertices + 3 * limits.max_triangles
        self._max_count = max(limits.max_vertices, 3 * limits.max_triangles)

    def unpack_draco(self, primitive: JsonObject) -> None:
        """Take a primitive's arrays out of its Draco bytes, where it has some.

        Attributes that the bytes do not have stay what their accessors say. Raises ``InvalidInput``
        for arrays that are not what the accessors promise.
        """
        packed = draco_extension(primitive)
        if packed is None:
            return
        attributes = primitive.required_child("attributes")
        if self.has_data(attributes.integer("POSITION")):
            return  # plain arrays are there for whoever does not know the extension
        corners = primitive.optional_integer("indices")
        key = (packed.integer("bufferView"), corners)
        if key in self._unpacked:
            return
        self._unpacked.add(key)
        faces, arrays = decode_draco(packed, self._file.view(packed.integer("bufferView"))[0])
        if corners is not None:
            self._put(corners, faces.reshape(-1, 1))
        ids = packed.required_child("attributes")
        for name in ids.values:
            array = arrays.get(ids.integer(name))
            if array is None or array.ndim != 2:
                ids.reject(name, "the id of an attribute in the Draco bytes")
            self._put(attributes.integer(name), array)

    def _put(self, index: int, array: AnyArray) -> None:
        """An accessor's array from elsewhere, in the accessor's own type."""
        accessor = self._accessor(index)
        shape = (accessor.integer("count"), WIDTHS.get(accessor.text("type"), -1))
        if array.shape != shape:
            raise InvalidInput(
                f"{accessor.where} promises {shape[0]} elements of {shape[1]} values, but the "
                f"compressed geometry has {len(array)} of {array.shape[1]}.",
                remedy="The file is damaged; export it again.",
                place=accessor.where,
            )
        self._remaining -= len(array)
        if len(array) > self._max_count or self._remaining < 0:
            raise InvalidInput(
                f"{accessor.where} has {len(array)} elements, more than are read.",
                remedy="Reduce the model's triangles and vertices.",
            )
        self._arrays[index] = array.astype(_dtype(accessor))

    def count(self, index: int) -> int:
        """How many elements the accessor claims."""
        return self._accessor(index).integer("count")

    def has_data(self, index: int) -> bool:
        """Whether the accessor holds more than implied zeros."""
        accessor = self._accessor(index)
        return "bufferView" in accessor.values or "sparse" in accessor.values

    def floats(self, index: int, *types: str, rows: Ints | None = None) -> Float32s:
        """``(count, width)`` float32, normalised integers in [0, 1] or [-1, 1].

        With ``rows``, only those, so that many primitives can share one large accessor.
        """
        array = self._read(index, types)
        if rows is not None:
            array = array[rows]
        if array.dtype.kind != "f" and self._accessor(index).values.get("normalized") is True:
            scaled = array.astype(np.float64) / np.iinfo(array.dtype).max
            return np.maximum(scaled, -1.0).astype(np.float32)
        return array.astype(np.float32)

    def indices(self, index: int) -> Ints:
        """``(count,)`` int64 of an unsigned accessor."""
        array = self._read(index, ("SCALAR",))
        if array.dtype.kind != "u":
            self._accessor(index).reject("componentType", "an unsigned type for indices")
        return array[:, 0].astype(np.int64)

    def _accessor(self, index: int) -> JsonObject:
        return self._file.document.item("accessors", index)

    def _read(self, index: int, types: tuple[str, ...]) -> AnyArray:
        accessor = self._accessor(index)
        if accessor.text("type") not in types:
            accessor.reject("type", " or ".join(types))
        if index not in self._arrays:
            self._arrays[index] = self._decode(accessor)
        return self._arrays[index]

    def _decode(self, accessor: JsonObject) -> AnyArray:
        dtype = _dtype(accessor)
        width, count = WIDTHS[accessor.text("type")], accessor.integer("count")
        self._remaining -= count
        if count > self._max_count or self._remaining < 0:
            raise InvalidInput(
                f"{accessor.where} has {count} elements, more than are read.",
                remedy="Reduce the model's triangles and vertices.",
                count=count,
                limit=self._max_count,
            )
        if "bufferView" in accessor.values:
            data, stride = self._file.view(accessor.integer("bufferView"))
            array = _strided(accessor, data, stride, dtype, (count, width))
        else:
            array = np.zeros((count, width), dtype)
        sparse = accessor.child("sparse")
        return array if sparse is None else self._with_sparse(array, sparse)

    def _with_sparse(self, array: AnyArray, sparse: JsonObject) -> AnyArray:
        count = sparse.integer("count")
        if count > len(array):
            sparse.reject("count", f"at most {len(array)}")
        where, what = sparse.required_child("indices"), sparse.required_child("values")
        data, _ = self._file.view(where.integer("bufferView"))
        rows = _strided(where, data, None, _dtype(where), (count, 1))[:, 0]
        if rows.dtype.kind != "u" or (count and int(rows.max()) >= len(array)):
            where.reject("bufferView", f"unsigned indices below {len(array)}")
        data, _ = self._file.view(what.integer("bufferView"))
        array = array.copy()
        array[rows] = _strided(what, data, None, array.dtype, (count, array.shape[1]))
        return array


def _dtype(place: JsonObject) -> np.dtype[Any]:
    component = place.integer("componentType")
    if component not in COMPONENT_DTYPES:
        place.reject("componentType", "one of glTF's component types")
    return COMPONENT_DTYPES[component]


def _strided(
    place: JsonObject,
    data: memoryview,
    stride: int | None,
    dtype: np.dtype[Any],
    shape: tuple[int, int],
) -> AnyArray:
    """A read-only view of ``data`` as ``shape``; ``InvalidInput`` when it does not fit."""
    count, width = shape
    element = width * dtype.itemsize
    step = element if stride is None else stride
    offset = place.integer("byteOffset", 0)
    if step < element:
        raise InvalidInput(
            f"{place.where} has elements of {element} bytes at a stride of {step}.",
            remedy="The file is damaged; export it again.",
            place=place.where,
        )
    if count == 0:
        return np.zeros(shape, dtype)
    stop = offset + (count - 1) * step + element
    if stop > len(data):
        raise InvalidInput(
            f"{place.where} needs {stop} bytes, but its buffer view has {len(data)}.",
            remedy="The file is truncated or damaged; export it again.",
            place=place.where,
        )
    return np.ndarray(shape, dtype, data, offset, (step, dtype.itemsize))
