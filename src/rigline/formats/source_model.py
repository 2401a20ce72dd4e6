"""A model as it came in: one merged mesh, with what is needed to draw it again as before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from rigline.avatar.mesh import TriangleMesh
from rigline.errors import ContractViolation
from rigline.formats.source_rig import SourceRig

Float32s = npt.NDArray[np.float32]
JsonDict = dict[str, Any]

_SCHEMA = 2


@dataclass(frozen=True)
class Image:
    """An encoded image, byte for byte as the file held it."""

    data: bytes
    mime_type: str
    name: str = ""


@dataclass(frozen=True)
class MaterialLibrary:
    """Materials in glTF 2.0's own JSON, with the textures, samplers and images that they use.

    Indices inside the JSON refer to these tuples. Extensions are kept as they are and named in
    ``extensions_used``.
    """

    materials: tuple[JsonDict, ...] = ()
    textures: tuple[JsonDict, ...] = ()
    samplers: tuple[JsonDict, ...] = ()
    images: tuple[Image, ...] = ()
    extensions_used: tuple[str, ...] = ()


@dataclass(frozen=True)
class Primitive:
    """A contiguous range of the merged mesh that one material covers.

    Its triangles ``faces[face_start:face_stop]`` use only ``vertices[vertex_start:vertex_stop]``.
    ``material`` indexes ``MaterialLibrary.materials``; None is the viewer's default material.
    """

    name: str
    material: int | None
    vertex_start: int
    vertex_stop: int
    face_start: int
    face_stop: int


@dataclass(frozen=True, eq=False)
class SourceModel:
    """A mesh of N vertices in the asset's own frame and units, and how it looks.

    ``normals (N, 3)``, ``uvs (N, 2)`` and ``colors (N, 4)`` are float32 or None when no primitive
    had them; where only some had them, the rest is filled (area-weighted normals, UV 0, white).
    UVs follow glTF: the origin is the image's upper left corner. Of several sets of texture
    coordinates only the first, ``TEXCOORD_0``, is kept. ``primitives`` cover all vertices and
    triangles in order. ``format`` is ``glb``, ``gltf``, ``obj``, ``ply`` or
    ``stl``; ``declared_up`` is ``"Y"`` where
    the format promises it, else ``""``, and ``declared_front`` the axis that it says bodies face.
    ``rig`` is the file's own, in the order of the merged vertices. ``warnings`` say what was left
    out.

    Raises ``ContractViolation`` when the arrays and ranges do not fit together.
    """

    mesh: TriangleMesh
    normals: Float32s | None
    uvs: Float32s | None
    colors: Float32s | None
    primitives: tuple[Primitive, ...]
    materials: MaterialLibrary
    format: str
    declared_up: str
    warnings: tuple[str, ...] = ()
    rig: SourceRig | None = None
    declared_front: str = ""

    def __post_init__(self) -> None:
        count = len(self.mesh.vertices)
        for name, width in (("normals", 3), ("uvs", 2), ("colors", 4)):
            array = getattr(self, name)
            if array is None:
                continue
            array = np.ascontiguousarray(array, dtype=np.float32)
            if array.shape != (count, width):
                raise ContractViolation(
                    f"The {name} do not fit the vertices.", shape=array.shape, count=count
                )
            object.__setattr__(self, name, array)
        _check_ranges(self.mesh, self.primitives, len(self.materials.materials))
        if self.rig is not None and len(self.rig.weights) != count:
            raise ContractViolation("The weights do not fit the vertices.", count=count)

    def to_bytes(self) -> bytes:
        """The model as one safetensors file; equal models give equal bytes."""
        tensors: dict[str, npt.NDArray[Any]] = {
            "vertices": self.mesh.vertices,
            "faces": self.mesh.faces,
        }
        for name in ("normals", "uvs", "colors"):
            if getattr(self, name) is not None:
                tensors[name] = getattr(self, name)
        if self.rig is not None:
            tensors |= self.rig.tensors()
        for index, image in enumerate(self.materials.images):
            tensors[f"image_{index:04d}"] = np.frombuffer(image.data, np.uint8)
        # The JSON travels as a tensor because safetensors does not order its own metadata.
        text = json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        tensors["document"] = np.frombuffer(text.encode("ascii"), np.uint8)
        return save(dict(sorted(tensors.items())))

    @classmethod
    def from_bytes(cls, data: bytes) -> SourceModel:
        """The model that ``to_bytes`` wrote; ``ContractViolation`` when it did not."""
        try:
            tensors = load(data)
            plain = json.loads(tensors["document"].tobytes())
            if plain["schema_version"] != _SCHEMA:
                raise ContractViolation(
                    "The stored model has an unknown schema.", found=plain["schema_version"]
                )
            images = tuple(
                Image(tensors[f"image_{index:04d}"].tobytes(), entry["mime_type"], entry["name"])
                for index, entry in enumerate(plain["images"])
            )
            library = MaterialLibrary(
                tuple(plain["materials"]),
                tuple(plain["textures"]),
                tuple(plain["samplers"]),
                images,
                tuple(plain["extensions_used"]),
            )
            return cls(
                TriangleMesh(tensors["vertices"], tensors["faces"]),
                tensors.get("normals"),
                tensors.get("uvs"),
                tensors.get("colors"),
                tuple(Primitive(**entry) for entry in plain["primitives"]),
                library,
                plain["format"],
                plain["declared_up"],
                tuple(plain["warnings"]),
                None if plain["rig"] is None else SourceRig.from_parts(plain["rig"], tensors),
                plain["declared_front"],
            )
        except ContractViolation:
            raise
        except Exception as error:  # safetensors has an error type of its own for each fault
            raise ContractViolation(
                "The bytes are not a stored model.", cause=f"{type(error).__name__}: {error}"
            ) from error


def _plain(model: SourceModel) -> JsonDict:
    library = model.materials
    return {
        "schema_version": _SCHEMA,
        "format": model.format,
        "declared_up": model.declared_up,
        "declared_front": model.declared_front,
        "rig": None if model.rig is None else model.rig.plain(),
        "warnings": model.warnings,
        "primitives": [vars(primitive) for primitive in model.primitives],
        "materials": library.materials,
        "textures": library.textures,
        "samplers": library.samplers,
        "images": [{"mime_type": image.mime_type, "name": image.name} for image in library.images],
        "extensions_used": library.extensions_used,
    }


def _check_ranges(mesh: TriangleMesh, primitives: tuple[Primitive, ...], n_materials: int) -> None:
    vertex = face = 0
    for primitive in primitives:
        starts_where_the_last_stops = (primitive.vertex_start, primitive.face_start) == (
            vertex,
            face,
        )
        vertex, face = primitive.vertex_stop, primitive.face_stop
        faces = mesh.faces[primitive.face_start : face]
        inside = len(faces) > 0 and faces.min() >= primitive.vertex_start and faces.max() < vertex
        known = primitive.material is None or 0 <= primitive.material < n_materials
        if not (starts_where_the_last_stops and inside and known):
            raise ContractViolation("A primitive does not fit the mesh.", primitive=vars(primitive))
    if (vertex, face) != (len(mesh.vertices), len(mesh.faces)):
        raise ContractViolation("The primitives do not cover the mesh.", covered=(vertex, face))
