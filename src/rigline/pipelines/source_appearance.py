"""Between what a file says of its looks and what is painted: materials decoded, atlases kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import vertex_normals
from rigline.formats import SourceModel
from rigline.formats.parted_glb import AtlasImages
from rigline.render.source_look import (
    DEFAULT_MATERIAL,
    SourceLook,
    SurfaceMaterial,
    Texture,
    decoded,
    material_of,
)

DETAIL_SHARE: Final = 4
"""Normal, metalness and roughness maps are so many times narrower, as validation asks."""

REPEAT: Final = 10497

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Atlas:
    """``uvs (F, 3, 2)`` float32 of the corners, and three images as PNG, uint8 ``(n,)`` each."""

    uvs: npt.NDArray[np.float32]
    base_color: Bytes
    metallic_roughness: Bytes
    normal: Bytes

    @property
    def images(self) -> AtlasImages:
        """The images as a file takes them."""
        return AtlasImages(
            self.base_color.tobytes(), self.metallic_roughness.tobytes(), self.normal.tobytes()
        )


def look_of(source: SourceModel, mesh: CanonicalMesh) -> tuple[SourceLook, list[str]]:
    """How a source looks, in the canonical frame, and sentences on what could not be used."""
    textures, warnings = _textures(source)
    materials = [material_of(m, textures) for m in source.materials.materials]
    count = len(mesh.vertices)
    turn = mesh.canonical_from_asset[:3, :3] * mesh.height_asset
    if source.normals is None:
        normals = vertex_normals(mesh.vertices, mesh.faces)
    else:
        normals = source.normals.astype(np.float64) @ turn.T
    uvs = np.zeros((count, 2)) if source.uvs is None else source.uvs.astype(np.float64)
    colors = np.ones((count, 4)) if source.colors is None else source.colors.astype(np.float64)
    material = np.zeros(len(mesh.faces), np.int64)
    for primitive in source.primitives:
        number = len(materials) if primitive.material is None else primitive.material
        material[primitive.face_start : primitive.face_stop] = number
    every: tuple[SurfaceMaterial, ...] = (*materials, DEFAULT_MATERIAL)
    look = SourceLook(mesh.vertices, normals, mesh.faces, uvs, colors, material, every)
    return look, warnings


def _textures(source: SourceModel) -> tuple[dict[int, Texture], list[str]]:
    """The textures whose image can be decoded, by number."""
    library, found, warnings = source.materials, {}, []
    for number, texture in enumerate(library.textures):
        places = [texture, *texture.get("extensions", {}).values()]
        images = [place["source"] for place in places if isinstance(place.get("source"), int)]
        if not images:
            continue
        sampler = library.samplers[texture["sampler"]] if "sampler" in texture else {}
        wrap = (sampler.get("wrapS", REPEAT), sampler.get("wrapT", REPEAT))
        image = library.images[images[0]]
        try:
            found[number] = Texture(decoded(image.data), wrap)
        except (OSError, ValueError, SyntaxError):
            name = image.name or f"image {images[0]}"
            warnings.append(f"The texture {name} ({image.mime_type}) could not be decoded.")
    return found, warnings
