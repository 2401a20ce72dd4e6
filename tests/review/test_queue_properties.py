"""Whatever several people do in whatever order: no ticket lost, none with two people at once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from rigline.db.ledger import Ledger
from rigline.errors import ReviewConflict
from rigline.review import queue
from rigline.review.actions import ActionKind
from rigline.review.memory import MemoryTicketStore
from rigline.review.ticket import OVERDUE_AFTER, RISE, SYSTEM, UNDO_WINDOW, Actor, TicketState
from rigline.review.ticket_store import TicketStore
from rigline.review.transitions import legal_actions
from tests.support.ledgers import LedgerTickets, opened
from tests.support.tickets import ANN, BOB, LEASE, LIZ, NOW, action, open_ticket

N_TICKETS = 2
EDGES = {
    "open": {"claimed", "open", "withdrawn"},
    "claimed": {"open", "held", "escalated", "decided", "withdrawn"},
    "held": {"open", "escalated", "withdrawn"},
    "escalated": {"claimed", "escalated", "withdrawn"},
    "decided": {"claimed", "closed", "withdrawn"},
    "closed": {"open", "withdrawn"},
    "withdrawn": {"open"},
}
"""Where a ticket may go from each state. It stays by a rise in priority, and by a heartbeat, which
the audit does not mention."""

UNASKED = {ActionKind.EXPIRE_LEASE, ActionKind.WITHDRAW}
"""Takes a ticket from whoever has it, without their word."""

FREEING = UNASKED | {
    ActionKind.RELEASE, ActionKind.HOLD, ActionKind.SKIP,
    ActionKind.ESCALATE, ActionKind.APPROVE, ActionKind.CORRECT, ActionKind.REJECT,
}  # fmt: skip
WAITS = [timedelta(seconds=1), UNDO_WINDOW / 6, UNDO_WINDOW, LEASE, OVERDUE_AFTER]
people = st.sampled_from([ANN, BOB, LIZ, SYSTEM])
tickets = st.sampled_from([f"t{n}" for n in range(N_TICKETS)])


@dataclass
class Memory:
    """What the test itself remembers of a ticket."""

    holder: str | None = None
    tokens: list[int] = field(default_factory=lambda: [0])
    skipped_by: set[str] = field(default_factory=set)
    decided: tuple[str, datetime] | None = None


class ReviewQueue(RuleBasedStateMachine):
    """People act with tokens old and new while the clock runs; every success is checked."""

    def new_store(self) -> TicketStore:
        return MemoryTicketStore()

    @initialize()
    def fill(self) -> None:
        self.now = NOW
        self.store = self.new_store()
        self.known = {f"t{n}": Memory() for n in range(N_TICKETS)}
        for number in range(N_TICKETS):
            self.store.add(open_ticket(number, priority=number % 2))

    @rule(actor=people)
    def claim_next(self, actor: Actor) -> None:
        ticket = queue.claim_next(self.store, actor, self.now, LEASE)
        if ticket is not None:
            assert actor.name not in self.known[ticket.id].skipped_by
            self.took(ticket.id, actor)

    @rule(actor=people, ticket_id=tickets, kind=st.sampled_from(ActionKind), data=st.data())
    def act(self, actor: Actor, ticket_id: str, kind: ActionKind, data: st.DataObject) -> None:
        known = self.known[ticket_id]
        token = data.draw(st.sampled_from(known.tokens[::-1]))
        self.attempt(actor, ticket_id, kind, token)

    @rule(ticket_id=tickets, data=st.data())
    def act_as_one_who_may(self, ticket_id: str, data: st.DataObject) -> None:
        """Random people seldom get far; the table is asked what is worth trying, no more."""
        known = self.known[ticket_id]
        name = known.holder or (known.decided[0] if known.decided else "liz")
        holder = next(actor for actor in (ANN, BOB, LIZ) if actor.name == name)
        state = self.store.get(ticket_id).state
        tries = [(a, k) for a in (holder, LIZ, SYSTEM) for k in legal_actions(state, a.role)]
        actor, kind = data.draw(st.sampled_from(tries))
        self.attempt(actor, ticket_id, kind, known.tokens[-1])

    @rule(
        wait=st.sampled_from(
            [timedelta(seconds=1), UNDO_WINDOW / 6, UNDO_WINDOW, LEASE, OVERDUE_AFTER]
        )
    )
    def wait(self, wait: timedelta) -> None:
        self.now += wait

    @rule(wait=st.sampled_from([timedelta(0), UNDO_WINDOW]))
    def sweep(self, wait: timedelta) -> None:
        self.now += wait
        before = {ticket_id: self.store.get(ticket_id) for ticket_id in self.known}
        queue.sweep(self.store, self.now)
        for ticket_id, ticket in before.items():
            after = self.store.get(ticket_id)
            moved = ticket.is_due(self.now) or ticket.is_overdue(self.now)
            assert (after != ticket) == moved
            assert not after.is_overdue(self.now)
            if ticket.state == TicketState.CLAIMED and after != ticket:
                self.known[ticket_id].holder = None

    def attempt(self, actor: Actor, ticket_id: str, kind: ActionKind, token: int) -> None:
        known, before = self.known[ticket_id], self.store.get(ticket_id)
        try:
            queue.change(self.store, ticket_id, action(kind, actor, self.now, token))
        except ReviewConflict:
            assert self.store.get(ticket_id) == before
            return
        if kind == ActionKind.CLAIM:
            self.took(ticket_id, actor)
        elif kind == ActionKind.UNDO:
            assert known.decided is not None
            assert actor.name == known.decided[0]
            assert self.now < known.decided[1] + timedelta(seconds=30)
            self.took(ticket_id, actor)
        elif kind == ActionKind.HEARTBEAT or kind in FREEING - UNASKED:
            assert (actor.name, token) == (known.holder, known.tokens[-1])
        elif kind == ActionKind.RAISE_PRIORITY:
            assert actor == SYSTEM
            assert before.is_overdue(self.now)
            after = self.store.get(ticket_id)
            assert (after.priority, after.state) == (before.priority + RISE, before.state)
        if kind in FREEING:
            known.holder = None
        if kind == ActionKind.SKIP:
            known.skipped_by.add(actor.name)
        if kind in (ActionKind.APPROVE, ActionKind.CORRECT, ActionKind.REJECT):
            known.decided = (actor.name, self.now)

    def took(self, ticket_id: str, actor: Actor) -> None:
        """One who has just got the ticket must be the only one, under a token never seen."""
        known, token = self.known[ticket_id], self.store.get(ticket_id).fencing_token
        assert known.holder is None
        assert token > max(known.tokens)
        known.holder, known.decided = actor.name, None
        known.tokens.append(token)

    @invariant()
    def nothing_is_lost_and_every_step_is_in_the_table(self) -> None:
        assert sum(self.store.figures(self.now).counts.values()) == N_TICKETS
        for ticket_id, known in self.known.items():
            ticket, state, version = self.store.get(ticket_id), TicketState.OPEN, 0
            assert ticket.claimed_by == known.holder
            for entry in self.store.audit(ticket_id):
                assert entry.from_state == state
                assert entry.to_state in EDGES[entry.from_state]
                assert entry.version > version
                state, version = entry.to_state, entry.version
            assert ticket.state == state


class SqlReviewQueue(ReviewQueue):
    """The same over a ledger, in which each step is a transaction."""

    model: ClassVar[Path]

    @classmethod
    def over(cls, folder: Path) -> type[SqlReviewQueue]:
        """Machines whose ledgers are copies of an empty one in that folder."""
        cls.model = folder / "model.db"
        with opened(f"sqlite:///{cls.model}") as ledger:
            ledger.upgrade()
        return cls

    def new_store(self) -> TicketStore:
        path = self.model.with_name("ledger.db")
        for old in self.model.parent.glob("ledger.db*"):
            old.unlink()
        shutil.copy(self.model, path)
        self.ledger = Ledger(f"sqlite:///{path}")
        return LedgerTickets(self.ledger)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()


TestReviewQueue = ReviewQueue.TestCase
TestReviewQueue.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, derandomize=True
)


def test_the_same_holds_in_a_ledger(tmp_path: Path) -> None:
    run_state_machine_as_test(
        SqlReviewQueue.over(tmp_path),
        settings=settings(
            max_examples=12, stateful_step_count=40, deadline=None, derandomize=True, database=None
        ),
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_same_holds_in_a_ledger_for_long(tmp_path: Path) -> None:
    run_state_machine_as_test(
        SqlReviewQueue.over(tmp_path),
        settings=settings(max_examples=300, stateful_step_count=60, deadline=None, database=None),
    )
