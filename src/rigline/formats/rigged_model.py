"""Rigged files as values: meshes at rest with their weights, bones, cages, attachments.

For checking and measuring avatars, our own and those of other tools.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from rigline.avatar.mesh import Floats, Ints
from rigline.errors import ContractViolation

_SCHEMA: Final = 1
_ARRAYS: Final = ("vertices", "faces", "influence_nodes", "weights", "uvs", "colours")


@dataclass(frozen=True, eq=False)
class RiggedNode:
    """A node at rest: its parent's index (-1 for none), place in the world, and own transform."""

    name: str
    parent: int
    world_from_node: Floats
    rotation: Floats
    scale: Floats


@dataclass(frozen=True, eq=False)
class RiggedMesh:
    """One primitive at rest, in the world: ``vertices (n, 3)``, ``faces (m, 3)``.

    ``influence_nodes`` and ``weights (n, k)`` name nodes of the file by index; a mesh without skin
    has one influence, its own node, of weight one. ``weights`` are as the file has them; where it
    has another number of them than of vertices, ``weight_rows`` says so, and rows are cut off or
    zero. ``uv_sets`` counts the sets of texture coordinates, of which ``uvs`` is the first;
    ``colours (n, 3 or 4)`` are the first vertex colours.
    """

    node: int
    mesh_name: str
    vertices: Floats
    faces: Ints
    influence_nodes: Ints
    weights: Floats
    uvs: Floats | None
    material: int | None
    weight_rows: int = 0
    uv_sets: int = 0
    colours: Floats | None = None


@dataclass(frozen=True)
class TextureUse:
    """An image as a material uses it."""

    role: str
    width: int
    height: int
    material: int = 0


@dataclass(frozen=True, eq=False)
class RiggedModel:
    """A whole file. ``joints`` are the nodes that any skin names, in order, each once;
    ``other_primitives`` counts what is drawn as lines or points. ``format`` is ``glb``, ``gltf``,
    ``fbx``, ``obj``, ``ply`` or ``stl``.

    Raises ``ContractViolation`` where indices and arrays do not belong together.
    """

    nodes: tuple[RiggedNode, ...]
    joints: tuple[int, ...]
    meshes: tuple[RiggedMesh, ...]
    opaque_materials: tuple[bool, ...]
    textures: tuple[TextureUse, ...]
    other_primitives: int = 0
    format: str = "glb"

    def __post_init__(self) -> None:
        count = len(self.nodes)
        fits = (
            _is_forest([node.parent for node in self.nodes])
            and all(0 <= joint < count for joint in self.joints)
            and all(_fits(mesh, count) for mesh in self.meshes)
        )
        if not fits:
            raise ContractViolation("The parts of a rigged model do not belong together.")

    def ancestors(self, node: int) -> Iterator[int]:
        """The node, its parent, and so on up to a root."""
        while node >= 0:
            yield node
            node = self.nodes[node].parent

    def to_bytes(self) -> bytes:
        """The model as one safetensors file; equal models give equal bytes."""
        tensors: dict[str, npt.NDArray[Any]] = {}
        for k, mesh in enumerate(self.meshes):
            arrays = {name: getattr(mesh, name) for name in _ARRAYS}
            tensors |= {f"mesh_{k:05d}_{n}": a for n, a in arrays.items() if a is not None}
        tensors["node_places"] = _stack([n.world_from_node for n in self.nodes], (4, 4))
        tensors["node_rotations"] = _stack([n.rotation for n in self.nodes], (4,))
        tensors["node_scales"] = _stack([n.scale for n in self.nodes], (3,))
        text = json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        tensors["document"] = np.frombuffer(text.encode("ascii"), np.uint8)
        return save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})

    @classmethod
    def from_bytes(cls, data: bytes) -> RiggedModel:
        """The model that ``to_bytes`` wrote; ``ContractViolation`` when it did not."""
        try:
            tensors = load(data)
            plain = json.loads(tensors["document"].tobytes())
            if plain["schema_version"] != _SCHEMA:
                raise ContractViolation("The stored rigged model has an unknown schema.")
            places, rotations, scales = (
                tensors[f"node_{name}"] for name in ("places", "rotations", "scales")
            )
            nodes = tuple(
                RiggedNode(name, parent, places[k], rotations[k], scales[k])
                for k, (name, parent) in enumerate(plain["nodes"])
            )
            meshes = tuple(
                _mesh_of(said, {n: tensors.get(f"mesh_{k:05d}_{n}") for n in _ARRAYS})
                for k, said in enumerate(plain["meshes"])
            )
            textures = tuple(TextureUse(**use) for use in plain["textures"])
            return cls(
                nodes, tuple(plain["joints"]), meshes, tuple(plain["opaque_materials"]), textures,
                plain["other_primitives"], plain["format"],
            )  # fmt: skip
        except ContractViolation:
            raise
        except Exception as error:  # safetensors has an error type of its own for each fault
            raise ContractViolation(
                "The bytes are not a stored rigged model.", cause=f"{type(error).__name__}: {error}"
            ) from error


def _plain(model: RiggedModel) -> dict[str, Any]:
    said = [field.name for field in fields(RiggedMesh) if field.name not in _ARRAYS]
    return {
        "schema_version": _SCHEMA,
        "nodes": [(node.name, node.parent) for node in model.nodes],
        "joints": model.joints,
        "meshes": [{name: getattr(mesh, name) for name in said} for mesh in model.meshes],
        "opaque_materials": model.opaque_materials,
        "textures": [vars(use) for use in model.textures],
        "other_primitives": model.other_primitives,
        "format": model.format,
    }


def _mesh_of(said: dict[str, Any], arrays: dict[str, Any]) -> RiggedMesh:
    return RiggedMesh(**said, **arrays)


def _stack(rows: list[Floats], shape: tuple[int, ...]) -> Floats:
    return np.stack(rows).astype(np.float64) if rows else np.zeros((0, *shape))


def _is_forest(parents: list[int]) -> bool:
    """Whether every node leads up to a root."""
    count = len(parents)
    if not all(-1 <= parent < count for parent in parents):
        return False
    above = np.array([*parents, -1])  # the last stands for what is above a root: itself
    for _ in range(count.bit_length()):
        above = above[above]
    return bool((above == -1).all())


def _fits(mesh: RiggedMesh, nodes: int) -> bool:
    count = len(mesh.vertices)
    rows = [mesh.influence_nodes, mesh.weights, mesh.uvs, mesh.colours]
    influences = mesh.influence_nodes
    return (
        0 <= mesh.node < nodes
        and mesh.vertices.shape == (count, 3)
        and mesh.faces.ndim == 2
        and mesh.faces.shape[1] == 3
        and influences.shape == mesh.weights.shape
        and all(len(array) == count for array in rows if array is not None)
        and (not mesh.faces.size or bool(0 <= mesh.faces.min() <= mesh.faces.max() < count))
        and (not influences.size or bool(0 <= influences.min() <= influences.max() < nodes))
    )
