"""A rigged file as the checks see it: which meshes are body, which cages, which nodes bones."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.attachments import SITES, AttachmentPoint, quaternion
from rigline.avatar.cage_template import CAGE_NAMES, template
from rigline.avatar.cage_transfer import CageMeshes
from rigline.avatar.marketplace.schema import SCHEMA
from rigline.avatar.marketplace.subject import AvatarUnderTest, CageUnderTest, ImageUnderTest
from rigline.avatar.mesh import Floats, Ints
from rigline.errors import InvalidInput
from rigline.evaluation.rigs import part_of_name, rig_of
from rigline.formats.rigged_model import RiggedMesh, RiggedModel

OUTER_CAGE: Final = "_OuterCage"
NOT_BODY: Final = (OUTER_CAGE, "_InnerCage", "_Att")
SITE_NAMES: Final = frozenset(site.name for site in SITES)
UV_TOLERANCE: Final = 1e-4


def avatar_under_test(
    model: RiggedModel,
    studs_per_unit: float | None = None,
    height_studs: float = 5.0,
    cage_template: CageMeshes | None = None,
) -> AvatarUnderTest:
    """The avatar in a file, whoever wrote it.

    Lengths count ``studs_per_unit``; without it the body counts as ``height_studs`` tall.
    ``cage_template`` is the official template, if it is at hand. Meshes and nodes are told
    apart by their names, as the specification gives them. Raises ``InvalidInput`` for a file
    without a body.
    """
    body = tuple(m for m in model.meshes if not _is_extra(_name(model, m)))
    if not body:
        raise InvalidInput("The file holds no mesh of a body.", remedy="Export it with its meshes.")
    bones = _bones(model)
    bone_of_node = {node: bone for bone, node in enumerate(bones)}
    vertices, faces = _joined(body)
    if not len(faces):
        raise InvalidInput("The body has no triangles.", remedy="Export it with its faces.")
    height = max(float(np.ptp(vertices[:, 1])), 1e-12)
    nodes = [model.nodes[k] for k in bones]
    own = list(dict.fromkeys(m.node for m in body))
    used = {m.material for m in body if m.material is not None}
    weight_joints, weights = _influences(body, bone_of_node)
    cages = _cages(model)
    return AvatarUnderTest(
        vertices=vertices,
        faces=faces,
        part=rig_of(replace(model, meshes=body)).part,
        joint_names=tuple(node.name for node in nodes),
        joint_parents=tuple(_bone_above(model, k, bone_of_node) for k in bones),
        joint_positions=_stack([node.world_from_node[:3, 3] for node in nodes], 3),
        weight_joints=weight_joints,
        weights=weights,
        cages=cages,
        attachments=_attachments(model),
        studs_per_unit=studs_per_unit or height_studs / height,
        cage_template_conformant=_keeps_template(cages, cage_template),
        joint_rotations=_stack([node.rotation for node in nodes], 4),
        joint_scales=_stack([node.scale for node in nodes], 3),
        uvs=_rows([m.uvs for m in body]),
        uv_sets=max(m.uv_sets for m in body),
        vertex_colours=_rows([None if m.colours is None else m.colours[:, :3] for m in body]),
        opaque=all(model.opaque_materials[k] for k in used if k < len(model.opaque_materials)),
        images=tuple(
            ImageUnderTest(t.role, t.width, t.height) for t in model.textures if t.material in used
        ),
        partitioned=len({part_of_name(_node_name(model, k)) for k in own} - {None}) > 1,
        mesh_names=tuple(_node_name(model, k) for k in own),
        mesh_turns=np.stack([model.nodes[k].world_from_node[:3, :3] for k in own]),
        weight_rows=sum(m.weight_rows for m in body),
        other_faces=model.other_primitives,
    )


def _name(model: RiggedModel, mesh: RiggedMesh) -> str:
    return model.nodes[mesh.node].name or mesh.mesh_name


def _node_name(model: RiggedModel, node: int) -> str:
    names = [m.mesh_name for m in model.meshes if m.node == node]
    return model.nodes[node].name or names[0]


def _is_extra(name: str) -> bool:
    return any(mark in name for mark in NOT_BODY)


def _bones(model: RiggedModel) -> list[int]:
    """Joints of the skins, and the nodes that the schema names; a mesh or attachment is none."""
    drawn = {mesh.node for mesh in model.meshes}
    named = [k for k, node in enumerate(model.nodes) if node.name in SCHEMA and k not in drawn]
    weighted = {int(k) for mesh in model.meshes for k in np.unique(mesh.influence_nodes)} - drawn
    joints = [k for k in model.joints if model.nodes[k].name not in SITE_NAMES or k in weighted]
    return sorted({*joints, *named})


def _bone_above(model: RiggedModel, node: int, bone_of_node: dict[int, int]) -> int:
    above = (k for k in model.ancestors(model.nodes[node].parent) if k in bone_of_node)
    return bone_of_node.get(next(above, -1), -1)


def _influences(body: tuple[RiggedMesh, ...], bone_of_node: dict[int, int]) -> tuple[Ints, Floats]:
    """Bones and weights of all vertices; influences of nodes that are no bones count nothing."""
    width = max(m.weights.shape[1] for m in body)
    joints, weights = [], []
    for mesh in body:
        nodes, inverse = np.unique(mesh.influence_nodes, return_inverse=True)
        bones = np.array([bone_of_node.get(int(node), -1) for node in nodes], np.int64)
        found = bones[inverse.reshape(mesh.influence_nodes.shape)]
        spare = ((0, 0), (0, width - found.shape[1]))
        joints.append(np.pad(np.maximum(found, 0), spare))
        weights.append(np.pad(np.where(found >= 0, mesh.weights, 0.0), spare))
    return np.concatenate(joints), np.concatenate(weights)


def _joined(meshes: tuple[RiggedMesh, ...]) -> tuple[Floats, Ints]:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + start for m, start in zip(meshes, starts[:-1], strict=True)]
    return np.concatenate([m.vertices for m in meshes]), np.concatenate(faces)


def _rows(arrays: list[Floats | None]) -> Floats | None:
    there = [array for array in arrays if array is not None]
    return np.concatenate(there) if there else None


def _stack(rows: list[Floats], width: int) -> Floats:
    return np.stack(rows) if rows else np.zeros((0, width))


def _cages(model: RiggedModel) -> tuple[CageUnderTest, ...]:
    return tuple(
        CageUnderTest(
            name, m.vertices, m.faces, np.zeros((len(m.vertices), 2)) if m.uvs is None else m.uvs
        )
        for m in model.meshes
        if OUTER_CAGE in (name := _name(model, m))
    )


def _keeps_template(cages: tuple[CageUnderTest, ...], official: CageMeshes | None) -> bool | None:
    """Whether cages have all vertices and UVs of the official template; None where nobody knows."""
    found = {cage.name: cage.uvs for cage in cages}
    if official is not None:
        wanted = {n: official.uvs[official.part == part] for part, n in enumerate(CAGE_NAMES)}
        kept = [_has_uvs(found[name], uvs) for name, uvs in wanted.items() if name in found]
        return all(kept) if kept else None
    ours = template()
    own = {name: ours.uvs[ours.vertex_slices[part]] for part, name in enumerate(CAGE_NAMES)}
    same = [_has_uvs(found[name], own[name]) for name in CAGE_NAMES if name in found]
    return False if same and all(same) else None


def _has_uvs(found: Floats, wanted: Floats) -> bool:
    if len(found) < len(wanted) or not np.isfinite(found).all():
        return False
    distance, _ = cKDTree(found).query(wanted)
    return bool((np.asarray(distance) <= UV_TOLERANCE).all())


def _attachments(model: RiggedModel) -> tuple[AttachmentPoint, ...]:
    found = []
    for k, node in enumerate(model.nodes):
        if node.name.endswith("_Att"):
            above = (part_of_name(model.nodes[n].name) for n in model.ancestors(k))
            part = next((p for p in above if p is not None), None)
            found.append(
                AttachmentPoint(
                    node.name,
                    -1 if part is None else part,
                    node.world_from_node[:3, 3],
                    _turn(node.world_from_node[:3, :3]),
                )
            )
    return tuple(found)


def _turn(linear: Floats) -> Floats:
    """The quaternion ``(4,)`` of a transform's linear part without its scale."""
    length = np.linalg.norm(linear, axis=0)
    return quaternion(linear / length if (length > 0).all() else np.eye(3))
