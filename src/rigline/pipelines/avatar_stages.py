"""The first stages of avatar set-up: thin steps between the models and the pure geometry."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from rigline.avatar.body import N_PARTS, PART_NAMES
from rigline.avatar.cage import OuterCage, cage_evidence, fit_cage
from rigline.avatar.canonical import (
    EVEN_TURNS,
    ODD_TURNS,
    TURNS,
    CanonicalMesh,
    Orientation,
    far_specks,
    orientation_views,
    to_canonical,
    turned_view,
    vote_orientation,
)
from rigline.avatar.likeness import shape_evidence
from rigline.avatar.mesh import Floats, TriangleMesh
from rigline.avatar.segmentation import (
    Queries,
    Segmentation,
    face_queries,
    label_evidence,
    segment,
)
from rigline.avatar.skeleton import JointOpinions, Skeleton, join_opinions, joint_evidence
from rigline.avatar.skinning import SkinWeights, skin, weight_evidence
from rigline.avatar.symmetry import find_symmetry
from rigline.avatar.views import body_views
from rigline.engine.stage import AssetFile, Produced, StageContext
from rigline.formats import SourceModel, read_model
from rigline.formats.isolation import Isolation, read_isolated
from rigline.formats.limits import Limits
from rigline.pipelines.source_rig_reuse import (
    keep_joints,
    keep_weights,
    reuses_rig,
    rig_orientation_prior,
)

PART_SAMPLINGS = 3
JOINT_SAMPLINGS = 3
QUERY_CHUNK = 30_000
SEED = 0

UPRIGHT_PRIOR = 0.7
"""Log-odds that a glTF file keeps the format's promise of +Y up, against each other up axis."""

FRONT_PRIOR = 1.6
"""Log-odds that a glTF file keeps the format's promise of facing +Z, against each other front.

Decides where a character looks alike from both sides. On held-out synthetic characters, wrong votes
lead by less than 1.2 and right ones mostly by far more."""

VOTE_SHARPNESS = 2.0
"""The views of one asset are not independent, so their mean counts for two, not for their number.

Held-out synthetic characters are likeliest between 2 and 3; real ones are harder."""

HALVES = (EVEN_TURNS, ODD_TURNS)
"""One sampling is asked about in each half of the turns. Asking about both in all turns stands none
of 252 characters (real ones and four synthetic kinds) up better, and takes twice the time."""

DECISIVE = 0.8
"""If the first half leads by this margin, the second is not asked: so it is with seven in eight of
the same characters, and the second would turn none of them otherwise."""


def ingest(ctx: StageContext, asset: AssetFile) -> Produced[SourceModel]:
    """Read the uploaded file into one mesh with its materials."""
    limits, isolation = Limits(**ctx.params.get("limits", {})), ctx.params.get("isolation")
    if isolation is None:
        model = read_model(asset.data, asset.name, limits)
    else:
        model = read_isolated(asset.data, asset.name, limits, Isolation(**isolation))
    evidence = {
        "format": model.format,
        "vertices": len(model.mesh.vertices),
        "triangles": len(model.mesh.faces),
        "primitives": len(model.primitives),
        "images": len(model.materials.images),
        "bones": 0 if model.rig is None else len(model.rig.names),
    }
    return Produced(model, evidence, model.warnings)


def orient(ctx: StageContext, ingest: SourceModel) -> Produced[CanonicalMesh]:
    """Find out how the asset stands, and bring it into the canonical frame."""
    found = ask_orientation(ctx, ingest.mesh, _prior(ingest))
    specks = far_specks(ingest.mesh)
    upright = to_canonical(ingest.mesh, found.upright_from_asset, specks)
    evidence = {
        **_stance(found),
        **shape_evidence(upright.mesh, SEED),
        "height_asset": upright.height_asset,
        "specks": int(specks.sum()),
    }
    warning = f"{specks.sum()} vertices of tiny pieces far from the body were not measured."
    return Produced(upright, evidence, [warning] if specks.any() else [])


def ask_orientation(
    ctx: StageContext, mesh: TriangleMesh, prior: Floats | None = None
) -> Orientation:
    """How the asset stands, from one sampling in half of the turns; where that is not decisive,
    another sampling is asked about in the other half."""
    views = orientation_views(mesh, len(HALVES), SEED)
    log_probability, yaw = np.zeros((0, len(TURNS))), np.zeros((0, 2))
    for asked, (view, turns) in enumerate(zip(views, HALVES, strict=True), start=1):
        features, neighbours = turned_view(view, turns)
        answer = ctx.models.infer(
            "avatar_orientation", {"features": features, "neighbours": neighbours}
        )
        log_probability = np.concatenate([log_probability, answer["log_probability"]])
        yaw = np.concatenate([yaw, answer["yaw"]])
        seen = np.concatenate(HALVES[:asked])
        found = vote_orientation(seen, log_probability, yaw, prior, VOTE_SHARPNESS)
        if found.margin >= DECISIVE:
            break
    return found


def _prior(source: SourceModel) -> Floats | None:
    """Log prior over the turns from what the file format promises and its bones' names say."""
    promised = _format_prior(source.declared_up, source.declared_front)
    named = rig_orientation_prior(source.rig)
    return promised if named is None else named + (0 if promised is None else promised)


def _format_prior(declared_up: str, declared_front: str) -> Floats | None:
    if declared_up != "Y":
        return None
    up = np.isclose(TURNS[:, 1, 1], 1)
    front = np.isclose(TURNS[:, 2, 2], -1 if declared_front == "-Z" else 1)
    return UPRIGHT_PRIOR * up + FRONT_PRIOR * (up & front)


def _stance(found: Orientation) -> dict[str, Any]:
    turn = TURNS[found.turn]
    return {
        "margin": found.margin,
        "up_margin": found.up_margin,
        "up": _axis_name(turn[:, 1]),
        "front": _axis_name(turn[:, 2]),
        "yaw_deg": float(np.rad2deg(found.yaw_rad)),
    }


def _axis_name(direction: Floats) -> str:
    axis = int(np.abs(direction).argmax())
    return ("+" if direction[axis] > 0 else "-") + "XYZ"[axis]


def segment_parts(ctx: StageContext, orient: CanonicalMesh) -> Produced[Segmentation]:
    """Name the part of every vertex and face."""
    asked = face_queries(orient)
    log_sum, named = np.zeros((len(asked.points), N_PARTS)), []
    for opinion in ask_parts(ctx, orient, asked):
        log_sum += np.log(np.maximum(opinion, 1e-6))
        named.append(asked.at_corners(opinion.argmax(axis=1).astype(np.uint8)))
    log_mean = log_sum / PART_SAMPLINGS
    probability = np.exp(log_mean - log_mean.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    found = segment(orient, asked.at_corners(probability))
    return Produced(found, label_evidence(orient, found, np.stack(named)))


def ask_parts(ctx: StageContext, mesh: CanonicalMesh, asked: Queries) -> list[Floats]:
    """Part probabilities (q, 15) of each view, asked in pieces so that memory stays bounded."""
    views = body_views(mesh, PART_SAMPLINGS, SEED)
    queries = [view.to_view(asked.points, asked.normals) for view in views]
    starts = range(0, len(queries[0]), QUERY_CHUNK)
    answers = ctx.infer_all(
        "avatar_segmentation",
        [
            {
                "features": view.features[None],
                "neighbours": view.neighbours[None],
                "queries": query[None, start : start + QUERY_CHUNK],
            }
            for start in starts  # pieces of one length in a row: a server may batch the views'
            for view, query in zip(views, queries, strict=True)
        ],
    )
    pieces = [answer["probability"][0] for answer in answers]
    return [
        view.parts_from_view(np.concatenate(pieces[number :: len(views)]))
        for number, view in enumerate(views)
    ]


def rig(ctx: StageContext, ingest: SourceModel, orient: CanonicalMesh) -> Produced[Skeleton]:
    """Find the fifteen joints; where the file's own are plausible, they are kept."""
    opinions, humanoid = ask_joints(ctx, orient)
    found = join_opinions(opinions, find_symmetry(orient))
    kept = keep_joints(ingest.rig, orient, found, reuses_rig(ctx))
    measured = joint_evidence(opinions)
    measured = {**measured, "expected_error": kept.expected_error(measured["expected_error"])}
    evidence = {
        "humanoid": humanoid,
        **_joint_report(kept.skeleton, measured),
        "source_rig": kept.state,
    }
    for name, gap in zip(PART_NAMES, kept.gaps.tolist(), strict=True):
        if np.isfinite(gap):
            evidence["joints"][name]["source_gap"] = gap
    return Produced(kept.skeleton, evidence, kept.messages)


def ask_joints(ctx: StageContext, mesh: CanonicalMesh) -> tuple[JointOpinions, float]:
    """What each view says of the joints, and how likely the mesh is one standing humanoid."""
    views = body_views(mesh, JOINT_SAMPLINGS, SEED)
    answer = ctx.models.infer(
        "avatar_rigging",
        {
            "features": np.stack([v.features for v in views]),
            "neighbours": np.stack([v.neighbours for v in views]),
        },
    )
    opinions = JointOpinions(
        np.stack([v.joints_from_view(j) for v, j in zip(views, answer["joints"], strict=True)]),
        np.stack([v.parts_from_view(s) for v, s in zip(views, answer["log_scale"], strict=True)]),
        np.stack([v.parts_from_view(d) for v, d in zip(views, answer["dispersion"], strict=True)]),
    )
    return opinions, float(answer["humanoid"].mean())


def _joint_report(skeleton: Skeleton, evidence: Mapping[str, Floats]) -> dict[str, Any]:
    """Means and maxima over the joints for the policy, and each joint's own for the report."""
    totals: dict[str, Any] = {}
    for name, values in evidence.items():
        totals[name] = float(values.mean())
        totals[f"max_{name}"] = float(values.max())
    totals["joints"] = {
        PART_NAMES[p]: {
            "position": skeleton.joints[p].tolist(),
            **{name: float(values[p]) for name, values in evidence.items()},
        }
        for p in range(N_PARTS)
    }
    return totals


def skin_body(
    ctx: StageContext,
    ingest: SourceModel,
    orient: CanonicalMesh,
    segment: Segmentation,
    rig: Skeleton,
) -> Produced[SkinWeights]:
    """Weights of every vertex from labels and joints, or the file's own with its own joints."""
    part = segment.part.astype(np.int64)
    body = orient.vertices, orient.faces, part
    anew = cache(partial(skin, *body, rig.joints, rig.found_joints, segment.probability))
    kept = keep_weights(ingest.rig, orient, rig, part, reuses_rig(ctx), anew)
    weights = kept.weights or anew()
    evidence = weight_evidence(orient.vertices, orient.faces, weights, part)
    return Produced(weights, {**evidence, "source_weights": kept.state}, kept.messages)


def wrap_cage(
    ctx: StageContext, orient: CanonicalMesh, segment: Segmentation, rig: Skeleton
) -> Produced[OuterCage]:
    """The outer cage that layered clothing wraps."""
    part = segment.part.astype(np.int64)
    cage = fit_cage(orient.vertices, orient.faces, part, rig.joints)
    return Produced(cage, cage_evidence(cage, orient.vertices, orient.faces, part))
