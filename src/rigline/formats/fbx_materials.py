"""Materials of FBX as glTF's: base colour, roughness and metalness, and embedded pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from rigline.errors import InvalidInput
from rigline.formats.fbx_arrays import ElementGuard
from rigline.formats.gltf_json import brief, clean_text
from rigline.formats.image_header import read_header
from rigline.formats.limits import Limits
from rigline.formats.source_assembly import Piece
from rigline.formats.source_model import Image, JsonDict, MaterialLibrary
from rigline.formats.warning_log import WarningLog

KEPT_IMAGES: Final = ("image/png", "image/jpeg")


class FbxMaterialShelf:
    """The materials that were asked for, numbered in the order of asking."""

    def __init__(self, guard: ElementGuard, limits: Limits, warnings: WarningLog) -> None:
        self._guard = guard
        self._limits = limits
        self._warnings = warnings
        self._numbers: dict[int, int] = {}
        self._textures: dict[int, int | None] = {}
        self._materials: list[JsonDict] = []
        self._images: list[Image] = []
        self._image_bytes = 0

    def with_material(self, piece: Piece, material: Any) -> Piece:
        """The piece with the number of its material."""
        if material is None:
            return piece
        key = int(material.typed_id)
        if key not in self._numbers:
            self._numbers[key] = len(self._materials)
            self._materials.append(self._taken(material))
        return replace(piece, material=self._numbers[key])

    def library(self) -> MaterialLibrary:
        """All that was asked for; each texture is an image of its own."""
        textures = tuple({"source": k} for k in range(len(self._images)))
        return MaterialLibrary(tuple(self._materials), textures, (), tuple(self._images))

    def _taken(self, material: Any) -> JsonDict:
        maps = material.pbr
        colour = maps.base_color.value_vec4
        surface: JsonDict = {
            "baseColorFactor": [_share(c) for c in (colour.x, colour.y, colour.z)] + [1.0],
            "metallicFactor": _share(maps.metalness.value_vec4.x),
            "roughnessFactor": _share(maps.roughness.value_vec4.x),
        }
        kept: JsonDict = {"name": clean_text(material.name), "pbrMetallicRoughness": surface}
        base = self._texture(self._guard.one(maps.base_color.texture))
        if base is not None:
            # A picture replaces the colour in FBX; in glTF they are multiplied.
            surface |= {"baseColorTexture": {"index": base}, "baseColorFactor": [1.0] * 4}
        normal = self._texture(self._guard.one(maps.normal_map.texture))
        if normal is not None:
            kept["normalTexture"] = {"index": normal}
        return kept

    def _texture(self, texture: Any) -> int | None:
        if texture is None:
            return None
        key = int(texture.typed_id)
        if key not in self._textures:
            self._textures[key] = self._image(texture)
        return self._textures[key]

    def _image(self, texture: Any) -> int | None:
        data = bytes(texture.content or b"")
        name = clean_text(texture.relative_filename or texture.filename or texture.name)
        video = None if data else self._guard.one(texture.video)
        if video is not None:
            data = bytes(video.content or b"")
        if not data:
            self._warnings.add(
                f"The image {brief(name)} is another file, which is never opened; the texture was "
                "left out. Export with embedded images to keep it."
            )
            return None
        header = read_header(data)
        if header is None or header.mime_type not in KEPT_IMAGES:
            self._warnings.add("A texture was left out: its image is neither PNG nor JPEG.")
            return None
        self._image_bytes += len(data)
        for what, found, limit in (
            ("pixels", header.width * header.height, self._limits.max_image_pixels),
            ("bytes", len(data), self._limits.max_image_bytes),
            ("bytes in all images", self._image_bytes, self._limits.max_bytes),
            ("images in the file", len(self._images) + 1, self._limits.max_images),
        ):
            if found > limit:
                raise InvalidInput(
                    f"The image {brief(name)} is too large: more than {limit:,} {what}.",
                    remedy="Scale the textures down, or raise the limit in the settings.",
                )
        self._images.append(Image(data, header.mime_type, name))
        return len(self._images) - 1


def _share(value: float) -> float:
    return min(max(float(value), 0.0), 1.0) if value == value else 0.0
