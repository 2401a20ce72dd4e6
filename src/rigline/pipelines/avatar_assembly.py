"""The last stages of avatar set-up: attachments, the file, its validation, its picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from rigline.avatar.attachments import AttachmentPoint, Attachments, place_attachments
from rigline.avatar.cage import OuterCage
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.marketplace.checks import check_avatar
from rigline.avatar.marketplace.rules import AS_OF, CheckSettings
from rigline.avatar.marketplace.subject import AvatarUnderTest, CageUnderTest, ImageUnderTest
from rigline.avatar.segmentation import Segmentation
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.engine.stage import Produced, StageContext
from rigline.errors import ContractViolation, InvalidInput
from rigline.evaluation.rigs import part_of_name, rig_of
from rigline.formats import SourceModel
from rigline.formats.avatar_glb import FinishedAvatar, write_avatar
from rigline.formats.limits import OWN_FILES
from rigline.formats.rigged_glb import RiggedMesh, RiggedModel, read_rigged
from rigline.render.body_picture import png_bytes
from rigline.render.preview import preview

STUDS_TALL = 5.0
"""Published limits are in studs; a development avatar keeps its scale and counts as this tall."""

CAGE_SUFFIX = "_OuterCage"
ATTACHMENT_SUFFIX = "_Att"


def attach(
    ctx: StageContext, orient: CanonicalMesh, rig: Skeleton, skin: SkinWeights
) -> Produced[Attachments]:
    """The nineteen attachment points, on the parts that the skin bends."""
    part = skin.joints[:, 0].astype(np.int64)
    points = place_attachments(orient.vertices, orient.faces, part, rig.joints)
    return Produced(Attachments.of(points), {"attachments": len(points)})


def assemble(
    ctx: StageContext,
    ingest: SourceModel,
    orient: CanonicalMesh,
    rig: Skeleton,
    skin: SkinWeights,
    cage: OuterCage,
    attach: Attachments,
) -> Produced[bytes]:
    """The avatar as GLB: upright, facing +Z, feet on Y = 0, at the asset's own scale."""
    scale = orient.height_asset
    glb = write_avatar(
        FinishedAvatar(
            ingest,
            orient.vertices * scale,
            orient.canonical_from_asset[:3, :3] * scale,
            rig.joints * scale,
            skin,
            cage.vertices * scale,
            attach.points(scale),
        )
    )
    return Produced(glb, {"bytes": len(glb)})


def validate(ctx: StageContext, assemble: bytes) -> Produced[dict[str, Any]]:
    """Judge the finished file by the rules of the preset, each with measure and limit."""
    preset = ctx.params["preset"]
    try:
        subject = avatar_under_test(read_rigged(assemble, OWN_FILES))
    except InvalidInput as error:
        raise ContractViolation(f"The avatar that was written cannot be read: {error}") from error
    results = check_avatar(subject, preset, CheckSettings(**ctx.params.get("settings", {})))
    rules = [vars(result) for result in results]
    counts = {
        f"{severity}s": sum(not r.passed and r.severity == severity for r in results)
        for severity in ("error", "warning")
    }
    report = {"preset": preset, "as_of": AS_OF, **counts, "rules": rules}
    failed = [r.rule_id for r in results if not r.passed]
    return Produced(report, {**counts, "rules": len(rules), "failed": failed})


def avatar_under_test(model: RiggedModel) -> AvatarUnderTest:
    """A file that Rigline wrote, as the checks see it. Raises ``ContractViolation`` for others."""
    names = [model.nodes[mesh.node].name for mesh in model.meshes]
    body = [m for m, name in zip(model.meshes, names, strict=True) if _is_body(name)]
    cages = [
        CageUnderTest(name, m.vertices, m.faces, m.uvs if m.uvs is not None else np.zeros((0, 2)))
        for m, name in zip(model.meshes, names, strict=True)
        if name.endswith(CAGE_SUFFIX)
    ]
    if not body or not model.joints:
        raise ContractViolation("The avatar's file has no skinned body.")
    bone_of_node = {node: bone for bone, node in enumerate(model.joints)}
    vertices, faces = _joined(body)
    nodes = [model.nodes[j] for j in model.joints]
    height = max(float(np.ptp(vertices[:, 1])), 1e-12)
    uvs = [m.uvs for m in body if m.uvs is not None]
    used = {m.material for m in body if m.material is not None}
    return AvatarUnderTest(
        vertices=vertices,
        faces=faces,
        part=rig_of(model).part,
        joint_names=tuple(node.name for node in nodes),
        joint_parents=tuple(bone_of_node.get(node.parent, -1) for node in nodes),
        joint_positions=np.stack([node.world_from_node[:3, 3] for node in nodes]),
        weight_joints=np.concatenate(
            [np.vectorize(bone_of_node.get, otypes=[np.int64])(m.influence_nodes) for m in body]
        ),
        weights=np.concatenate([m.weights for m in body]),
        cages=tuple(cages),
        attachments=_attachments(model),
        studs_per_unit=STUDS_TALL / height,
        joint_rotations=np.stack([node.rotation for node in nodes]),
        joint_scales=np.stack([node.scale for node in nodes]),
        uvs=np.concatenate(uvs) if uvs else None,
        opaque=all(model.opaque_materials[k] for k in used),
        images=tuple(ImageUnderTest(t.role, t.width, t.height) for t in model.textures),
        mesh_names=tuple(name for name in names if _is_body(name)),
    )


def _is_body(name: str) -> bool:
    return not name.endswith((CAGE_SUFFIX, ATTACHMENT_SUFFIX))


def _joined(meshes: list[RiggedMesh]) -> tuple[Any, Any]:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + start for m, start in zip(meshes, starts[:-1], strict=True)]
    return np.concatenate([m.vertices for m in meshes]), np.concatenate(faces)


def _attachments(model: RiggedModel) -> tuple[AttachmentPoint, ...]:
    found = []
    for node in model.nodes:
        if node.name.endswith(ATTACHMENT_SUFFIX) and node.parent >= 0:
            part = part_of_name(model.nodes[node.parent].name)
            if part is not None:
                position = node.world_from_node[:3, 3]
                found.append(AttachmentPoint(node.name, part, position, node.rotation))
    return tuple(found)


def picture(
    ctx: StageContext,
    orient: CanonicalMesh,
    segment: Segmentation,
    rig: Skeleton,
    skin: SkinWeights,
    cage: OuterCage,
) -> Produced[bytes]:
    """A PNG to look at: parts, joints, cage, and the body in two poses."""
    drawn = preview(
        orient.vertices,
        orient.faces,
        segment.face_part.astype(np.int64),
        rig.joints,
        skin.dense(),
        cage.vertices,
    )
    return Produced(png_bytes(drawn))
