"""The inbox: piles, filters, counts, in the order of the queue."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rigline.db.inbox import InboxFilter, Tab
from rigline.db.ledger import Ledger
from rigline.review.ticket import TicketState
from tests.support.ledgers import add_job
from tests.support.tickets import NOW, SECOND, open_ticket, ticket_in

JOBS = {
    "j1": {"creator": "carol", "batch": "spring"},
    "j2": {"creator": "50%_off", "batch": "spring"},
    "j3": {"creator": "carol", "batch": None},
    "j4": {"creator": "carol", "batch": None},
    "j5": {"creator": "carol", "batch": None},
    "j6": {"creator": "carol", "batch": None},
}


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    tickets = [
        open_ticket(1, priority=1),
        open_ticket(2, priority=5, flagged=("segment", "rig"), reasons=("segment: 10% off",)),
        open_ticket(3, skipped_by=frozenset({"ann"})),
        ticket_in(TicketState.CLAIMED, "ann", id="t4", job_id="j4"),
        ticket_in(TicketState.ESCALATED, "bob", id="t5", job_id="j5"),
        ticket_in(TicketState.DECIDED, "ann", id="t6", job_id="j6"),
    ]
    with ledger.transaction() as work:
        for job, fields in JOBS.items():
            add_job(work, job, **fields)
        for ticket in tickets:
            work.tickets.add(ticket)
    return ledger


def ids(ledger: Ledger, person: str = "ann", **fields: object) -> list[str]:
    which = InboxFilter(**fields)  # type: ignore[arg-type]
    with ledger.reading() as work:
        rows = work.inbox.rows(person, which, NOW)
        assert work.inbox.count(person, which, NOW) == len(rows)
    return [row.ticket_id for row in rows]


def test_each_pile_has_its_own(filled: Ledger) -> None:
    assert {tab: ids(filled, tab=tab) for tab in Tab} == {
        Tab.MINE: ["t4"], Tab.POOL: ["t2", "t1"], Tab.ESCALATED: ["t5"], Tab.HELD: [],
        Tab.CLAIMED: [], Tab.DONE: ["t6"],
    }  # fmt: skip
    assert ids(filled, "bob") == ["t2", "t1", "t3"]
    assert ids(filled, "bob", tab=Tab.CLAIMED) == ["t4"]
    with filled.reading() as work:
        assert work.inbox.counts("ann", NOW)[Tab.POOL] == 2


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"stage": "segment"}, ["t2"]),
        ({"stage": "seg"}, []),
        ({"reason": "VIEWS disagree"}, ["t1"]),
        ({"reason": "10%"}, ["t2"]),
        ({"reason": "1_%"}, []),
        ({"creator": "50%_off"}, ["t2"]),
        ({"batch": "spring"}, ["t2", "t1"]),
        ({"pipeline": "another"}, []),
        ({"least_priority": 2}, ["t2"]),
        ({"created_before": NOW - timedelta(days=1) + SECOND}, ["t1"]),
        ({"reason": "'; DROP TABLE tickets; --"}, []),
    ],
)
def test_filters(filled: Ledger, fields: dict[str, object], found: list[str]) -> None:
    assert ids(filled, **fields) == found


def test_a_returned_ticket_is_mine_and_nobody_elses_for_a_while(ledger: Ledger) -> None:
    until = NOW + timedelta(minutes=5)
    with ledger.transaction() as work:
        add_job(work, "j1")
        work.tickets.add(open_ticket(1, preferred_reviewer="ann", preferred_until=until))
    assert (ids(ledger, "ann", tab=Tab.MINE), ids(ledger, "bob")) == (["t1"], [])


def test_facets_are_those_of_what_waits(filled: Ledger) -> None:
    with filled.reading() as work:
        facets = work.inbox.facets()
    assert facets.stages == ("rig", "segment")
    assert facets.creators == ("50%_off", "carol")
    assert facets.batches == ("spring",)
