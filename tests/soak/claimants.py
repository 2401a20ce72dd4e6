"""A process of several claimants, and tickets by the thousand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import Table, insert, text

from rigline.db.database import open_engine
from rigline.db.ledger import Ledger
from rigline.db.tables import JOBS, TICKETS
from rigline.db.ticket_rows import ticket_row
from rigline.errors import ServiceUnavailable
from rigline.review import queue
from rigline.review.ticket import Actor
from tests.support.ledgers import add_job, opened
from tests.support.tickets import NOW, open_ticket

LEASE = timedelta(hours=1)


def drain(address: str, process: int, threads: int) -> list[str]:
    """Ids of the tickets that the claimants of one process got until none was left."""
    with opened(address) as ledger, ThreadPoolExecutor(threads) as pool:
        claimed = pool.map(lambda n: _drain(ledger, f"r{process}-{n}"), range(threads))
        return [ticket for got in claimed for ticket in got]


def _drain(ledger: Ledger, name: str) -> list[str]:
    mine: list[str] = []
    while True:
        try:
            with ledger.transaction() as work:
                ticket = queue.claim_next(work.tickets, Actor(name), NOW, LEASE)
        except ServiceUnavailable:
            continue  # SQLite lets one write at a time, and on a busy machine some wait too long
        if ticket is None:
            return mine
        mine.append(ticket.id)


def fill(address: str, tickets: int) -> None:
    """Open tickets with their jobs."""
    with opened(address) as ledger, ledger.transaction() as work:
        add_job(work, "j0")
        work.tickets.add(open_ticket(0))
    if tickets == 1:
        return
    engine = open_engine(address)
    with engine.begin() as connection:
        model = dict(connection.execute(JOBS.select()).mappings().one())
        numbers = range(1, tickets)
        connection.execute(insert(JOBS), [{**model, "id": f"j{n}"} for n in numbers])
        rows = [ticket_row(open_ticket(n, priority=n % 3)) for n in numbers]
        connection.execute(insert(TICKETS), rows)
    engine.dispose()


def fill_postgresql(address: str, tickets: int) -> None:
    """Tickets with their jobs, every other one closed, made by the server itself."""
    fill(address, 1)
    decided = "CASE WHEN n % 2 = 0 THEN NULL ELSE {} END"
    jobs = {"id": "'j' || n"}
    made = {
        "id": "'t' || n", "job_id": "'j' || n", "priority": "(n::bigint * 7919) % 5",
        "created_at": "m.created_at + n * interval '1 millisecond'",
        "state": "CASE WHEN n % 2 = 0 THEN 'open' ELSE 'closed' END",
        "decision": decided.format("'approve'"), "decision_id": decided.format("'d' || n"),
        "decided_by": decided.format("'ann'"), "decided_at": decided.format("m.created_at"),
    }  # fmt: skip
    engine = open_engine(address)
    with engine.begin() as connection:
        connection.execute(text(_multiplied(JOBS, jobs)), {"last": tickets - 1})
        connection.execute(text(_multiplied(TICKETS, made)), {"last": tickets - 1})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE tickets"))
    engine.dispose()


def _multiplied(table: Table, made: dict[str, str]) -> str:
    """A statement that copies the only row of a table many times, with some columns otherwise."""
    columns = [column.name for column in table.columns]
    values = ", ".join(made.get(column, f"m.{column}") for column in columns)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) "
        f"SELECT {values} FROM {table.name} m, generate_series(1, :last) n"
    )
