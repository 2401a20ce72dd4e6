"""Jobs, their assets and what their stages did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from rigline.db.database import insert_once
from rigline.db.tables import ASSETS, CORRECTIONS, JOBS, STAGE_RUNS
from rigline.engine.job import Asset, Job, JobAction, JobState, Judged, RecordedRun, advance
from rigline.engine.stage_run import StageRun
from rigline.errors import InvalidInput, ReviewConflict

J = JOBS.c


@dataclass(frozen=True)
class JobFilter:
    """Which jobs: those that fit everything given."""

    states: tuple[JobState, ...] = ()
    pipeline: str | None = None
    creator: str | None = None
    batch: str | None = None
    asset_sha256: str | None = None
    created_since: datetime | None = None


ALL_JOBS = JobFilter()


class Jobs:
    """The jobs of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_asset(self, asset: Asset) -> Asset:
        """Keep an asset; the one in force, which is the first of that sha256."""
        insert_once(self._connection, ASSETS, asset_row(asset))
        return self.asset(asset.sha256)

    def asset(self, sha256: str) -> Asset:
        """The asset; ``InvalidInput`` when there is none of that sha256."""
        row = self._connection.execute(select(ASSETS).where(ASSETS.c.sha256 == sha256)).first()
        if row is None:
            raise InvalidInput(
                f"There is no asset {sha256}.", remedy="Upload the file.", asset=sha256
            )
        return Asset(*row)

    def wanted_artifacts(self) -> frozenset[str]:
        """sha256 of everything that no sweep may take: uploaded assets, corrected artifacts."""
        assets = self._connection.execute(select(ASSETS.c.sha256)).scalars()
        corrected = CORRECTIONS.c.artifact_sha256
        corrections = self._connection.execute(select(corrected).where(corrected.is_not(None)))
        return frozenset([*assets, *corrections.scalars()])

    def add(self, job: Job) -> None:
        """Keep a new job, whose asset is there; ``ReviewConflict`` when the id is taken."""
        if not insert_once(self._connection, JOBS, job_row(job)):
            raise ReviewConflict(
                f"There is a job {job.id} already.",
                remedy="Use that job, or a new id.",
                conflict="duplicate",
                job=job.id,
            )

    def get(self, job_id: str) -> Job:
        """The job as it stands; ``InvalidInput`` when there is none of that id."""
        row = self._connection.execute(select(JOBS).where(J.id == job_id)).mappings().first()
        if row is None:
            raise InvalidInput(
                f"There is no job {job_id!r}.",
                remedy="rigline jobs list shows them.",
                job=job_id,
            )
        return job_of(dict(row))

    def transition(
        self, job: Job, action: JobAction, now: datetime, *,
        judged: Judged | None = None, error: str = "",
    ) -> Job:  # fmt: skip
        """Move a job on from what the caller knows of it; the job afterwards.

        Raises ``ReviewConflict`` for an action that does not fit, and when the job has moved on
        since it was read: of all who try from one version exactly one succeeds.
        """
        after = advance(job, action, now, judged=judged, error=error)
        self._put(job, after, str(action))
        return after

    def progress(self, job: Job, now: datetime) -> Job:
        """Note that a worker is at the job still; the job afterwards, one version on.

        Raises ``ReviewConflict`` when the job has moved on since it was read.
        """
        after = replace(job, updated_at=now, version=job.version + 1)
        self._put(job, after, "progress")
        return after

    def list(
        self, which: JobFilter = ALL_JOBS, *, limit: int = 100, after: str | None = None
    ) -> Sequence[Job]:
        """At most ``limit`` jobs, the newest first, following the job ``after``.

        Pages stay whole while jobs are added. Raises ``InvalidInput`` for an unknown ``after``.
        """
        conditions = _conditions(which)
        if after is not None:
            last = self.get(after)
            conditions.append(
                or_(
                    J.created_at < last.created_at,
                    and_(J.created_at == last.created_at, J.id < last.id),
                )
            )
        query = (
            select(JOBS).where(*conditions).order_by(J.created_at.desc(), J.id.desc()).limit(limit)
        )
        return [job_of(dict(row)) for row in self._connection.execute(query).mappings()]

    def _put(self, before: Job, after: Job, action: str) -> None:
        changed = self._connection.execute(
            update(JOBS)
            .where(J.id == before.id, J.version == before.version)
            .values(**job_row(after))
        )
        if changed.rowcount != 1:
            raise ReviewConflict(
                f"The job {before.id} has moved on since it was read.",
                remedy="Load it again.",
                conflict="stale_version",
                job=before.id,
                action=action,
            )

    def record_runs(self, job_id: str, runs: Iterable[StageRun], now: datetime) -> None:
        """Note what stages did for a job, in the order given."""
        rows = [run_row(job_id, run, now) for run in runs]
        if rows:
            self._connection.execute(insert(STAGE_RUNS), rows)

    def runs(self, job_id: str) -> Sequence[RecordedRun]:
        """What stages did for a job, in the order in which it was noted."""
        s = STAGE_RUNS.c
        columns = (
            s.stage, s.key, s.output_sha256, s.models, s.evidence, s.seconds, s.reused,
            s.created_at,
        )  # fmt: skip
        query = select(*columns).where(s.job_id == job_id).order_by(s.id)
        return [RecordedRun(*row) for row in self._connection.execute(query)]


def _conditions(which: JobFilter) -> list[ColumnElement[bool]]:
    equal = {
        J.pipeline: which.pipeline, J.creator: which.creator, J.batch: which.batch,
        J.asset_sha256: which.asset_sha256,
    }  # fmt: skip
    found = [column == value for column, value in equal.items() if value is not None]
    if which.states:
        found.append(J.state.in_([str(state) for state in which.states]))
    if which.created_since is not None:
        found.append(J.created_at >= which.created_since)
    return found


def asset_row(asset: Asset) -> dict[str, Any]:
    """The row of an asset."""
    return {
        "sha256": asset.sha256,
        "name": asset.name,
        "bytes": asset.bytes,
        "created_at": asset.created_at,
    }


def run_row(job_id: str, run: StageRun, now: datetime) -> dict[str, Any]:
    """The row of what a stage did for a job."""
    return {
        "job_id": job_id,
        "stage": run.stage,
        "key": run.key,
        "output_sha256": run.sha256,
        "models": dict(run.record.models),
        "evidence": dict(run.record.evidence),
        "seconds": run.record.seconds,
        "reused": run.reused,
        "created_at": now,
    }


def job_row(job: Job) -> dict[str, Any]:
    """The row of a job."""
    judged = job.judged
    return {
        "id": job.id,
        "pipeline": job.pipeline,
        "pipeline_version": job.pipeline_version,
        "asset_sha256": job.asset_sha256,
        "params": dict(job.params),
        "creator": job.creator,
        "batch": job.batch,
        "priority": job.priority,
        "state": str(job.state),
        "policy_name": judged.policy if judged else None,
        "policy_version": judged.policy_version if judged else None,
        "confidence": judged.confidence if judged else None,
        "verdict": judged.verdict if judged else None,
        "error": job.error,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "version": job.version,
    }


def job_of(row: Mapping[Any, Any]) -> Job:
    """The job of a row."""
    fields = dict(row)
    judged = [fields.pop(n) for n in ("policy_name", "policy_version", "confidence", "verdict")]
    fields["state"] = JobState(row["state"])
    return Job(**fields, judged=Judged(*judged) if judged[0] is not None else None)
