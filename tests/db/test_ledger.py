"""What the database itself promises: one ticket a job, a lasting audit, no double claim."""

from __future__ import annotations

import pickle
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from rigline.bootstrap import load_policy
from rigline.db.database import open_engine
from rigline.db.ledger import Ledger
from rigline.errors import ContractViolation, InvalidInput, ReviewConflict, ServiceUnavailable
from rigline.review import queue
from rigline.review.ticket import Actor, TicketState
from tests.support.ledgers import PostgresServer, add_job, opened
from tests.support.servers import free_port
from tests.support.tickets import ANN, LEASE, NOW, open_ticket

THREADS, TICKETS = 8, 300


def refused(ledger: Ledger, statement: str) -> None:
    engine = open_engine(ledger.address)
    with pytest.raises(Exception, match="never changed"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_claimants_drain_the_queue_and_none_gets_what_another_has(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        for number in range(TICKETS):
            add_job(work, f"j{number}")
            work.tickets.add(open_ticket(number, priority=number % 3))

    def drain(number: int) -> list[str]:
        mine = []
        while True:
            with ledger.transaction() as work:
                ticket = queue.claim_next(work.tickets, Actor(f"r{number}"), NOW, LEASE)
            if ticket is None:
                return mine
            mine.append(ticket.id)

    with ThreadPoolExecutor(THREADS) as pool:
        claimed = Counter(t for drained in pool.map(drain, range(THREADS)) for t in drained)
    assert claimed == Counter(f"t{number}" for number in range(TICKETS))
    with ledger.reading() as work:
        assert work.tickets.figures(NOW).counts[TicketState.CLAIMED] == TICKETS
        holders = Counter(work.tickets.get(f"t{n}").claimed_by for n in range(TICKETS))
    assert holders.total() == TICKETS


def test_a_candidate_of_another_is_passed_over_but_never_lost(
    postgresql_ledger: Ledger,
) -> None:
    with postgresql_ledger.transaction() as work:
        for number in (1, 2):
            add_job(work, f"j{number}")
            work.tickets.add(open_ticket(number))

    def offered(limit: int) -> list[str]:
        with postgresql_ledger.transaction() as other:
            found = other.tickets.claimable("bob", ANN.role, NOW, limit)
            return [ticket.id for ticket in found]

    with postgresql_ledger.transaction() as work:
        assert [t.id for t in work.tickets.claimable("ann", ANN.role, NOW, 1)] == ["t1"]
        assert offered(2) == ["t2"]
        work.tickets.claimable("ann", ANN.role, NOW, 2)
        assert offered(2) == ["t1", "t2"]


@pytest.mark.parametrize("table", ["audit_entries", "policies"])
def test_what_was_written_for_good_stays(ledger: Ledger, table: str) -> None:
    with ledger.transaction() as work:
        add_job(work, "j1")
        work.tickets.add(open_ticket(1))
        queue.claim(work.tickets, "t1", ANN, NOW, LEASE)
        work.policies.add(load_policy(), NOW)
    refused(ledger, f"UPDATE {table} SET version = 9")
    refused(ledger, f"DELETE FROM {table}")
    with ledger.reading() as work:
        assert len(work.tickets.audit("t1")) == 1


def test_the_database_itself_allows_a_job_one_ticket_at_a_time(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        add_job(work, "j1")
        work.tickets.add(open_ticket(1))
        with pytest.raises(ReviewConflict):
            work.tickets.add(open_ticket(2, job_id="j1"))
        assert work.tickets.get("t1") == open_ticket(1)
    with pytest.raises(ContractViolation, match=r"(?i)foreign key"), ledger.transaction() as work:
        work.tickets.add(open_ticket(3))


def test_what_raises_is_rolled_back_whole(ledger: Ledger) -> None:
    def break_off() -> None:
        with ledger.transaction() as work:
            add_job(work, "j1")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    with ledger.reading() as work, pytest.raises(InvalidInput):
        work.jobs.get("j1")


def test_a_ledger_travels_as_its_address(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        add_job(work, "j1")
    with opened(pickle.loads(pickle.dumps(ledger)).address) as other, other.reading() as work:
        assert work.jobs.get("j1").creator == "carol"


def test_nobody_at_the_address_is_said_quickly() -> None:
    address = f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/rigline"
    started = time.monotonic()
    with opened(address) as ledger, pytest.raises(ServiceUnavailable) as caught:
        ledger.revision()
    assert time.monotonic() - started < 5
    assert "s3cret" not in str(caught.value) + repr(caught.value.fields) + ledger.name


@pytest.mark.server
def test_a_server_that_restarts_breaks_one_unit_of_work(
    postgres: PostgresServer, postgresql_ledger: Ledger
) -> None:
    def be_cut_off() -> None:
        with postgresql_ledger.transaction() as work:
            add_job(work, "j1")
            postgres.end_sessions()
            add_job(work, "j2")

    with pytest.raises(ServiceUnavailable):
        be_cut_off()
    with postgresql_ledger.transaction() as work:
        add_job(work, "j1")


@pytest.mark.server
def test_a_dead_server_is_said_quickly(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = PostgresServer(tmp_path_factory.mktemp("doomed"))
    with opened(server.new_database()) as ledger:
        with ledger.transaction() as work:
            add_job(work, "j1")
        server.stop()
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable), ledger.transaction() as work:
            work.jobs.get("j1")
        assert time.monotonic() - started < 5


def test_a_file_that_is_no_database_is_the_callers_mistake(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"these are my notes, " * 100)
    with opened(f"sqlite:///{tmp_path}/notes.db") as ledger, pytest.raises(InvalidInput):
        ledger.revision()


@pytest.mark.parametrize(
    "address", ["", "ledger.db", "mysql://ann@host/db", "sqlite://", "sqlite:///:memory:"]
)
def test_an_address_that_cannot_be_is_the_callers_mistake(address: str) -> None:
    with pytest.raises(InvalidInput, match="RIGLINE_DATABASE"):
        Ledger(address)


def test_sqlite_is_opened_for_many(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    engine.dispose()
    assert found == {
        "journal_mode": "wal", "busy_timeout": 10_000, "foreign_keys": 1, "synchronous": 2,
    }  # fmt: skip
