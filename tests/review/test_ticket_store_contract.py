"""What every ticket store promises, asked of each of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from rigline.errors import ContractViolation, InvalidInput, ReviewConflict
from rigline.review.actions import ActionKind
from rigline.review.figures import figures_of
from rigline.review.memory import MemoryTicketStore
from rigline.review.ticket import UNDO_WINDOW, Role, Ticket, TicketState
from rigline.review.ticket_store import TicketStore
from rigline.review.transitions import apply
from tests.support.ledgers import LedgerTickets
from tests.support.tickets import ANN, LEASE, NOW, SECOND, action, open_ticket, ticket_in

THREADS = 8


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
)  # fmt: skip
def store(request: pytest.FixtureRequest) -> TicketStore:
    if request.param == "memory":
        return MemoryTicketStore()
    return LedgerTickets(request.getfixturevalue(f"{request.param}_ledger"))


def numbered(ticket: Ticket, number: int) -> Ticket:
    return replace(ticket, id=f"t{number}", job_id=f"j{number}")


def offered(store: TicketStore, reviewer: str, role: Role = Role.REVIEWER) -> list[str]:
    return [ticket.id for ticket in store.claimable(reviewer, role, NOW, 100)]


@pytest.mark.parametrize("state", TicketState)
def test_a_ticket_comes_back_as_it_was(store: TicketStore, state: TicketState) -> None:
    ticket = ticket_in(state, skipped_by=frozenset({"bob", "cleo"}))
    store.add(ticket)
    assert store.get("t1") == ticket


def test_an_unknown_ticket_is_the_callers_mistake(store: TicketStore) -> None:
    with pytest.raises(InvalidInput, match="t9"):
        store.get("t9")


def test_a_job_has_one_ticket_at_a_time(store: TicketStore) -> None:
    store.add(open_ticket(1))
    for second in (open_ticket(1), open_ticket(2, job_id="j1"), open_ticket(1, job_id="j2")):
        with pytest.raises(ReviewConflict) as caught:
            store.add(second)
        assert caught.value.fields["conflict"] == "duplicate"
    store.add(ticket_in(TicketState.CLOSED, id="t3", job_id="j3"))
    store.add(open_ticket(4, job_id="j3"))
    assert store.get("t4").job_id == "j3"


def test_compare_and_set_needs_the_version_in_force(store: TicketStore) -> None:
    ticket = open_ticket()
    store.add(ticket)
    claimed = apply(ticket, action(ActionKind.CLAIM, ANN)).ticket
    assert not store.compare_and_set(replace(claimed, version=6), 5)
    assert store.compare_and_set(claimed, 0)
    assert not store.compare_and_set(claimed, 0)
    assert store.get("t1") == claimed
    assert not store.compare_and_set(replace(claimed, id="t9"), 0)


def test_a_version_that_does_not_grow_breaks_the_contract(store: TicketStore) -> None:
    store.add(open_ticket())
    with pytest.raises(ContractViolation, match="grow"):
        store.compare_and_set(open_ticket(), 0)


def test_of_racing_writers_exactly_one_hears_that_it_won(store: TicketStore) -> None:
    for race in range(20):
        ticket = open_ticket(race)
        store.add(ticket)
        start = threading.Barrier(THREADS)

        def write(number: int, ticket: Ticket = ticket, start: threading.Barrier = start) -> bool:
            start.wait()
            return store.compare_and_set(replace(ticket, priority=number, version=1), 0)

        with ThreadPoolExecutor(THREADS) as pool:
            won = list(pool.map(write, range(THREADS)))
        assert won.count(True) == 1
        assert store.get(ticket.id).priority == won.index(True)


def test_open_tickets_are_offered_by_preference_priority_and_age(store: TicketStore) -> None:
    past = {"preferred_until": NOW - SECOND}
    for ticket in (
        open_ticket(1),
        open_ticket(2, priority=5),
        open_ticket(3, priority=5),
        open_ticket(4, preferred_reviewer="ann", preferred_until=NOW + LEASE),
        open_ticket(5, preferred_reviewer="bob", **past),
        open_ticket(6, skipped_by=frozenset({"ann"}), priority=9),
        open_ticket(7, created_at=NOW - timedelta(days=9)),
        open_ticket(8, priority=-1),
    ):
        store.add(ticket)
    assert offered(store, "ann") == ["t4", "t2", "t3", "t7", "t1", "t5", "t8"]
    assert offered(store, "bob") == ["t5", "t6", "t2", "t3", "t7", "t1", "t8"]
    assert [t.id for t in store.claimable("ann", Role.REVIEWER, NOW, 2)] == ["t4", "t2"]


def test_only_tickets_that_wait_are_offered_and_escalated_ones_to_leads(
    store: TicketStore,
) -> None:
    for number, state in enumerate(TicketState):
        # Age decides nothing here: each has the same priority and its own number.
        store.add(numbered(ticket_in(state), number))
    by_state = {state: f"t{number}" for number, state in enumerate(TicketState)}
    assert offered(store, "bob") == [by_state[TicketState.OPEN]]
    both = [by_state[TicketState.OPEN], by_state[TicketState.ESCALATED]]
    assert offered(store, "liz", Role.LEAD) == both
    assert offered(store, "rigline", Role.SYSTEM) == []


def test_what_is_due_comes_longest_overdue_first(store: TicketStore) -> None:
    for number, state in enumerate(TicketState):
        store.add(numbered(ticket_in(state), number))
    store.add(ticket_in(TicketState.CLAIMED, since=NOW - SECOND, id="t9", job_id="j9"))
    states = [t.state for t in store.due(NOW + LEASE, 100)]
    assert states == [
        TicketState.DECIDED, TicketState.CLAIMED, TicketState.CLAIMED, TicketState.HELD,
    ]  # fmt: skip
    assert [t.id for t in store.due(NOW + LEASE, 2)][1] == "t9"
    assert [t.state for t in store.due(NOW + UNDO_WINDOW, 100)] == [TicketState.DECIDED]
    assert store.due(NOW + UNDO_WINDOW - SECOND, 100) == []


def test_what_waits_too_long_comes_longest_overdue_first(store: TicketStore) -> None:
    for number, state in enumerate(TicketState):
        store.add(numbered(ticket_in(state, overdue_at=NOW + number * SECOND), number))
    store.add(open_ticket(8, overdue_at=NOW - SECOND))
    store.add(open_ticket(9, overdue_at=None))
    waiting = {state: f"t{n}" for n, state in enumerate(TicketState)}
    late = ["t8", waiting[TicketState.OPEN], waiting[TicketState.ESCALATED]]
    assert [ticket.id for ticket in store.overdue(NOW + LEASE, 100)] == late
    assert [ticket.id for ticket in store.overdue(NOW + LEASE, 2)] == late[:2]
    assert [ticket.id for ticket in store.overdue(NOW - SECOND, 100)] == ["t8"]
    assert store.overdue(NOW - 2 * SECOND, 100) == []


def test_who_skipped_a_ticket_is_kept_whatever_was_seen_of_it(store: TicketStore) -> None:
    store.add(open_ticket(1, skipped_by=frozenset({"ann", "bob"})))
    for version, skipped_by in enumerate(({"bob", 'c,"le\u0416'}, set(), {"ann"}), 1):
        ticket = open_ticket(1, skipped_by=frozenset(skipped_by), version=version)
        assert store.compare_and_set(ticket, version - 1)
        assert store.get("t1") == ticket
    assert offered(store, "ann") == []
    assert offered(store, "bob") == ["t1"]


def test_audit_entries_stay_in_order_and_apart(store: TicketStore) -> None:
    ticket, entries = open_ticket(), []
    for kind in (ActionKind.CLAIM, ActionKind.SKIP):
        outcome = apply(ticket, action(kind, ANN, NOW, ticket.fencing_token))
        ticket = outcome.ticket
        entries.append(outcome.audit)
        store.append_audit(outcome.audit)
    other = apply(open_ticket(2), action(ActionKind.CLAIM, ANN)).audit
    store.append_audit(other)
    assert list(store.audit("t1")) == entries
    assert list(store.audit("t2")) == [other]
    assert list(store.audit("t9")) == []


def test_the_figures_are_those_of_all_tickets(store: TicketStore) -> None:
    tickets = [numbered(ticket_in(state), n) for n, state in enumerate(TicketState)]
    tickets.append(open_ticket(50, flagged=("rig", "cage"), created_at=NOW - timedelta(days=3)))
    for ticket in tickets:
        store.add(ticket)
    figures = store.figures(NOW)
    assert figures == figures_of(tickets, NOW)
    assert figures.counts == {state: 1 + (state == "open") for state in TicketState}
    assert (figures.backlog, figures.oldest_age) == (5, timedelta(days=3))
    assert figures.backlog_by_stage == {"cage": 1, "rig": 5}


def test_an_empty_queue_has_figures_too(store: TicketStore) -> None:
    figures = store.figures(NOW)
    assert (figures.backlog, figures.oldest_age, figures.backlog_by_stage) == (0, None, {})
    assert set(figures.counts) == set(TicketState)
