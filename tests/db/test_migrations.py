"""Revisions: empty to head is the metadata, and the way back is open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from rigline.db.database import open_engine
from rigline.db.ledger import Ledger
from rigline.db.migration import downgrade, upgrade
from rigline.db.tables import METADATA
from rigline.errors import InvalidInput


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


def test_a_ledger_wants_the_tables_it_knows(address: str) -> None:
    ledger = Ledger(address)
    with pytest.raises(InvalidInput, match="rigline db upgrade"), ledger.reading():
        pass
    ledger.upgrade()
    engine = open_engine(address)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    engine.dispose()
    with pytest.raises(InvalidInput, match="later Rigline"), ledger.transaction():
        pass
    assert not ledger.revision().known
    ledger.close()
