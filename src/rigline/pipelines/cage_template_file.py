"""The user's own cage template: from its file, and as the text that a stage's parameter holds."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from rigline.avatar.cage_template import CAGE_NAMES
from rigline.avatar.cage_transfer import CageMeshes
from rigline.errors import InvalidInput
from rigline.formats.rigged_glb import RiggedMesh, RiggedModel, read_rigged


def read_template(data: bytes) -> CageMeshes:
    """The fifteen ``<Part>_OuterCage`` of a GLB file, whatever else is in it.

    Raises ``InvalidInput`` for a file that cannot be read, that lacks one of them or has it twice,
    or where one has no UVs.
    """
    model = read_rigged(data)
    vertices, faces, uvs, part, start = [], [], [], [], 0
    for number, name in enumerate(CAGE_NAMES):
        found = [mesh for mesh in model.meshes if name in _names(model, mesh)]
        if len(found) != 1:
            raise InvalidInput(
                f"The cage template has {name} {len(found)} times.",
                remedy="It needs each of the fifteen <Part>_OuterCage once, as one primitive.",
            )
        (mesh,) = found
        if mesh.uvs is None:
            raise InvalidInput(f"{name} of the cage template has no UVs.")
        vertices.append(mesh.vertices)
        faces.append(mesh.faces + start)
        uvs.append(mesh.uvs)
        part.append(np.full(len(mesh.vertices), number))
        start += len(mesh.vertices)
    return CageMeshes(
        np.concatenate(vertices), np.concatenate(faces), np.concatenate(uvs), np.concatenate(part)
    )


def _names(model: RiggedModel, mesh: RiggedMesh) -> tuple[str, str]:
    return model.nodes[mesh.node].name, mesh.mesh_name


def template_text(template: CageMeshes) -> str:
    """A template as text: part of a stage's key, and all that a worker elsewhere needs."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "vertices": template.vertices.astype(np.float32),
        "faces": template.faces.astype(np.int32),
        "uvs": template.uvs.astype(np.float32),
        "part": template.part.astype(np.uint8),
    }
    return base64.b64encode(zlib.compress(save(arrays), 9)).decode("ascii")


def template_from_text(text: str) -> CageMeshes:
    """The template that ``template_text`` wrote."""
    arrays = load(zlib.decompress(base64.b64decode(text)))
    return CageMeshes(
        arrays["vertices"].astype(np.float64), arrays["faces"].astype(np.int64),
        arrays["uvs"].astype(np.float64), arrays["part"].astype(np.int64),
    )  # fmt: skip
