"""The stages that make the marketplace's body: fifteen closed parts of one skinned surface."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rigline.avatar.atlas import unwrap
from rigline.avatar.attachments import Attachments, place_attachments
from rigline.avatar.body_fit import FittedBody, fit_body, misfits
from rigline.avatar.cage import OuterCage, cage_evidence, fit_cage
from rigline.avatar.cage_transfer import boxed, onto_template, own_cages, pushed_out
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.marketplace.input_rules import InputBody, in_words, input_causes
from rigline.avatar.marketplace.rules import limit_of
from rigline.avatar.part_meshes import corner_normals, corner_tangents, part_meshes
from rigline.avatar.partition import PartedBody, partition, partition_evidence
from rigline.avatar.reduction import Budgets, reduced, reduction_evidence
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.avatar.solid import solid_body
from rigline.engine.stage import Produced, StageContext
from rigline.formats import SourceModel
from rigline.formats.parted_glb import PartedAvatar, write_parted_avatar
from rigline.pipelines.cage_template_file import TEMPLATE_CODEC
from rigline.pipelines.source_appearance import DETAIL_SHARE, Atlas, look_of
from rigline.render.body_picture import png_bytes
from rigline.render.preview import preview
from rigline.render.texture_bake import BakeTarget, bake, png_of


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
    if done.girths:
        words = "; ".join(f"{p} {_times((g[0], 1.0, g[1]))}" for p, g in done.girths.items())
        warnings.append(f"Girths were changed for limbs to cover half of their boxes: {words}.")
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
    laid = fit_cage(skin.vertices, skin.faces, skin.part, fit.joints)
    slack = limit_of("cage.box", "slack") / fit.studs_per_height
    within = boxed(laid, skin.vertices, skin.part, slack)
    outside = pushed_out(within, skin.vertices, skin.faces, skin.part)
    # What was pushed out through a broad neighbour may have left its own box again.
    cage = boxed(outside, skin.vertices, skin.part, slack)
    return Produced(cage, cage_evidence(cage, skin.vertices, skin.faces, skin.part))


def attach(ctx: StageContext, fit: FittedBody) -> Produced[Attachments]:
    """The nineteen attachment points, on the parts as they are cut."""
    skin = fit.body.skin()
    points = place_attachments(skin.vertices, skin.faces, skin.part, fit.joints)
    return Produced(Attachments.of(points), {"attachments": len(points)})


def bake_textures(
    ctx: StageContext,
    ingest: SourceModel,
    orient: CanonicalMesh,
    partition: PartedBody,
    reduce: PartedBody,
) -> Produced[Atlas]:
    """All of the source's textures in one atlas, ``atlas_px`` wide; other maps a quarter of it."""
    size = int(ctx.params["atlas_px"])
    uvs = unwrap(reduce, size)
    normals = corner_normals(reduce)
    look, warnings = look_of(ingest, orient)
    target = BakeTarget(
        reduce.vertices, reduce.faces, uvs, reduce.source_face, normals,
        corner_tangents(reduce, normals, uvs),
    )  # fmt: skip
    seen = np.unique(partition.source_face[partition.source_face >= 0])
    maps = bake(target, look, seen, size, max(size // DETAIL_SHARE, 16))
    atlas = Atlas(
        uvs.astype(np.float32),
        *(
            np.frombuffer(png_of(pixels), np.uint8)
            for pixels in (maps.base_color, maps.metallic_roughness, maps.normal)
        ),
    )
    textures = sum(m.base_texture is not None for m in look.materials)
    evidence = {"atlas_px": size, "materials": len(look.materials), "textures": textures}
    return Produced(atlas, evidence, warnings)


def assemble(
    ctx: StageContext, fit: FittedBody, cage: OuterCage, attach: Attachments, bake: Atlas
) -> Produced[bytes]:
    """The avatar as GLB: upright, facing +Z, feet on Y = 0, in studs.

    The artifact ``cage_template``, where there is one, is the user's own template.
    """
    studs = fit.studs_per_height
    given = ctx.artifacts.get("cage_template")
    cages = own_cages(cage)
    if given is not None:
        cages = onto_template(TEMPLATE_CODEC.decode(given), cage)
    glb = write_parted_avatar(
        PartedAvatar(
            part_meshes(fit.body.scaled(studs), uvs=bake.uvs.astype(np.float64)),
            fit.joints * studs,
            replace(cages, vertices=cages.vertices * studs),
            attach.points(studs),
            bake.images,
        )
    )
    return Produced(glb, {"bytes": len(glb), "units_per_height": studs})


def explain(
    ctx: StageContext,
    ingest: SourceModel,
    orient: CanonicalMesh,
    rig: Skeleton,
    skin: SkinWeights,
    fit: FittedBody,
    validate: dict[str, Any],
) -> Produced[list[dict[str, str]]]:
    """For each rule that is broken the rule of the input that makes it impossible, if one does."""
    broken = [r for r in validate["rules"] if not r["passed"] and r["severity"] == "error"]
    names = np.repeat(
        [p.name for p in ingest.primitives], [p.face_stop - p.face_start for p in ingest.primitives]
    )
    part = skin.joints[:, 0].astype(np.int64)
    body = InputBody(orient.vertices, orient.faces, part, rig.joints, names.tolist())
    causes = input_causes(body, broken, misfits(fit, ctx.params["body_type"])) if broken else []
    evidence = {"broken": len(broken), "by_input": len(causes)}
    return Produced([c.plain() for c in causes], evidence, in_words(causes))


def picture(ctx: StageContext, fit: FittedBody, cage: OuterCage) -> Produced[bytes]:
    """A PNG to look at: parts, joints, cage, and the body in two poses."""
    drawn = preview(
        fit.vertices, fit.faces, fit.face_part.astype("int64"), fit.joints, fit.weights,
        cage.vertices,
    )  # fmt: skip
    return Produced(png_bytes(drawn))
