"""Jobs by the hundred: what :mod:`rigline.db.jobs` does one by one, in a few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rigline.db.jobs import asset_row, job_of, job_row, run_row
from rigline.db.tables import ASSETS, JOBS, STAGE_RUNS, TICKETS
from rigline.engine.job import Asset, Job
from rigline.engine.stage_run import StageRun
from rigline.review.ticket import TicketState

J = JOBS.c


class JobGroups:
    """Groups of jobs of one unit of work; a group is small enough for one statement."""

    def __init__(self, connection: Connection, *, locking: bool = False) -> None:
        self._connection = connection
        self._locking = locking and connection.dialect.name == "postgresql"

    def get(self, ids: Collection[str]) -> dict[str, Job]:
        """Those of the jobs that are there, by id; on PostgreSQL nobody else can move them now."""
        query = select(JOBS).where(J.id.in_(list(ids)))
        if self._locking:
            query = query.order_by(J.id).with_for_update()
        return {row["id"]: job_of(row) for row in self._connection.execute(query).mappings()}

    def assets(self, shas: Collection[str]) -> dict[str, Asset]:
        """Those of the assets that are there, by sha256."""
        query = select(ASSETS).where(ASSETS.c.sha256.in_(list(shas)))
        return {row.sha256: Asset(*row) for row in self._connection.execute(query)}

    def seen_by_reviewers(self, ids: Collection[str]) -> frozenset[str]:
        """Those of the jobs that have, or had, a ticket which was not withdrawn."""
        query = select(TICKETS.c.job_id).where(
            TICKETS.c.job_id.in_(list(ids)), TICKETS.c.state != str(TicketState.WITHDRAWN)
        )
        return frozenset(self._connection.execute(query).scalars())

    def add(self, assets: Sequence[Asset], jobs: Sequence[Job]) -> None:
        """Keep assets and jobs, but for those that are there already."""
        self._insert(ASSETS, [asset_row(asset) for asset in assets])
        self._insert(JOBS, [job_row(job) for job in jobs])

    def put(self, changes: Sequence[tuple[Job, Job]]) -> frozenset[str]:
        """Write jobs as they are after, where they are still as before; the ids of those that were.

        Of all who change one version of a job exactly one succeeds.
        """
        there = self.get([before.id for before, _ in changes])
        fitting = [
            after
            for before, after in changes
            if before.id in there and there[before.id].version == before.version
        ]
        names = [column.name for column in JOBS.columns if column.name != "id"]
        statement = (
            update(JOBS)
            .where(J.id == bindparam("b_id"))
            .values({name: bindparam(f"b_{name}") for name in names})
        )
        rows = [{f"b_{k}": v for k, v in job_row(after).items()} for after in fitting]
        if rows:
            self._connection.execute(statement, rows)
        return frozenset(after.id for after in fitting)

    def record_runs(self, runs: Iterable[tuple[str, StageRun]], now: datetime) -> None:
        """Note what stages did for jobs, each with its job's id, in the order given."""
        rows = [run_row(job_id, run, now) for job_id, run in runs]
        if rows:
            self._connection.execute(insert(STAGE_RUNS), rows)

    def noted(self, ids: Collection[str]) -> frozenset[tuple[str, str, str, str]]:
        """Job, stage, key and output of what is noted of these jobs."""
        s = STAGE_RUNS.c
        query = select(s.job_id, s.stage, s.key, s.output_sha256).where(s.job_id.in_(list(ids)))
        return frozenset((a, b, c, d) for a, b, c, d in self._connection.execute(query))

    def _insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        dialect = sqlite if self._connection.dialect.name == "sqlite" else postgresql
        if rows:
            self._connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))
