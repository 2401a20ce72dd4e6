"""Materials of glTF, kept as they are but for indices and for what no viewer would accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rigline.formats.gltf_container import GltfFile
from rigline.formats.gltf_json import JsonObject
from rigline.formats.gltf_textures import TextureShelf
from rigline.formats.kept_json import kept_json
from rigline.formats.limits import Limits
from rigline.formats.source_model import JsonDict, MaterialLibrary
from rigline.formats.warning_log import WarningLog

TRANSFORM = "KHR_texture_transform"
MAX_UV_SETS = 8


class MaterialShelf:
    """The materials that primitives turned out to use, numbered anew in the order of asking.

    One set of texture coordinates is kept of a mesh, that of its base colour, so a texture that is
    laid out by another set leaves its material, with a warning; so do all textures when ``has_uvs``
    is false.
    """

    def __init__(self, file: GltfFile, limits: Limits, warnings: WarningLog, has_uvs: bool) -> None:
        self._file = file
        self._limits = limits
        self._warnings = warnings
        self._has_uvs = has_uvs
        self._numbers: dict[int, int] = {}
        self._materials: list[JsonDict] = []
        self._textures = TextureShelf(file, limits, warnings)
        self._uv_set = 0

    def material(self, index: int | None) -> int | None:
        """The new index of the file's material ``index``."""
        if index is None:
            return None
        if index not in self._numbers:
            raw = self._file.document.item("materials", index)
            self._uv_set = shown_uv_set(self._file.document, index)
            kept = self._with_textures(kept_json(raw.values, self._limits.max_depth))
            _drop_malformed(JsonObject(kept, raw.where), self._warnings)
            self._numbers[index] = len(self._materials)
            self._materials.append(kept)
        return self._numbers[index]

    def library(self) -> MaterialLibrary:
        """All that was asked for."""
        shelf = self._textures
        kept = [*self._materials, *shelf.textures, *shelf.samplers]
        return MaterialLibrary(
            tuple(self._materials),
            tuple(shelf.textures),
            tuple(shelf.samplers),
            tuple(shelf.images),
            tuple(sorted(_extension_names(kept))),
        )

    def _with_textures(self, value: Any) -> Any:
        """``value`` with texture indices renumbered and unusable textures taken out."""
        if not isinstance(value, dict):
            return value
        result: JsonDict = {}
        for key, below in value.items():
            if key == "extras":
                result[key] = below
            elif key.endswith("Texture") and isinstance(below, dict) and "index" in below:
                info = self._texture_info(below)
                if info is not None:
                    result[key] = info
            elif not key.endswith("Texture"):
                result[key] = self._with_textures(below)
        return result

    def _texture_info(self, info: JsonDict) -> JsonDict | None:
        if not self._has_uvs:
            self._warnings.add("The model has no texture coordinates; its textures were left out.")
            return None
        index = info["index"]
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            self._warnings.add("A texture's index is not a number; the texture was left out.")
            return None
        if _coordinate_set(info) != self._uv_set:
            self._warnings.add(
                "A texture uses another set of texture coordinates than the base colour; "
                "it was left out."
            )
            return None
        texture = self._textures.texture(index)
        if texture is None:
            return None
        # The set that was kept is the only one of the output, whatever its number was here.
        kept = {key: value for key, value in info.items() if key != "texCoord"}
        extensions = kept.get("extensions")
        transform = extensions.get(TRANSFORM) if isinstance(extensions, dict) else None
        if isinstance(extensions, dict) and isinstance(transform, dict):
            moved = {key: value for key, value in transform.items() if key != "texCoord"}
            kept["extensions"] = {**extensions, TRANSFORM: moved}
        return {**kept, "index": texture}


def shown_uv_set(document: JsonObject, material: int | None) -> int:
    """The set of texture coordinates that lays out a material's base colour, 0 without one."""
    if material is None:
        return 0
    surface = document.item("materials", material).values.get("pbrMetallicRoughness")
    info = surface.get("baseColorTexture") if isinstance(surface, dict) else None
    found = _coordinate_set(info) if isinstance(info, dict) else 0
    known = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < MAX_UV_SETS
    return found if known else 0


def _coordinate_set(info: JsonDict) -> Any:
    """The set that applies: that of the texture transform goes before the texture's own."""
    extensions = info.get("extensions")
    transform = extensions.get(TRANSFORM) if isinstance(extensions, dict) else None
    own = info.get("texCoord", 0)
    return transform.get("texCoord", own) if isinstance(transform, dict) else own


def _extension_names(value: Any) -> set[str]:
    names: set[str] = set()
    if isinstance(value, dict):
        extensions = value.get("extensions")
        names.update(extensions if isinstance(extensions, dict) else ())
        for key, below in value.items():
            if key != "extras":
                names |= _extension_names(below)
    elif isinstance(value, list):
        for below in value:
            names |= _extension_names(below)
    return names


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _are_shares(count: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, list) and len(value) == count and all(_is_share(v) for v in value)
    )


_RULES: dict[tuple[str, ...], Callable[[Any], bool]] = {
    ("name",): lambda value: isinstance(value, str),
    ("alphaMode",): lambda value: value in ("OPAQUE", "MASK", "BLEND"),
    ("alphaCutoff",): lambda value: _is_number(value) and value >= 0,
    ("doubleSided",): lambda value: isinstance(value, bool),
    ("emissiveFactor",): _are_shares(3),
    ("extensions",): lambda value: (
        isinstance(value, dict) and all(isinstance(v, dict) for v in value.values())
    ),
    ("pbrMetallicRoughness",): lambda value: isinstance(value, dict),
    ("pbrMetallicRoughness", "baseColorFactor"): _are_shares(4),
    ("pbrMetallicRoughness", "metallicFactor"): _is_share,
    ("pbrMetallicRoughness", "roughnessFactor"): _is_share,
    ("normalTexture", "scale"): _is_number,
    ("occlusionTexture", "strength"): _is_share,
}
"""Core properties of a material (glTF 2.0, section 5.19) and what they may be."""


def _drop_malformed(material: JsonObject, warnings: WarningLog) -> None:
    for path, is_valid in _RULES.items():
        holder = material.values
        for key in path[:-1]:
            holder = holder.get(key, {})
        if path[-1] in holder and not is_valid(holder[path[-1]]):
            del holder[path[-1]]
            warnings.add(f"{material.place('.'.join(path))} is not valid and was left out.")
