"""The last stages of avatar set-up: attachments, the file, its validation, its picture."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from rigline.avatar.attachments import Attachments, place_attachments
from rigline.avatar.cage import OuterCage
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.marketplace.rules import AS_OF, CheckSettings
from rigline.avatar.segmentation import Segmentation
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.engine.stage import Produced, StageContext
from rigline.errors import ContractViolation
from rigline.formats import SourceModel
from rigline.formats.avatar_glb import FinishedAvatar, write_avatar
from rigline.formats.limits import OWN_FILES
from rigline.pipelines.cage_template_file import TEMPLATE_CODEC
from rigline.render.body_picture import png_bytes
from rigline.render.preview import preview
from rigline.validation import ValidationRequest, validate_file


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
    """The avatar as GLB: upright, facing +Z, on the floor, at the asset's own scale and place."""
    scale, origin = orient.height_asset, orient.own_origin()
    moved = Attachments(attach.positions - origin, attach.rotations)
    glb = write_avatar(
        FinishedAvatar(
            ingest,
            (orient.vertices - origin) * scale,
            orient.canonical_from_asset[:3, :3] * scale,
            (rig.joints - origin) * scale,
            skin,
            (cage.vertices - origin) * scale,
            moved.points(scale),
        )
    )
    return Produced(glb, {"bytes": len(glb), "origin_canonical": origin.tolist()})


def validate(ctx: StageContext, assemble: bytes) -> Produced[dict[str, Any]]:
    """Judge the finished file by the rules of the preset, each with measure and limit.

    Cages are compared with the artifact ``cage_template``, where there is one.
    """
    settings = CheckSettings(**ctx.params.get("settings", {}))
    given = ctx.artifacts.get("cage_template")
    template = None if given is None else TEMPLATE_CODEC.decode(given)
    request = ValidationRequest(
        ctx.params["preset"], settings, cage_template=template, limits=OWN_FILES
    )
    verdict = validate_file(assemble, "avatar.glb", request)
    if verdict.error:
        raise ContractViolation(f"The avatar that was written cannot be read: {verdict.error}")
    counts = {f"{kind}s": len(verdict.failed(kind)) for kind in ("error", "warning")}
    rules = [asdict(result) for result in verdict.results]
    report = {
        "preset": verdict.preset, "as_of": AS_OF, **asdict(settings),
        "cage_template": ctx.params.get("cage_template"), **counts, "rules": rules,
    }  # fmt: skip
    failed = [r.rule_id for r in verdict.results if not r.passed]
    return Produced(report, {**counts, "rules": len(rules), "failed": failed})


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
