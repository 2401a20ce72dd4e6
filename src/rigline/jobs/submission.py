"""A file becomes a job, once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rigline.bootstrap import Services, avatar_pipeline
from rigline.db.ledger import Ledger, Work
from rigline.engine.codec import canonical_json
from rigline.engine.job import Asset, Job, JobAction, JobState
from rigline.engine.pipeline import Pipeline
from rigline.errors import ReviewConflict

ID_LENGTH = 20
"""Hexadecimal digits of a job's id: short enough to type, long enough never to meet another."""


def submit(
    ledger: Ledger, services: Services, data: bytes, name: str, *,
    creator: str, now: datetime, batch: str | None = None, priority: int = 0,
    pipeline: Pipeline | None = None,
) -> Job:  # fmt: skip
    """The queued job of a file; by default the pipeline is that of avatar set-up.

    The same file with the same pipeline and parameters, submitted again by the same creator for the
    same batch, is the job that is there already, as it stands; but one that was cancelled is queued
    again, with this priority. The file is not looked into: what is
    wrong with it is found when the job runs. Raises ``ServiceUnavailable`` when store or ledger is
    away; then nothing is queued, and submitting again puts it right.
    """
    sha256 = services.store.put(data)
    job_pipeline = pipeline or avatar_pipeline(services.settings)
    job = planned_job(
        sha256, job_pipeline,
        creator=creator, now=now, batch=batch, priority=priority,
    )  # fmt: skip
    named = named_assets(services, job_pipeline, now)
    with ledger.transaction() as work:
        for asset in (Asset(sha256, name, len(data), now), *named):
            work.jobs.add_asset(asset)
        try:
            work.jobs.add(job)
        except ReviewConflict:
            return _resubmitted(work, job, now)
    return job


def _resubmitted(work: Work, job: Job, now: datetime) -> Job:
    """The job that is there already, queued again if it was cancelled."""
    known = work.jobs.get(job.id)
    if known.state != JobState.CANCELLED:
        return known
    try:
        wanted = replace(known, priority=job.priority)
        return work.jobs.transition(wanted, JobAction.RESUBMIT, now)
    except ReviewConflict:  # somebody else has just done so
        return work.jobs.get(job.id)


def named_assets(services: Services, pipeline: Pipeline, now: datetime) -> list[Asset]:
    """The artifacts that parameters of a pipeline name, such as a cage template of the user's own,
    as assets: those that the ledger knows are taken by no sweep of the store."""
    found = {sha256: services.store.get(sha256) for sha256 in sorted(pipeline.artifact_params)}
    return [Asset(sha256, "parameter", len(data), now) for sha256, data in found.items()]


def planned_job(
    asset_sha256: str, pipeline: Pipeline, *,
    creator: str, now: datetime, batch: str | None = None, priority: int = 0,
) -> Job:  # fmt: skip
    """The queued job of an asset, which no ledger has yet; its id is a hash of what it is."""
    params = {stage.name: dict(stage.params) for stage in pipeline if stage.params}
    return Job(
        _job_id(asset_sha256, pipeline, params, creator, batch),
        pipeline.name, pipeline.version, asset_sha256, creator, now, now, params, batch, priority,
    )  # fmt: skip


def _job_id(
    asset: str, pipeline: Pipeline, params: Mapping[str, Any], creator: str, batch: str | None
) -> str:
    """A hash of all that makes a job this one; its priority does not."""
    identity = [asset, pipeline.name, pipeline.version, params, creator, batch]
    return hashlib.sha256(canonical_json(identity)).hexdigest()[:ID_LENGTH]
