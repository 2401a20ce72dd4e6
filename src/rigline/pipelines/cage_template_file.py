"""The user's own cage template: from its file, and as the artifact that a job's parameters name."""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.cage_template import CAGE_NAMES
from rigline.avatar.cage_transfer import CageMeshes
from rigline.engine.codec import array_codec
from rigline.errors import InvalidInput
from rigline.formats.isolation import Isolation, open_rigged
from rigline.formats.limits import Limits
from rigline.formats.rigged_model import RiggedMesh, RiggedModel

TEMPLATE_CODEC: Final = array_codec("cage_template.safetensors", CageMeshes)
"""How a template lies in the artifact store: what a worker elsewhere needs, and nothing else."""


def read_template(
    data: bytes, name: str = "", limits: Limits | None = None, isolation: Isolation | None = None
) -> CageMeshes:
    """The fifteen ``<Part>_OuterCage`` of a GLB, glTF, OBJ or FBX file, whatever else is in it.

    With ``isolation`` it is read in a process of its own. Raises ``InvalidInput`` for a file that
    cannot be read, that lacks one of them or has it twice, or where one has no UVs.
    """
    return template_of(open_rigged(data, name, limits, isolation))


def template_of(model: RiggedModel) -> CageMeshes:
    """The template among the meshes of a file; see :func:`read_template`."""
    vertices, faces, uvs, part, start = [], [], [], [], 0
    for number, name in enumerate(CAGE_NAMES):
        found = [mesh for mesh in model.meshes if name in _names(model, mesh)]
        if len(found) != 1:
            raise InvalidInput(
                f"The cage template has {name} {len(found)} times.",
                remedy="It needs each of the fifteen <Part>_OuterCage once, with one material.",
            )
        (mesh,) = found
        if mesh.uvs is None or not np.isfinite(mesh.uvs).all():
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
