"""The outermost layer of glTF: GLB chunks, the JSON document, buffers and views of them."""

from __future__ import annotations

import base64
import binascii
import struct
from urllib.parse import unquote_to_bytes

from rigline.errors import InvalidInput
from rigline.formats.gltf_compression import (
    MAX_DECODED_BYTES,
    decode_meshopt,
    meshopt_extension,
)
from rigline.formats.gltf_json import REMEDY, JsonObject, brief, parse_json
from rigline.formats.limits import Limits

GLB_MAGIC = b"glTF"
JSON_CHUNK = b"JSON"
BIN_CHUNK = b"BIN\0"


class GltfFile:
    """A parsed document and its buffers, decoded when first asked for. Opens nothing by name."""

    def __init__(self, document: JsonObject, binary: memoryview | None) -> None:
        self.document = document
        self._binary = binary
        self._buffers: dict[int, memoryview] = {}
        self._unpacked: dict[int, memoryview] = {}
        self._unpacked_bytes = 0

    def buffer(self, index: int) -> memoryview:
        """The bytes of a buffer; ``InvalidInput`` when it lies outside the file."""
        if index not in self._buffers:
            self._buffers[index] = self._load(index)
        return self._buffers[index]

    def view(self, index: int) -> tuple[memoryview, int | None]:
        """The bytes of a buffer view and its stride in bytes, if it names one."""
        view = self.document.item("bufferViews", index)
        packed = meshopt_extension(view)
        if packed is None:
            return self._slice(view), view.optional_integer("byteStride")
        if index not in self._unpacked:
            self._unpacked_bytes += packed.integer("count") * packed.integer("byteStride")
            if self._unpacked_bytes > MAX_DECODED_BYTES:
                raise InvalidInput(
                    "The compressed geometry unpacks to more than can be read.",
                    remedy="Reduce the model's triangles and vertices.",
                    limit=MAX_DECODED_BYTES,
                )
            self._unpacked[index] = decode_meshopt(packed, self._slice(packed))
        return self._unpacked[index], view.optional_integer("byteStride")

    def _slice(self, view: JsonObject) -> memoryview:
        """The part of a buffer that a view, or what stands in for it, names."""
        data = self.buffer(view.integer("buffer"))
        offset, length = view.integer("byteOffset", 0), view.integer("byteLength")
        if offset + length > len(data):
            raise InvalidInput(
                f"{view.where} reaches byte {offset + length} of a buffer with {len(data)}.",
                remedy="The file is truncated or damaged; export it again.",
                place=view.where,
            )
        return data[offset : offset + length]

    def _load(self, index: int) -> memoryview:
        buffer = self.document.item("buffers", index)
        if "uri" in buffer.values:
            data = memoryview(_embedded_buffer(buffer))
        elif index == 0 and self._binary is not None:
            data = self._binary
        else:
            raise InvalidInput(f"{buffer.where} has no data.", remedy=REMEDY, place=buffer.where)
        length = buffer.integer("byteLength")
        if length > len(data):
            raise InvalidInput(
                f"{buffer.where} claims {length} bytes but has {len(data)}.",
                remedy="The file is truncated or damaged; export it again.",
                place=buffer.where,
            )
        return data[:length]


def open_glb(data: bytes, limits: Limits) -> GltfFile:
    """The document and binary chunk of a GLB 2.0 file."""
    if len(data) < 12:
        raise InvalidInput("The GLB file ends inside its header.", remedy="Export it again.")
    _, version, length = struct.unpack_from("<4sII", data)
    if version != 2:
        raise InvalidInput(
            f"The file is GLB version {version}; version 2 is read.",
            remedy="Export it as glTF 2.0.",
            version=version,
        )
    if length > len(data):
        raise InvalidInput(
            f"The GLB file should have {length} bytes but has {len(data)}: it is truncated.",
            remedy="Copy or export it again.",
        )
    chunks = _chunks(memoryview(data)[:length])
    if JSON_CHUNK not in chunks:
        raise InvalidInput("The GLB file has no JSON chunk.", remedy=REMEDY)
    return _checked(parse_json(bytes(chunks[JSON_CHUNK]), limits), chunks.get(BIN_CHUNK))


def open_gltf(data: bytes, limits: Limits) -> GltfFile:
    """The document of a .gltf file, whose buffers are embedded."""
    return _checked(parse_json(data, limits), None)


def decode_data_uri(uri: str, where: str) -> tuple[bytes, str]:
    """The bytes and media type of a ``data:`` URI (RFC 2397)."""
    head, comma, body = uri.partition(",")
    media_type, *parameters = head[len("data:") :].split(";")
    if not comma:
        raise InvalidInput(f"{where} has a broken data: URI.", remedy=REMEDY, place=where)
    if "base64" not in parameters:
        return unquote_to_bytes(body), media_type
    try:
        raw = body.encode("ascii")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True), media_type
    except (UnicodeEncodeError, binascii.Error) as error:
        raise InvalidInput(
            f"{where} has a data: URI that is not base64.", remedy=REMEDY, place=where
        ) from error


def _embedded_buffer(buffer: JsonObject) -> bytes:
    uri = buffer.values["uri"]
    if not isinstance(uri, str):
        buffer.reject("uri", "text")
    if not uri.startswith("data:"):
        raise InvalidInput(
            f"The model keeps its geometry in another file, {brief(uri)}, which is never opened.",
            remedy="Export it as one file: .glb, or .gltf with embedded buffers.",
            place=buffer.where,
            uri=brief(uri),
        )
    return decode_data_uri(uri, buffer.where)[0]


def _chunks(data: memoryview) -> dict[bytes, memoryview]:
    """The first chunk of each type; the specification lets readers skip unknown ones."""
    chunks: dict[bytes, memoryview] = {}
    offset = 12
    while offset + 8 <= len(data) and len(chunks) < 16:
        length, kind = struct.unpack_from("<I4s", data, offset)
        if offset + 8 + length > len(data):
            raise InvalidInput(
                "A chunk of the GLB file reaches past its end.",
                remedy="The file is truncated or damaged; export it again.",
            )
        chunks.setdefault(kind, data[offset + 8 : offset + 8 + length])
        offset += 8 + length
        if BIN_CHUNK in chunks and JSON_CHUNK in chunks:
            break
    return chunks


def _checked(document: JsonObject, binary: memoryview | None) -> GltfFile:
    asset = document.child("asset")
    if asset is None:
        raise InvalidInput(
            "The file is JSON, but not glTF: it has no asset.",
            remedy="Accepted are GLB, VRM, glTF with embedded buffers, FBX, OBJ, PLY and STL.",
        )
    version = asset.text("version")
    if not version.startswith("2."):
        raise InvalidInput(
            f"The file is glTF version {brief(version)}; version 2.0 is read.",
            remedy="Export it as glTF 2.0.",
            version=version,
        )
    return GltfFile(document, binary)
