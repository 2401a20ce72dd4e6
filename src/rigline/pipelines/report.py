"""report.json: what a person or a program may want to know of a finished job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rigline.avatar.body import PART_NAMES
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.marketplace.rules import BodyType, TextureLimit
from rigline.avatar.skeleton import Skeleton
from rigline.engine.codec import encodable
from rigline.engine.stage_run import StageRun
from rigline.triage.judgement import Judgement

SCHEMA_VERSION: Literal[1] = 1
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AssetEntry(_Entry):
    """The file that came in."""

    name: Annotated[str, AfterValidator(encodable)] = Field(
        description="Name of the file, without its folder."
    )
    sha256: Sha256 = Field(description="Identity of the asset: the hash of its bytes.")
    bytes: int = Field(ge=0)


class StageEntry(_Entry):
    """One stage."""

    seconds: float = Field(ge=0, description="Time the computation took, when it was made.")
    reused: bool = Field(description="Whether the output was found, and nothing computed.")
    model: str | None = Field(description="Name and version of the model that had a say.")
    evidence: dict[str, Any] = Field(description="What the stage measured about its own output.")
    confidence: Share | None = Field(description="None where the policy does not judge the stage.")


class JointEntry(_Entry):
    """One joint, by the name of the part it turns."""

    position: tuple[float, float, float] = Field(
        description="In the avatar's file: its frame and units."
    )
    position_canonical: tuple[float, float, float] = Field(
        description="+Y up, facing +Z, the character's left at +X, feet on 0, height 1."
    )
    expected_error: float = Field(
        ge=0,
        description="In heights: the model's own estimate; of a joint that the file brought, how "
        "much farther than that it is from the model's answer.",
    )


class RuleEntry(_Entry):
    """One rule of the character specification, and what was measured."""

    rule_id: str
    title: str = ""
    severity: Literal["error", "warning", "info"]
    passed: bool
    measured: float | str
    limit: str
    message: str
    where: str
    points: list[tuple[float, float, float]] = Field(
        default=[], description="Places of a failure, in the avatar's file: its frame and units."
    )
    parts: list[str] = Field(default=[], description="Parts that a failure concerns as a whole.")
    remedy: str = ""
    document: str = ""
    as_of: str = ""
    note: str = Field(default="", description="What the documents leave open, or disagree on.")


class ValidationEntry(_Entry):
    """All rules of the preset."""

    preset: Literal["development", "marketplace"]
    as_of: str = Field(description="Date of the specification that the rules restate.")
    body_type: BodyType | None = Field(
        default=None, description="Table of the largest sizes; null in older reports."
    )
    texture_limit: TextureLimit | None = Field(
        default=None, description="The document that bounds textures; null in older reports."
    )
    cage_template: Sha256 | None = Field(
        default=None, description="The user's own cage template in the artifact store."
    )
    errors: int = Field(ge=0)
    warnings: int = Field(ge=0)
    rules: list[RuleEntry]


class PolicyEntry(_Entry):
    """The policy that judged."""

    name: str
    version: int


class Report(_Entry):
    """The outcome of one job. Confidence is that of the most doubtful stage."""

    schema_version: Literal[1] = SCHEMA_VERSION
    pipeline: str
    pipeline_version: int
    asset: AssetEntry
    stages: dict[str, StageEntry]
    joints: dict[str, JointEntry]
    validation: ValidationEntry
    policy: PolicyEntry
    confidence: Share
    calibrated: bool = Field(
        description="Whether confidence is a probability fitted to reviewers' decisions."
    )
    verdict: Literal["accept", "review", "reject"]
    reasons: list[str] = Field(description="Why a person should look, worst first.")
    flagged: list[str] = Field(
        default=[], description="The stages in doubt or against a rule, in running order."
    )
    audit: bool = Field(
        default=False,
        description="Whether this accepted job was drawn for a person to look at all the same.",
    )
    warnings: list[str] = Field(description="What was left out or mended on the way.")

    def to_bytes(self) -> bytes:
        """The file's content."""
        return self.model_dump_json(indent=2).encode("utf-8") + b"\n"


def build_report(
    pipeline: tuple[str, int],
    asset: AssetEntry,
    runs: Mapping[str, StageRun],
    outputs: Mapping[str, Any],
    judgement: Judgement,
    policy: PolicyEntry,
) -> Report:
    """The report of a finished run of avatar set-up.

    ``outputs`` are the values of ``orient``, ``rig`` and ``validate``, corrected where they were.
    """
    return Report(
        pipeline=pipeline[0],
        pipeline_version=pipeline[1],
        asset=asset,
        stages={
            name: StageEntry(
                seconds=run.record.seconds,
                reused=run.reused,
                model=" ".join(f"{m}@{v}" for m, v in run.record.models.items()) or None,
                evidence=dict(run.record.evidence),
                confidence=judgement.stage_confidence.get(name),
            )
            for name, run in runs.items()
        },
        joints=_joints(runs, outputs["orient"], outputs["rig"]),
        validation=ValidationEntry.model_validate(dict(outputs["validate"])),
        policy=policy,
        confidence=judgement.confidence,
        calibrated=judgement.calibrated,
        verdict=judgement.verdict,
        reasons=list(judgement.reasons),
        flagged=list(judgement.flagged),
        audit=judgement.audit,
        warnings=[w for run in runs.values() for w in run.record.warnings],
    )


def _joints(
    runs: Mapping[str, StageRun], canonical: CanonicalMesh, skeleton: Skeleton
) -> dict[str, JointEntry]:
    """Joints where they are in the avatar; the expected error is that of the joint as found."""
    written = runs["assemble"].record.evidence
    height = float(written.get("units_per_height", canonical.height_asset))
    origin = written.get("origin_canonical", (0.0, 0.0, 0.0))
    found = runs["rig"].record.evidence["joints"]
    return {
        name: JointEntry(
            position=tuple(height * (x - o) for x, o in zip(place, origin, strict=True)),
            position_canonical=tuple(place),
            expected_error=found[name]["expected_error"],
        )
        for name, place in zip(PART_NAMES, skeleton.joints.tolist(), strict=True)
    }
