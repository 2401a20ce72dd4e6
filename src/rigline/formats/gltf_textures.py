"""Textures, samplers and images of glTF, taken one by one as materials turn out to use them."""

from __future__ import annotations

from typing import Any

from rigline.errors import InvalidInput
from rigline.formats.gltf_container import GltfFile, decode_data_uri
from rigline.formats.gltf_json import JsonObject, brief, clean_text
from rigline.formats.image_header import read_header
from rigline.formats.kept_json import kept_json
from rigline.formats.limits import Limits
from rigline.formats.source_model import Image, JsonDict
from rigline.formats.warning_log import WarningLog

CORE_IMAGES = ("image/png", "image/jpeg")
"""Images that a texture's ``source`` may name without an extension."""

_SAMPLER_VALUES = {
    "magFilter": (9728, 9729),
    "minFilter": (9728, 9729, 9984, 9985, 9986, 9987),
    "wrapS": (33071, 33648, 10497),
    "wrapT": (33071, 33648, 10497),
}


class TextureShelf:
    """The textures that were asked for, numbered anew in the order of asking."""

    def __init__(self, file: GltfFile, limits: Limits, warnings: WarningLog) -> None:
        self._file = file
        self._limits = limits
        self._warnings = warnings
        self._textures: dict[int, int | None] = {}
        self._images: dict[int, int | None] = {}
        self._samplers: dict[int, int] = {}
        self._image_bytes = 0
        self.textures: list[JsonDict] = []
        self.samplers: list[JsonDict] = []
        self.images: list[Image] = []

    def texture(self, index: int) -> int | None:
        """The new index of a texture; None when it has no image that can be kept."""
        if index not in self._textures:
            self._textures[index] = self._take_texture(index)
        return self._textures[index]

    def _take_texture(self, index: int) -> int | None:
        raw = self._file.document.item("textures", index)
        kept: JsonDict = kept_json(raw.values, self._limits.max_depth)
        image = self._core_source(raw)
        kept.pop("source", None)
        if image is not None:
            kept["source"] = image
        extensions = self._extension_sources(raw, kept.pop("extensions", {}))
        if extensions:
            kept["extensions"] = extensions
        if image is None and not extensions:
            return None
        kept.pop("sampler", None)
        sampler = raw.optional_integer("sampler")
        if sampler is not None:
            kept["sampler"] = self._sampler(sampler)
        _keep_text(kept, "name")
        self.textures.append(kept)
        return len(self.textures) - 1

    def _core_source(self, texture: JsonObject) -> int | None:
        source = texture.optional_integer("source")
        image = None if source is None else self._image(source)
        if image is not None and self.images[image].mime_type not in CORE_IMAGES:
            self._warnings.add("A texture was left out: its image is neither PNG nor JPEG.")
            return None
        return image

    def _extension_sources(self, texture: JsonObject, extensions: Any) -> JsonDict:
        """The texture's extensions, with image indices renumbered (WebP, AVIF, Basis, DDS)."""
        kept: JsonDict = {}
        for name in sorted(extensions) if isinstance(extensions, dict) else ():
            value = extensions[name]
            if not isinstance(value, dict):
                continue
            if "source" in value:
                image = self._image(JsonObject(value, texture.place(name)).integer("source"))
                if image is None:
                    continue
                value = {**value, "source": image}
            kept[name] = value
        return kept

    def _sampler(self, index: int) -> int:
        if index not in self._samplers:
            raw = self._file.document.item("samplers", index)
            kept: JsonDict = kept_json(raw.values, self._limits.max_depth)
            for key, allowed in _SAMPLER_VALUES.items():
                if key in kept and kept[key] not in allowed:
                    self._warnings.add(f"{raw.place(key)} is not valid and was left out.")
                    del kept[key]
            _keep_text(kept, "name")
            self._samplers[index] = len(self.samplers)
            self.samplers.append(kept)
        return self._samplers[index]

    def _image(self, index: int) -> int | None:
        if index not in self._images:
            self._images[index] = self._take_image(self._file.document.item("images", index))
        return self._images[index]

    def _take_image(self, raw: JsonObject) -> int | None:
        data = self._image_data(raw)
        if data is None:
            return None
        header = read_header(data)
        if header is None:
            self._warnings.add(f"{raw.where} is no image that can be read; it was left out.")
            return None
        if header.width * header.height > self._limits.max_image_pixels:
            raise _too_large(raw, "pixels", self._limits.max_image_pixels)
        if len(self.images) >= self._limits.max_images:
            raise _too_large(raw, "images in the file", self._limits.max_images)
        # Some exporters declare the wrong type; the bytes know better.
        self.images.append(Image(data, header.mime_type, raw.text("name")))
        return len(self.images) - 1

    def _image_data(self, raw: JsonObject) -> bytes | None:
        if "bufferView" in raw.values:
            view, _ = self._file.view(raw.integer("bufferView"))
            self._count(raw, len(view))
            return bytes(view)
        uri = raw.values.get("uri")
        if not isinstance(uri, str):
            raw.reject("uri", "text")
        if not uri.startswith("data:"):
            self._warnings.add(
                f"The image {brief(clean_text(uri))} is another file, which is never opened; "
                "the texture was left out. Export with embedded images to keep it."
            )
            return None
        self._count(raw, len(uri) * 3 // 4)
        return decode_data_uri(uri, raw.where)[0]

    def _count(self, raw: JsonObject, size: int) -> None:
        # Views may overlap, so a small file could ask for many copies of its bytes.
        self._image_bytes += size
        if size > self._limits.max_image_bytes:
            raise _too_large(raw, "bytes", self._limits.max_image_bytes)
        if self._image_bytes > self._limits.max_bytes:
            raise _too_large(raw, "bytes in all images", self._limits.max_bytes)


def _too_large(raw: JsonObject, what: str, limit: int) -> InvalidInput:
    return InvalidInput(
        f"{raw.where} is too large: more than {limit:,} {what}.",
        remedy="Scale the textures down, or raise the limit in the settings.",
        place=raw.where,
        limit=limit,
    )


def _keep_text(kept: JsonDict, key: str) -> None:
    if key in kept and not isinstance(kept[key], str):
        del kept[key]
