"""The stages that make the marketplace's body: fifteen closed parts of one skinned surface."""

from __future__ import annotations

from rigline.avatar.attachments import Attachments, place_attachments
from rigline.avatar.cage import OuterCage, cage_evidence, fit_cage
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.part_meshes import part_meshes
from rigline.avatar.partition import PartedBody, partition, partition_evidence
from rigline.avatar.reduction import Budgets, reduced, reduction_evidence
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.avatar.solid import solid_body
from rigline.engine.stage import Produced, StageContext
from rigline.formats.parted_glb import PartedAvatar, write_parted_avatar
from rigline.render.body_picture import png_bytes
from rigline.render.preview import preview


def cut_parts(
    ctx: StageContext, orient: CanonicalMesh, rig: Skeleton, skin: SkinWeights
) -> Produced[PartedBody]:
    """The body as one solid, cut at its joints into fifteen closed parts."""
    body = partition(solid_body(orient.vertices, orient.faces, skin), rig.joints)
    return Produced(body, partition_evidence(body))


def reduce_triangles(ctx: StageContext, partition: PartedBody) -> Produced[PartedBody]:
    """The parts within the budgets of triangles, ``budgets`` of the parameters or the published."""
    budgets = Budgets(**ctx.params.get("budgets", {}))
    body = reduced(partition, budgets)
    evidence = {**partition_evidence(body), **reduction_evidence(body, budgets)}
    return Produced(body, evidence)


def wrap_cage(ctx: StageContext, reduce: PartedBody, rig: Skeleton) -> Produced[OuterCage]:
    """The outer cage around the parts."""
    skin = reduce.skin()
    cage = fit_cage(skin.vertices, skin.faces, skin.part, rig.joints)
    return Produced(cage, cage_evidence(cage, skin.vertices, skin.faces, skin.part))


def attach(ctx: StageContext, reduce: PartedBody, rig: Skeleton) -> Produced[Attachments]:
    """The nineteen attachment points, on the parts as they are cut."""
    skin = reduce.skin()
    points = place_attachments(skin.vertices, skin.faces, skin.part, rig.joints)
    return Produced(Attachments.of(points), {"attachments": len(points)})


def assemble(
    ctx: StageContext,
    orient: CanonicalMesh,
    rig: Skeleton,
    reduce: PartedBody,
    cage: OuterCage,
    attach: Attachments,
) -> Produced[bytes]:
    """The avatar as GLB: upright, facing +Z, feet on Y = 0."""
    scale = orient.height_asset
    glb = write_parted_avatar(
        PartedAvatar(
            part_meshes(reduce.scaled(scale)),
            rig.joints * scale,
            cage.vertices * scale,
            attach.points(scale),
        )
    )
    return Produced(glb, {"bytes": len(glb), "units_per_height": scale})


def picture(
    ctx: StageContext, reduce: PartedBody, rig: Skeleton, cage: OuterCage
) -> Produced[bytes]:
    """A PNG to look at: parts, joints, cage, and the body in two poses."""
    drawn = preview(
        reduce.vertices,
        reduce.faces,
        reduce.face_part.astype("int64"),
        rig.joints,
        reduce.weights,
        cage.vertices,
    )
    return Produced(png_bytes(drawn))
