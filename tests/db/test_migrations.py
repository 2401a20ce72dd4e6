"""Revisions: empty to head is the metadata, and the way back is open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    Table,
    inspect,
    select,
    text,
)

from rigline.db.database import open_engine
from rigline.db.ledger import Ledger
from rigline.db.migration import _config, downgrade, upgrade
from rigline.db.tables import METADATA
from rigline.errors import InvalidInput
from tests.support.tickets import NOW


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    return request.getfixturevalue("postgres").new_database(empty=True)


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    engine = open_engine(address)
    yield engine
    engine.dispose()


def differences(engine: Engine) -> list[object]:
    def compared(_object: object, name: str | None, *_: object) -> bool:
        # Alembic cannot compare a descending index on SQLite; on PostgreSQL it does.
        return engine.dialect.name == "postgresql" or name != "ix_tickets_claimable"

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": compared})
        return list(compare_metadata(context, METADATA))


def index_names(engine: Engine) -> set[str]:
    kept = "sqlite_master WHERE type = 'index'"
    query = f"SELECT name FROM {kept}"
    if engine.dialect.name == "postgresql":
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
    with engine.connect() as connection:
        return {row[0] for row in connection.execute(text(query))}


def test_empty_to_head_gives_the_metadata(engine: Engine) -> None:
    upgrade(engine)
    assert differences(engine) == []
    wanted = {str(i.name) for table in METADATA.tables.values() for i in table.indexes}
    assert wanted <= index_names(engine)
    upgrade(engine)
    assert differences(engine) == []


def test_the_way_back_and_forth(engine: Engine) -> None:
    upgrade(engine)
    downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    upgrade(engine)
    assert differences(engine) == []


def test_several_may_upgrade_at_once(address: str) -> None:
    command = [
        sys.executable, "-c",
        "import sys; from rigline.db.ledger import Ledger; Ledger(sys.argv[1]).upgrade()", address,
    ]  # fmt: skip
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(p.communicate()[1], p.returncode) for p in running] == [(b"", 0)] * 2


def revisions() -> list[str]:
    """All revisions, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][
        ::-1
    ]


@pytest.mark.parametrize("revision", revisions())
def test_data_of_every_revision_comes_along_to_the_head(engine: Engine, revision: str) -> None:
    upgrade(engine, revision)
    then = MetaData()
    then.reflect(engine)
    tables = [table for table in then.sorted_tables if table.name != "alembic_version"]
    with engine.begin() as connection:
        for table in tables:
            connection.execute(table.insert().values(plausible(table)))
        before = {table.name: rows_of(connection, table) for table in tables}
    upgrade(engine)
    with engine.connect() as connection:
        assert {table.name: rows_of(connection, table) for table in tables} == before
    ledger = Ledger(engine.url.render_as_string(hide_password=False))
    with ledger.reading() as work:
        (ticket,) = work.tickets.find()
        assert (ticket.id, work.jobs.get(ticket.job_id).id) == ("id", "id")
        assert [entry.ticket_id for entry in work.tickets.audit("ticket_id")] == ["ticket_id"]
    ledger.close()


def rows_of(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    """The rows of a table in the columns that it had when it was reflected."""
    return [tuple(row) for row in connection.execute(select(table))]


def plausible(table: Table) -> dict[str, object]:
    """A row that the database and Rigline take, and in which all references lead somewhere."""
    known = {
        "state": {"jobs": "in_review", "tickets": "open"}.get(table.name, "done"),
        "kind": "approve", "action": "claim", "role": "reviewer", "from_state": "open",
        "to_state": "claimed", "hold_reason": "", "escalation_reason": "", "error": "",
        "policy_name": "name", "flagged": ["rig"], "reasons": ["rig: why"],
        "name": "name", "sha256": "sha256", "asset_sha256": "sha256",
    }  # fmt: skip
    row: dict[str, object] = {}
    for column in table.columns:
        if column.name in known:
            row[column.name] = known[column.name]
        elif column.foreign_keys:
            row[column.name] = 1 if "version" in column.name else "id"
        elif not column.nullable:
            row[column.name] = plausible_value(column)
    return row


def plausible_value(column: Column[object]) -> object:
    if isinstance(column.type, DateTime):
        return NOW
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer | Float):
        return 1
    return {} if isinstance(column.type, JSON) else column.name


def test_a_ledger_wants_the_tables_it_knows(address: str) -> None:
    ledger = Ledger(address)
    if address.startswith("sqlite"):
        with ledger.reading() as work:
            assert work.jobs.list() == []
    else:
        with pytest.raises(InvalidInput, match="rigline db upgrade"), ledger.reading():
            pass
    ledger.upgrade()
    ledger.close()
    ledger = Ledger(address)
    engine = open_engine(address)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    engine.dispose()
    with pytest.raises(InvalidInput, match="later Rigline"), ledger.transaction():
        pass
    assert not ledger.revision().known
    ledger.close()
