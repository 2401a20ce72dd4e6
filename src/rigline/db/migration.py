"""The revision of a database's tables, and how it gets to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

_LOCK: Final = 7_461_023_118
"""Number of the advisory lock under which one process at a time migrates."""


@dataclass(frozen=True)
class Revision:
    """``current`` is None for a database without tables; ``head`` is what this Rigline needs."""

    current: str | None
    head: str
    known: bool

    @property
    def up_to_date(self) -> bool:
        """Whether the tables are those that this Rigline needs."""
        return self.current == self.head


def revision_of(connection: Connection) -> Revision:
    """The revision of the connected database; ``known`` is False for one from a later Rigline."""
    scripts = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_revision()
    known = current is None or any(s.revision == current for s in scripts.walk_revisions())
    return Revision(current, scripts.get_current_head() or "", known)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to a revision, all steps or none. Does nothing when they are there."""
    with engine.begin() as connection:
        command.upgrade(_config(_locked(connection)), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the tables back to a revision; ``base`` is none at all, and loses everything."""
    with engine.begin() as connection:
        command.downgrade(_config(_locked(connection)), revision)


def _locked(connection: Connection) -> Connection:
    """The connection, alone with the tables; SQLite's transaction has seen to that already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    return connection


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "rigline.db:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
