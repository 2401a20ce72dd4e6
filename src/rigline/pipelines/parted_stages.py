"""The stages that make the marketplace's body: fifteen closed parts of one skinned surface."""

from __future__ import annotations

from rigline.avatar.attachments import Attachments, place_attachments
from rigline.avatar.body_fit import FittedBody, fit_body
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


def fit(ctx: StageContext, reduce: PartedBody, rig: Skeleton) -> Produced[FittedBody]:
    """The body in the sizes of the parameter ``body_type``, in studs."""
    body, done = fit_body(
        reduce, rig.joints, ctx.params["body_type"], ctx.params.get("proportions", "fit")
    )
    warnings = []
    if done.factors:
        words = "; ".join(f"{g} {_times(f)}" for g, f in done.factors.items())
        warnings.append(f"Proportions were changed to fit {ctx.params['body_type']}: {words}.")
    if done.turned:
        warnings.append(f"Turned towards the frontal plane: {', '.join(done.turned)}.")
    if done.broken:
        warnings.append(f"No size fits {ctx.params['body_type']}: {'; '.join(done.broken)}.")
    return Produced(body, done.evidence(), warnings)


def _times(factor: tuple[float, float, float]) -> str:
    if max(factor) - min(factor) < 0.005:
        return f"x{factor[0]:.2f}"
    axes = zip(("width", "height", "depth"), factor, strict=True)
    return ", ".join(f"{name} x{value:.2f}" for name, value in axes if abs(value - 1) > 0.005)


def wrap_cage(ctx: StageContext, fit: FittedBody) -> Produced[OuterCage]:
    """The outer cage around the parts."""
    skin = fit.body.skin()
    cage = fit_cage(skin.vertices, skin.faces, skin.part, fit.joints)
    return Produced(cage, cage_evidence(cage, skin.vertices, skin.faces, skin.part))


def attach(ctx: StageContext, fit: FittedBody) -> Produced[Attachments]:
    """The nineteen attachment points, on the parts as they are cut."""
    skin = fit.body.skin()
    points = place_attachments(skin.vertices, skin.faces, skin.part, fit.joints)
    return Produced(Attachments.of(points), {"attachments": len(points)})


def assemble(
    ctx: StageContext, fit: FittedBody, cage: OuterCage, attach: Attachments
) -> Produced[bytes]:
    """The avatar as GLB: upright, facing +Z, feet on Y = 0, in studs."""
    studs = fit.studs_per_height
    glb = write_parted_avatar(
        PartedAvatar(
            part_meshes(fit.body.scaled(studs)),
            fit.joints * studs,
            cage.vertices * studs,
            attach.points(studs),
        )
    )
    return Produced(glb, {"bytes": len(glb), "units_per_height": studs})


def picture(ctx: StageContext, fit: FittedBody, cage: OuterCage) -> Produced[bytes]:
    """A PNG to look at: parts, joints, cage, and the body in two poses."""
    drawn = preview(
        fit.vertices, fit.faces, fit.face_part.astype("int64"), fit.joints, fit.weights,
        cage.vertices,
    )  # fmt: skip
    return Produced(png_bytes(drawn))
