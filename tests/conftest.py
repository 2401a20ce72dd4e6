from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger
    from tests.support.ledgers import PostgresServer

# Clusters that tests make of Ray's own parts get the patience of `rigline.batch.run`.
os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "60")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for all tests."""
    from tests.support.ledgers import PostgresServer

    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
def postgresql_ledger(postgres: PostgresServer) -> Iterator[Ledger]:
    """An empty ledger in a PostgreSQL database of its own."""
    from tests.support.ledgers import opened

    with opened(postgres.new_database()) as ledger:
        yield ledger


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger in an SQLite file of its own."""
    from tests.support.ledgers import opened

    with opened(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.upgrade()
        yield ledger


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """An empty ledger, of each kind in turn."""
    return request.getfixturevalue(f"{request.param}_ledger")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of this process's own with two CPUs, one for all tests."""
    from rigline.batch.run import cluster

    with cluster(2):
        yield
