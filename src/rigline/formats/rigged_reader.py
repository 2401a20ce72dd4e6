"""The one way in for rigged files: bytes of any format that is read to a ``RiggedModel``."""

from __future__ import annotations

import numpy as np

from rigline.formats.fbx import SIGNATURES
from rigline.formats.gltf_container import GLB_MAGIC
from rigline.formats.limits import Limits
from rigline.formats.model_reader import check_size, read_model
from rigline.formats.rigged_fbx import read_rigged_fbx
from rigline.formats.rigged_glb import read_rigged
from rigline.formats.rigged_model import RiggedMesh, RiggedModel, RiggedNode
from rigline.formats.source_model import Primitive, SourceModel


def read_rigged_file(data: bytes, name: str = "", limits: Limits | None = None) -> RiggedModel:
    """The rigged model in ``data``, whose content decides the format; ``name`` serves messages.

    GLB (VRM too), glTF JSON with embedded buffers and FBX come with nodes, bones and weights; OBJ,
    PLY and STL, which have none, as meshes that are named and nothing else. Deterministic.

    Raises ``InvalidInput``, and nothing else, for whatever cannot be used.
    """
    limits = limits or Limits()
    check_size(data, name, limits)
    if data.startswith(GLB_MAGIC) or data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return read_rigged(data, limits)
    if data.startswith(SIGNATURES):
        return read_rigged_fbx(data, limits)
    return bare_model(read_model(data, name, limits))


def bare_model(source: SourceModel) -> RiggedModel:
    """Meshes without bones: a node for each name, a mesh for each primitive.

    Vertices that differ in their normals alone become one.
    """
    number = {name: k for k, name in enumerate(dict.fromkeys(p.name for p in source.primitives))}
    nodes = tuple(
        RiggedNode(name, -1, np.eye(4), np.array([0.0, 0.0, 0.0, 1.0]), np.ones(3))
        for name in number
    )
    meshes = tuple(_bare_mesh(source, p, number[p.name]) for p in source.primitives)
    return RiggedModel(nodes, (), meshes, (), (), format=source.format)


def _bare_mesh(source: SourceModel, primitive: Primitive, node: int) -> RiggedMesh:
    own = slice(primitive.vertex_start, primitive.vertex_stop)
    layers = {"vertices": source.mesh.vertices[own]}
    for name, array in (("uvs", source.uvs), ("colours", source.colors)):
        if array is not None:
            layers[name] = array[own].astype(np.float64)
    rows = np.concatenate(list(layers.values()), axis=1)
    _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    kept = first[order]
    faces = source.mesh.faces[primitive.face_start : primitive.face_stop] - primitive.vertex_start
    layers = {name: array[kept] for name, array in layers.items()}
    count = len(kept)
    return RiggedMesh(
        node, primitive.name, layers["vertices"], rank[number.reshape(-1)][faces],
        np.full((count, 1), node), np.ones((count, 1)), layers.get("uvs"), None, count,
        int("uvs" in layers), layers.get("colours"),
    )  # fmt: skip
