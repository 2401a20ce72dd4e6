"""Corrected jobs as training samples: what the models gave, and what a person made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rigline.bootstrap import Services
from rigline.db.decisions import RecordedCorrection, RecordedDecision
from rigline.db.ledger import Ledger
from rigline.engine.pipeline import ASSET
from rigline.errors import RiglineError
from rigline.jobs.execution import configured
from rigline.jobs.results import has_results, results_of

SCHEMA_VERSION: Final = 1
SAMPLE_FILE: Final = "sample.json"
PAGE: Final = 200


@dataclass(frozen=True)
class ReviewedSample:
    """One correction that took effect, as files by name; ``SAMPLE_FILE`` says what it is about.

    ``base.…`` and ``corrected.…`` are the stage's output before and after, ``input.…`` what the
    stage was made from, and ``now.…`` what the job has by now of every stage that people can
    correct: seen by a person, whether corrected or left alone. ``name`` is unique in a ledger.
    """

    name: str
    files: Mapping[str, bytes]


def reviewed_samples(
    ledger: Ledger, services: Services, since: datetime | None = None
) -> Iterator[ReviewedSample | RiglineError]:
    """A sample for each correction that was applied to a job of a pipeline that is there.

    Or the reason why one cannot be had: its files were swept, or its pipeline is gone. Raises
    ``ServiceUnavailable`` when ledger or store are away.
    """
    after = 0
    while True:
        with ledger.reading() as work:
            page = work.decisions.applied(since, after, PAGE)
        for decision, correction in page:
            try:
                yield _sample(ledger, services, decision, correction)
            except RiglineError as error:
                error.fields.setdefault("decision", decision.id)
                yield error
        if len(page) < PAGE:
            return
        after += len(page)


def _sample(
    ledger: Ledger, services: Services, decision: RecordedDecision, recorded: RecordedCorrection
) -> ReviewedSample:
    with ledger.reading() as work:
        job = work.jobs.get(decision.job_id)
        asset, runs = work.jobs.asset(job.asset_sha256), work.jobs.runs(job.id)
    correction, store = recorded.correction, services.store
    kind, pipeline = configured(services, job)
    stage = pipeline.stage(correction.stage)
    ending, base = stage.codec.file_name, correction.base_artifact_sha256
    own = next((run for run in runs if run.stage == stage.name and run.sha256 == base), None)
    files = {f"base.{ending}": store.get(base)}
    files[f"corrected.{ending}"] = store.get(str(recorded.artifact_sha256))
    if has_results(job):
        ran = results_of(ledger, services, job.id).runs
        made_from = ran[stage.name].record.inputs
        for name in stage.inputs:
            sha256 = made_from.get(name)
            if sha256 is None:
                continue
            kept = asset.name if name == ASSET else pipeline.stage(name).codec.file_name
            files[f"input.{name}.{kept}"] = store.get(sha256)
        for name in kind.ops_by_stage:
            kept = pipeline.stage(name).codec.file_name
            files[f"now.{name}.{kept}"] = store.get(ran[name].sha256)
    said = {
        "schema_version": SCHEMA_VERSION,
        "pipeline": job.pipeline,
        "pipeline_version": job.pipeline_version,
        "job": job.id,
        "asset": {"name": asset.name, "sha256": asset.sha256},
        "stage": stage.name,
        "models": dict(own.models) if own is not None else {},
        "evidence": dict(own.evidence) if own is not None else {},
        "correction": correction.to_json(),
        "decision": {
            "id": decision.id,
            "kind": str(decision.kind),
            "note": decision.note,
            "decided_by": decision.decided_by,
            "decided_at": decision.decided_at.isoformat(),
        },
        "files": {"base": f"base.{ending}", "corrected": f"corrected.{ending}"},
    }
    files[SAMPLE_FILE] = json.dumps(said, indent=2, sort_keys=True).encode() + b"\n"
    return ReviewedSample(f"{job.id}-{decision.id}-{stage.name}", files)
