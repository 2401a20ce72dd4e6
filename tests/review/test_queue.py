"""The use cases of the queue: next, fenced, undone, swept, and drained by many at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from rigline.errors import InvalidInput, ReviewConflict
from rigline.review import queue
from rigline.review.actions import ActionKind
from rigline.review.decision import Approval, Corrections, DecisionKind
from rigline.review.memory import MemoryTicketStore
from rigline.review.ticket import (
    OVERDUE_AFTER,
    PREFERENCE,
    RISE,
    UNDO_WINDOW,
    Actor,
    Role,
    Ticket,
    TicketState,
)
from tests.support.tickets import (
    ANN,
    BOB,
    LEASE,
    LIZ,
    NOW,
    SECOND,
    joint_correction,
    open_ticket,
    ticket_in,
)

TICKETS, THREADS = 500, 8


def filled(*tickets: Ticket) -> MemoryTicketStore:
    store = MemoryTicketStore()
    for ticket in tickets:
        store.add(ticket)
    return store


def claimed(store: MemoryTicketStore, actor: Actor = ANN, now: datetime = NOW) -> Ticket:
    ticket = queue.claim_next(store, actor, now, LEASE)
    assert ticket is not None
    return ticket


def approve(
    store: MemoryTicketStore, ticket: Ticket, actor: Actor = ANN, now: datetime = NOW,
    decision_id: str = "d1",
) -> Ticket:  # fmt: skip
    return queue.decide(
        store, ticket.id, actor, ticket.fencing_token, now,
        decision_id=decision_id, decision=Approval(),
    )  # fmt: skip


def actions_of(store: MemoryTicketStore, ticket_id: str = "t1") -> list[str]:
    return [str(entry.action) for entry in store.audit(ticket_id)]


def test_claims_go_through_the_queue_in_order_until_it_is_empty() -> None:
    store = filled(open_ticket(1), open_ticket(2, priority=3), open_ticket(3))
    assert [claimed(store, who).id for who in (ANN, BOB, LIZ)] == ["t2", "t1", "t3"]
    assert queue.claim_next(store, ANN, NOW, LEASE) is None


def test_a_lost_race_is_run_again() -> None:
    class Racing(MemoryTicketStore):
        """Somebody takes the first ticket between every look and the first write after it."""

        rivals = 3

        def claimable(
            self, reviewer: str, role: Role, now: datetime, limit: int
        ) -> Sequence[Ticket]:
            found = super().claimable(reviewer, role, now, 1)
            if reviewer != "rival" and self.rivals:
                self.rivals -= 1
                queue.claim_next(self, Actor("rival"), now, LEASE)
            return found

    store = Racing()
    for number in range(4):
        store.add(open_ticket(number))
    assert claimed(store).id == "t3"
    assert store.figures(NOW).counts[TicketState.CLAIMED] == 4


def test_a_claim_that_is_always_lost_gives_up() -> None:
    class Lost(MemoryTicketStore):
        def compare_and_set(self, ticket: Ticket, expected_version: int) -> bool:
            return False

    store = Lost()
    store.add(open_ticket())
    with pytest.raises(ReviewConflict, match="faster"):
        queue.claim_next(store, ANN, NOW, LEASE)
    with pytest.raises(ReviewConflict, match="kept changing"):
        queue.claim(store, "t1", ANN, NOW, LEASE)


def test_what_was_skipped_is_never_offered_again_to_the_same_person() -> None:
    store = filled(open_ticket(1, priority=9), open_ticket(2))
    first = claimed(store)
    queue.skip(store, first.id, ANN, first.fencing_token, NOW, "a species I do not know")
    assert claimed(store).id == "t2"
    assert queue.claim_next(store, ANN, NOW, LEASE) is None
    again = claimed(store, BOB)
    assert again.id == "t1"
    queue.release(store, "t1", BOB, again.fencing_token, NOW)
    assert queue.claim_next(store, ANN, NOW, LEASE) is None
    assert store.audit("t1")[1].details == {"reason": "a species I do not know"}


def test_a_person_may_still_choose_what_they_skipped() -> None:
    store = filled(open_ticket(1))
    first = claimed(store)
    queue.skip(store, "t1", ANN, first.fencing_token, NOW, "too late today")
    assert queue.claim(store, "t1", ANN, NOW, LEASE).claimed_by == "ann"


def test_a_heartbeat_keeps_the_claim_and_leaves_no_audit() -> None:
    store = filled(open_ticket(1))
    ticket = claimed(store)
    later = NOW + LEASE - SECOND
    queue.heartbeat(store, "t1", ANN, ticket.fencing_token, later, LEASE)
    assert queue.sweep(store, NOW + LEASE).expired == 0
    assert approve(store, ticket, now=later + SECOND).state == TicketState.DECIDED
    assert actions_of(store) == ["claim", "approve"]


def test_who_slept_through_the_lease_is_fenced_off() -> None:
    store = filled(open_ticket(1))
    old = claimed(store)
    assert queue.sweep(store, NOW + LEASE) == queue.Swept(1, 0, 0, 1)
    new = claimed(store, BOB, NOW + LEASE)
    assert new.fencing_token > old.fencing_token
    with pytest.raises(ReviewConflict) as caught:
        approve(store, old, now=NOW + LEASE)
    assert caught.value.fields["conflict"] == "stale_token"
    assert approve(store, new, BOB, NOW + LEASE + SECOND).decided_by == "bob"


def test_a_hold_ends_by_the_sweep_or_by_hand() -> None:
    store = filled(open_ticket(1))
    for wake in (
        lambda: queue.sweep(store, NOW + LEASE),
        lambda: queue.wake(store, "t1", LIZ, NOW),
    ):
        ticket = claimed(store)
        queue.hold(store, "t1", ANN, ticket.fencing_token, NOW, reason="asked", until=NOW + LEASE)
        assert queue.claim_next(store, ANN, NOW, LEASE) is None
        wake()
        assert queue.claim_next(store, BOB, NOW + SECOND, LEASE) is None


def test_an_escalated_ticket_is_for_leads() -> None:
    store = filled(open_ticket(1))
    ticket = claimed(store)
    queue.escalate(store, "t1", ANN, ticket.fencing_token, NOW, "is this a person?")
    assert queue.claim_next(store, BOB, NOW, LEASE) is None
    assert claimed(store, LIZ).escalated_by == "ann"


def test_a_decision_sent_twice_is_one_decision() -> None:
    store = filled(open_ticket(1))
    ticket = claimed(store)
    first = approve(store, ticket)
    assert approve(store, ticket, now=NOW + SECOND) == first
    assert actions_of(store) == ["claim", "approve"]
    with pytest.raises(ReviewConflict):
        approve(store, ticket, decision_id="d2")
    with pytest.raises(ReviewConflict):
        approve(store, ticket, BOB)


def test_an_undone_decision_never_was_and_another_follows() -> None:
    store = filled(open_ticket(1))
    ticket = approve(store, claimed(store))
    late = NOW + UNDO_WINDOW - SECOND
    assert queue.sweep(store, late).settled == 0
    undone = queue.undo(store, "t1", ANN, ticket.fencing_token, late, LEASE)
    assert queue.sweep(store, NOW + UNDO_WINDOW).settled == 0
    with pytest.raises(ReviewConflict):
        queue.undo(store, "t1", ANN, ticket.fencing_token, late, LEASE)
    again = approve(store, undone, now=late + SECOND, decision_id="d2")
    assert again.decision_id == "d2"
    assert queue.sweep(store, late + SECOND + UNDO_WINDOW).settled == 1
    assert actions_of(store) == ["claim", "approve", "undo", "approve", "settle"]


def test_undo_ends_when_settling_begins() -> None:
    store = filled(open_ticket(1))
    ticket = approve(store, claimed(store))
    with pytest.raises(ReviewConflict) as caught:
        queue.undo(store, "t1", ANN, ticket.fencing_token, NOW + UNDO_WINDOW, LEASE)
    assert caught.value.fields["conflict"] == "too_late"
    assert queue.sweep(store, NOW + UNDO_WINDOW).settled == 1
    assert queue.sweep(store, NOW + UNDO_WINDOW) == queue.Swept(0, 0, 0, 0)


@pytest.mark.parametrize("swept", [True, False])
def test_a_corrected_job_in_doubt_again_goes_to_its_reviewer_first(swept: bool) -> None:
    store = filled(open_ticket(1))
    ticket = claimed(store)
    queue.decide(
        store, "t1", ANN, ticket.fencing_token, NOW,
        decision_id="d1", decision=Corrections((joint_correction(),)),
    )  # fmt: skip
    with pytest.raises(ReviewConflict):
        queue.return_to_queue(store, "t1", NOW, flagged=("skin",), reasons=("skin: stray",))
    later = NOW + UNDO_WINDOW
    if swept:
        queue.sweep(store, later)
    queue.return_to_queue(store, "t1", later, flagged=("skin",), reasons=("skin: stray",))
    store.add(open_ticket(2, priority=9))
    assert claimed(store, BOB, later).id == "t2"
    assert queue.claim_next(store, BOB, later, LEASE) is None
    store.add(open_ticket(3, priority=9))
    mine = claimed(store, ANN, later)
    assert (mine.id, mine.flagged) == ("t1", ("skin",))
    assert actions_of(store) == ["claim", "correct", "settle", "return_to_queue", "claim"]


def test_a_reviewer_who_stays_away_does_not_keep_the_ticket() -> None:
    store = filled(ticket_in(TicketState.CLOSED))
    queue.return_to_queue(store, "t1", NOW, flagged=("skin",), reasons=())
    assert queue.claim_next(store, BOB, NOW + PREFERENCE - SECOND, LEASE) is None
    assert claimed(store, BOB, NOW + PREFERENCE).id == "t1"


def test_a_lead_opens_a_closed_ticket_again() -> None:
    store = filled(ticket_in(TicketState.CLOSED, decision=DecisionKind.REJECT))
    with pytest.raises(ReviewConflict, match="not for a reviewer"):
        queue.reopen(store, "t1", ANN, NOW, "looks fine to me")
    assert queue.reopen(store, "t1", LIZ, NOW, "looks fine to me").state == TicketState.OPEN


def test_a_sweep_goes_on_past_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "SWEEP_PAGE", 3)
    store = filled(*(open_ticket(n) for n in range(10)))
    for _ in range(10):
        claimed(store)
    assert queue.sweep(store, NOW + LEASE) == queue.Swept(10, 0, 0, 3)


def test_a_ticket_that_waits_too_long_overtakes_and_rises_again_only_a_day_later() -> None:
    store = filled(open_ticket(1), open_ticket(2, priority=RISE - 1, overdue_at=NOW + LEASE))
    for raised, at in ((1, NOW), (0, NOW), (0, NOW + SECOND)):
        assert queue.sweep(store, at).raised == raised
    assert store.get("t1").priority == RISE
    assert claimed(store, now=NOW + SECOND).id == "t1"
    assert claimed(store, BOB, NOW + SECOND).id == "t2"
    assert queue.sweep(store, NOW + LEASE).raised == 0, "somebody has it"
    both = queue.sweep(store, NOW + OVERDUE_AFTER)
    assert (both.expired, both.raised) == (2, 2)
    assert (store.get("t1").priority, store.get("t2").priority) == (2 * RISE, 2 * RISE - 1)


def test_an_unknown_ticket_and_an_impossible_lease_are_the_callers_mistakes() -> None:
    store = filled(open_ticket(1))
    with pytest.raises(InvalidInput, match="t9"):
        queue.claim(store, "t9", ANN, NOW, LEASE)
    with pytest.raises(InvalidInput, match="lease"):
        queue.claim_next(store, ANN, NOW, -LEASE)


def in_threads(work: Callable[[Actor], list[str]]) -> list[str]:
    start = threading.Barrier(THREADS)

    def run(number: int) -> list[str]:
        start.wait()
        return work(Actor(f"reviewer {number}"))

    with ThreadPoolExecutor(THREADS) as pool:
        return [ticket for got in pool.map(run, range(THREADS)) for ticket in got]


def test_eight_people_drain_the_queue_without_meeting_or_losing_anything() -> None:
    store = filled(*(open_ticket(n, priority=n % 3) for n in range(TICKETS)))

    def drain(actor: Actor) -> list[str]:
        got = []
        while (ticket := queue.claim_next(store, actor, NOW, LEASE)) is not None:
            got.append(ticket.id)
            if len(got) % 2:
                approve(store, ticket, actor, decision_id=f"d-{ticket.id}")
        return got

    got = in_threads(drain)
    assert sorted(got) == sorted(f"t{n}" for n in range(TICKETS))
    for ticket_id in got:
        assert store.get(ticket_id).fencing_token == 1
        assert actions_of(store, ticket_id).count("claim") == 1


def test_sweeps_at_once_move_each_ticket_once() -> None:
    store = filled(*(open_ticket(n) for n in range(TICKETS)))
    for _ in range(TICKETS):
        claimed(store)
    swept = in_threads(lambda _: ["expired"] * queue.sweep(store, NOW + LEASE).expired)
    assert len(swept) == TICKETS
    kinds = Counter(e.action for n in range(TICKETS) for e in store.audit(f"t{n}"))
    once = (ActionKind.CLAIM, ActionKind.EXPIRE_LEASE, ActionKind.RAISE_PRIORITY)
    assert kinds == dict.fromkeys(once, TICKETS)
