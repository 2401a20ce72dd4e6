"""Many claimants at once, and one in a very large table."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, text

from rigline.db.ledger import Ledger
from rigline.review import queue
from rigline.review.ticket import TicketState
from tests.soak.claimants import drain, fill, fill_postgresql
from tests.support.ledgers import PostgresServer
from tests.support.tickets import ANN, LEASE, NOW

CLAIMANTS = {"postgresql": (5, 10), "sqlite": (2, 4)}
"""Processes, and threads of each."""


@pytest.mark.parametrize(
    "tickets", [600, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
@pytest.mark.server
def test_claimants_of_many_processes_drain_the_queue(ledger: Ledger, tickets: int) -> None:
    fill(ledger.address, tickets)
    kind = ledger.address.partition(":")[0].partition("+")[0]
    processes, threads = CLAIMANTS[kind]
    began = time.perf_counter()
    # Not forked: the test's process has threads and connections of its own.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.soak.claimants"])
    with ProcessPoolExecutor(processes, context) as pool:
        draining = [pool.submit(drain, ledger.address, n, threads) for n in range(processes)]
        claimed = Counter(ticket for future in draining for ticket in future.result())
    took = time.perf_counter() - began
    print(f"\n{kind}: {processes * threads} claimants drained {tickets} tickets in {took:.1f} s")
    assert claimed == Counter(f"t{number}" for number in range(tickets))
    with ledger.reading() as work:
        assert work.tickets.figures(NOW).counts[TicketState.CLAIMED] == tickets


def statements_of_a_claim(ledger: Ledger) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(ledger._engine, "before_cursor_execute", note)
    with ledger.transaction() as work:
        assert queue.claim_next(work.tickets, ANN, NOW, LEASE) is not None
    event.remove(ledger._engine, "before_cursor_execute", note)
    return seen


def test_a_claim_takes_one_question_and_two_writes(ledger: Ledger) -> None:
    fill(ledger.address, 20)
    with ledger.reading() as work:
        work.tickets.get("t0")  # connected and checked
    found = [statement.split()[0] for statement, _ in statements_of_a_claim(ledger)]
    assert [word for word in found if word not in ("PRAGMA", "BEGIN")] == [
        "SELECT", "UPDATE", "INSERT",
    ]  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_claim_in_a_table_of_a_million(postgres: PostgresServer) -> None:
    """Prints the figures; the machine decides about them, the plan is what is asserted."""
    address = postgres.new_database()
    fill_postgresql(address, 1_000_000)
    ledger = Ledger(address)
    for _ in range(20):
        statements_of_a_claim(ledger)
    wall, cpu = [], []
    for _ in range(1000):
        began, worked = time.perf_counter(), time.process_time()
        with ledger.transaction() as work:
            assert queue.claim_next(work.tickets, ANN, NOW, LEASE) is not None
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - worked))
    for name, taken in (("wall", sorted(wall)), ("this process's CPU", sorted(cpu))):
        print(
            f"\nclaim, 1,000,000 tickets, {name}: p50 {taken[500]:.2f} ms, p95 {taken[950]:.2f} ms"
        )
    question, parameters = statements_of_a_claim(ledger)[0]
    with ledger._engine.begin() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {question}", parameters)
        lines = [str(row[0]) for row in plan]
        indexes = connection.execute(text("SELECT count(*) FROM tickets")).scalar_one()
    print("\n".join(lines))
    ledger.close()
    assert indexes == 1_000_000
    assert not [line for line in lines if "Seq Scan on tickets" in line]
