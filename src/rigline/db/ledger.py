"""The ledger: units of work over one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, make_url

from rigline.db import migration
from rigline.db.batches import Batches
from rigline.db.database import WRITES, open_engine, translated
from rigline.db.decisions import Decisions
from rigline.db.inbox import Inbox
from rigline.db.intakes import Intakes
from rigline.db.job_groups import JobGroups
from rigline.db.jobs import Jobs
from rigline.db.migration import Revision
from rigline.db.outbox import Outbox
from rigline.db.people import People
from rigline.db.policies import Policies
from rigline.db.review_history import ReviewHistory
from rigline.db.ticket_store import SqlTicketStore
from rigline.errors import InvalidInput


class Work:
    """A unit of work: all that is done through its parts is committed together or not at all.

    It belongs to one thread, and ends with the block that opened it.
    """

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self.jobs = Jobs(connection)
        self.job_groups = JobGroups(connection, locking=writes)
        self.batches = Batches(connection)
        self.tickets = SqlTicketStore(connection, locking=writes)
        self.decisions = Decisions(connection)
        self.policies = Policies(connection)
        self.intakes = Intakes(connection)
        self.people = People(connection)
        self.inbox = Inbox(connection)
        self.history = ReviewHistory(connection)
        self.outbox = Outbox(connection, locking=writes)


class Ledger:
    """One database, SQLite or PostgreSQL. Safe for many threads; connects on first use.

    It travels between processes as its ``address``, which may hold a password; ``name`` is for
    messages and holds none. A new SQLite file gets its tables on first use; a server's database is
    left to ``upgrade``. Everything that reaches the database raises ``ServiceUnavailable`` when
    that does not answer, and ``InvalidInput`` when its tables are not those of this Rigline.
    """

    def __init__(self, database: str) -> None:
        self.address = database
        self._engine = open_engine(database)
        self._checked = False
        self.name = make_url(database).render_as_string(hide_password=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.address,))

    @contextmanager
    def transaction(self) -> Iterator[Work]:
        """A unit of work, committed at the end of the block unless it raises."""
        self._check()
        with translated(self.name), self._engine.begin() as connection:
            yield Work(connection, writes=True)

    @contextmanager
    def reading(self) -> Iterator[Work]:
        """A unit of work that sees one moment of the database, and may change nothing."""
        options: dict[str, Any] = {WRITES: False}
        if self._engine.dialect.name == "postgresql":
            options |= {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
        self._check()
        with translated(self.name), self._engine.connect() as connection:
            connection.execution_options(**options)
            yield Work(connection, writes=False)

    def upgrade(self) -> Revision:
        """Bring the tables to what this Rigline needs; the revision afterwards."""
        with translated(self.name):
            migration.upgrade(self._engine)
        return self.revision()

    def revision(self) -> Revision:
        """The revision of the tables."""
        with translated(self.name), self._engine.connect() as connection:
            connection.execution_options(**{WRITES: False})
            return migration.revision_of(connection)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()

    def _check(self) -> None:
        """Once: that the tables are there."""
        if self._checked:
            return
        revision = self.revision()
        if revision.current is None and self._engine.dialect.name == "sqlite":
            revision = self.upgrade()
        if not revision.known:
            raise InvalidInput(
                f"The database {self.name} belongs to a later Rigline.",
                remedy="Upgrade Rigline.",
                revision=revision.current,
            )
        if not revision.up_to_date:
            raise InvalidInput(
                f"The tables of {self.name} are not those that this Rigline needs.",
                remedy="Run rigline db upgrade.",
                revision=revision.current,
            )
        self._checked = True
