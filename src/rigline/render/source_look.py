"""How the surface of a source looks at any of its points: colour, metalness, roughness, normal."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from rigline.avatar.mesh import Floats, Ints

Pixels = npt.NDArray[np.uint8]
CLAMP: Final = 33071
MIRROR: Final = 33648


@dataclass(frozen=True, eq=False)
class Texture:
    """Decoded ``pixels (h, w, 4)``, how they repeat along U and V, and ``uv_from_uv (3, 2)``, the
    affine transform of texture coordinates (rows: U, V, offset)."""

    pixels: Pixels
    wrap: tuple[int, int] = (10497, 10497)
    uv_from_uv: Floats = field(default_factory=lambda: np.array([[1.0, 0], [0, 1], [0, 0]]))

    def moved(self, uv: Floats) -> Floats:
        """Texture coordinates ``(q, 2)`` after the texture's own transform."""
        return np.asarray(uv @ self.uv_from_uv[:2] + self.uv_from_uv[2])

    def at(self, uv: Floats) -> Floats:
        """``(q, 4)`` values in [0, 1] at texture coordinates ``(q, 2)``, bilinear."""
        height, width = self.pixels.shape[:2]
        moved = self.moved(uv)
        x, y = moved[:, 0] * width - 0.5, moved[:, 1] * height - 0.5
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        right_share, low_share = (x - left)[:, None], (y - top)[:, None]
        x0, x1 = (_wrapped(left + k, width, self.wrap[0]) for k in (0, 1))
        y0, y1 = (_wrapped(top + k, height, self.wrap[1]) for k in (0, 1))
        upper = self.pixels[y0, x0] * (1 - right_share) + self.pixels[y0, x1] * right_share
        lower = self.pixels[y1, x0] * (1 - right_share) + self.pixels[y1, x1] * right_share
        return np.asarray((upper * (1 - low_share) + lower * low_share) / 255.0)


def _wrapped(index: Ints, size: int, mode: int) -> Ints:
    if mode == CLAMP:
        return np.clip(index, 0, size - 1)
    if mode == MIRROR:
        period = index % (2 * size)
        return np.where(period < size, period, 2 * size - 1 - period)
    return np.asarray(index % size)


@dataclass(frozen=True, eq=False)
class SurfaceMaterial:
    """A metallic-roughness material of glTF 2.0; ``base_color (4,)`` is linear."""

    base_color: Floats = field(default_factory=lambda: np.ones(4))
    metallic: float = 1.0
    roughness: float = 1.0
    base_texture: Texture | None = None
    metallic_roughness_texture: Texture | None = None
    normal_texture: Texture | None = None
    normal_scale: float = 1.0


DEFAULT_MATERIAL: Final = SurfaceMaterial(metallic=0.0, roughness=0.8)
"""What a model without materials is painted with: a matt white."""


@dataclass(frozen=True, eq=False)
class SourceLook:
    """A mesh and its looks: ``vertices, normals (N, 3)`` in one frame, ``faces (M, 3)``, ``uvs
    (N, 2)``, ``colors (N, 4)`` linear, ``material (M,)`` indices into ``materials``."""

    vertices: Floats
    normals: Floats
    faces: Ints
    uvs: Floats
    colors: Floats
    material: Ints
    materials: tuple[SurfaceMaterial, ...]

    def base_color(self, face: Ints, share: Floats) -> Floats:
        """``(q, 3)`` sRGB colours in [0, 1] at the points ``share (q, 3)`` of triangles."""
        tint = self._mixed(self.colors, face, share)[:, :3]
        uv = self._mixed(self.uvs, face, share)
        out = np.ones((len(face), 3))
        for number, rows in self._by_material(face):
            material = self.materials[number]
            linear = material.base_color[:3] * tint[rows]
            if material.base_texture is not None:
                seen = material.base_texture.at(uv[rows])[:, :3]
                plain = (np.abs(linear - 1) < 1e-6).all()
                out[rows] = seen if plain else srgb(linear * linear_of(seen))
            else:
                out[rows] = srgb(linear)
        return out

    def metallic_roughness(self, face: Ints, share: Floats) -> Floats:
        """``(q, 2)`` metalness and roughness in [0, 1]."""
        uv = self._mixed(self.uvs, face, share)
        out = np.zeros((len(face), 2))
        for number, rows in self._by_material(face):
            material = self.materials[number]
            out[rows] = material.metallic, material.roughness
            if material.metallic_roughness_texture is not None:
                out[rows] *= material.metallic_roughness_texture.at(uv[rows])[:, [2, 1]]
        return out

    def shading_normal(self, face: Ints, share: Floats) -> Floats:
        """``(q, 3)`` unit normals, normal maps included."""
        normal = _unit(self._mixed(self.normals, face, share))
        uv = self._mixed(self.uvs, face, share)
        for number, rows in self._by_material(face):
            material = self.materials[number]
            if material.normal_texture is None:
                continue
            local = 2 * material.normal_texture.at(uv[rows])[:, :3] - 1
            local[:, :2] *= material.normal_scale
            tangent, bitangent = self._tangents(face[rows], normal[rows], material.normal_texture)
            normal[rows] = _unit(
                local[:, :1] * tangent + local[:, 1:2] * bitangent + local[:, 2:] * normal[rows]
            )
        return normal

    def _tangents(self, face: Ints, normal: Floats, texture: Texture) -> tuple[Floats, Floats]:
        """Directions of growing U and, upwards in the image, of falling V, across the normal, as
        the texture lies after its own transform."""
        corner, uv = self.vertices[self.faces[face]], texture.moved(self.uvs[self.faces[face]])
        (one, other), (du, dv) = (
            (corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]),
            (uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]),
        )
        turn = np.sign(du[:, :1] * dv[:, 1:] - du[:, 1:] * dv[:, :1])
        tangent = turn * (dv[:, 1:] * one - du[:, 1:] * other)
        tangent = _unit(tangent - (tangent * normal).sum(axis=1, keepdims=True) * normal)
        return tangent, -turn * np.cross(normal, tangent)

    def _mixed(self, values: Floats, face: Ints, share: Floats) -> Floats:
        corners = self.faces[face]
        return np.asarray(sum(share[:, k, None] * values[corners[:, k]] for k in range(3)))

    def _by_material(self, face: Ints) -> list[tuple[int, Ints]]:
        used = self.material[face]
        return [(int(k), np.flatnonzero(used == k)) for k in np.unique(used)]


def decoded(data: bytes) -> Pixels:
    """The pixels ``(h, w, 4)`` of an encoded image; ``OSError``, ``ValueError`` when it has none.

    Bounded by whoever read the file: its header was checked before it came here.
    """
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"), np.uint8)


def material_of(material: Mapping[str, Any], texture: Mapping[int, Texture]) -> SurfaceMaterial:
    """A material of glTF 2.0 from its JSON; ``texture`` has those that could be decoded."""
    pbr = material.get("pbrMetallicRoughness", {})
    normal = material.get("normalTexture", {})
    return SurfaceMaterial(
        np.array(pbr.get("baseColorFactor", [1.0, 1.0, 1.0, 1.0]), np.float64),
        0.0 if "KHR_materials_unlit" in material.get("extensions", {}) else
        float(pbr.get("metallicFactor", 1.0)),
        float(pbr.get("roughnessFactor", 1.0)),
        _texture(pbr.get("baseColorTexture"), texture),
        _texture(pbr.get("metallicRoughnessTexture"), texture),
        _texture(normal, texture),
        float(normal.get("scale", 1.0)),
    )  # fmt: skip


def _texture(use: Mapping[str, Any] | None, known: Mapping[int, Texture]) -> Texture | None:
    """The texture that a material uses, with the transform of ``KHR_texture_transform``."""
    found = known.get(use.get("index", -1)) if use else None
    if use is None or found is None:
        return None
    transform = use.get("extensions", {}).get("KHR_texture_transform")
    if not isinstance(transform, dict):
        return found
    angle = float(transform.get("rotation", 0.0))
    sx, sy = transform.get("scale", [1.0, 1.0])
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c * sx, -s * sx], [s * sy, c * sy], transform.get("offset", [0.0, 0.0])])
    return Texture(found.pixels, found.wrap, matrix)


def srgb(linear: Floats) -> Floats:
    """sRGB values of linear ones, both in [0, 1] (IEC 61966-2-1)."""
    kept = np.clip(linear, 0, 1)
    return np.where(kept <= 0.0031308, 12.92 * kept, 1.055 * kept ** (1 / 2.4) - 0.055)


def linear_of(value: Floats) -> Floats:
    """Linear values of sRGB ones, both in [0, 1]."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])
