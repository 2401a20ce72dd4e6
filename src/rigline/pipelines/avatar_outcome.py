"""What a finished run of avatar set-up leaves: the avatar, its report, its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rigline.engine.pipeline import Pipeline
from rigline.formats.isolation import warm_reader
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.pipelines.avatar_corrections import corrected
from rigline.pipelines.avatar_marketplace import AVATAR_MARKETPLACE
from rigline.pipelines.job_kind import FinishedRun, JobKind
from rigline.pipelines.report import PolicyEntry, Report, build_report
from rigline.review.correction import OPS_BY_STAGE

AVATAR_FILE: Final = "avatar.glb"
REPORT_FILE: Final = "report.json"
PREVIEW_FILE: Final = "preview.png"


@dataclass(frozen=True)
class Outcome:
    """A finished avatar: its file, its picture and its report."""

    report: Report
    avatar_glb: bytes
    preview_png: bytes


def conclude(finished: FinishedRun) -> Outcome:
    """Judge a finished run and gather what it made."""
    pipeline, policy = finished.pipeline, finished.policy
    report = build_report(
        (pipeline.name, pipeline.version), finished.asset, finished.runs,
        {name: finished.value(name) for name in ("orient", "rig", "validate")},
        finished.judgement, PolicyEntry(name=policy.name, version=policy.version),
    )  # fmt: skip
    return Outcome(report, finished.value("assemble"), finished.value("picture"))


def avatar_files(finished: FinishedRun) -> dict[str, bytes]:
    """The three files; the report comes last, so that where it is, all are."""
    outcome = conclude(finished)
    return {
        AVATAR_FILE: outcome.avatar_glb,
        PREVIEW_FILE: outcome.preview_png,
        REPORT_FILE: outcome.report.to_bytes(),
    }


def prepare(pipeline: Pipeline) -> None:
    """Begin to start the process that reads files, if they are read in one."""
    if "isolation" in pipeline.stage("ingest").params:
        warm_reader()


AVATAR_JOBS: Final = JobKind(AVATAR_AUTO_SETUP, OPS_BY_STAGE, corrected, avatar_files, prepare)
"""Jobs of avatar set-up."""

MARKETPLACE_JOBS: Final = JobKind(
    AVATAR_MARKETPLACE, OPS_BY_STAGE, corrected, avatar_files, prepare
)
"""Jobs of avatar set-up for the marketplace."""
