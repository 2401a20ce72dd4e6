"""The desk: every action asks for the role in the moment it happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from rigline.db.ledger import Ledger
from rigline.desk.reviewing import Desk, seeing
from rigline.engine.job import JobState
from rigline.errors import InvalidInput, ReviewConflict
from rigline.jobs.resumption import carry_out_due
from rigline.review.access import Permission, PersonRole
from rigline.review.decision import Approval
from rigline.review.ticket import UNDO_WINDOW, TicketState
from tests.support.ledgers import add_job
from tests.support.small_jobs import Clock
from tests.support.tickets import NOW, open_ticket

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(ledger: Ledger, clock: Clock) -> Desk:
    with ledger.transaction() as work:
        for number in (1, 2):
            add_job(work, f"j{number}", state=JobState.IN_REVIEW)
            work.tickets.add(open_ticket(number))
        people = {"ann": PersonRole.REVIEWER, "bob": PersonRole.REVIEWER, "liz": PersonRole.LEAD,
                  "vic": PersonRole.VIEWER, "oz": PersonRole.OPERATOR}  # fmt: skip
        for person, role in people.items():
            work.people.grant(person, role, "root", NOW, NOW + HOUR if person == "ann" else None)
    return Desk(ledger, clock)


ACTIONS: dict[str, Callable[[Desk, str, int], object]] = {
    "claim_next": lambda desk, who, token: desk.claim_next(who),
    "claim": lambda desk, who, token: desk.claim(who, "t2"),
    "heartbeat": lambda desk, who, token: desk.heartbeat(who, "t1", token),
    "release": lambda desk, who, token: desk.release(who, "t1", token),
    "hold": lambda desk, who, token: desk.hold(who, "t1", token, "later", HOUR),
    "wake": lambda desk, who, token: desk.wake(who, "t1"),
    "skip": lambda desk, who, token: desk.skip(who, "t1", token, "a tail"),
    "escalate": lambda desk, who, token: desk.escalate(who, "t1", token, "a tail"),
    "decide": lambda desk, who, token: desk.decide(who, "t1", token, "d1", Approval()),
    "undo": lambda desk, who, token: desk.undo(who, "t1", token),
    "reopen": lambda desk, who, token: desk.reopen(who, "t1", "look"),
}
CANCELLED = "Cancelled by {}: wrong file"


def test_claim_decide_undo(desk: Desk) -> None:
    ticket = desk.claim_next("ann")
    assert ticket is not None
    assert desk.claim("ann", ticket.id).fencing_token == ticket.fencing_token
    decided = desk.decide("ann", ticket.id, ticket.fencing_token, "d1", Approval())
    again = desk.undo("ann", ticket.id, decided.fencing_token)
    assert (again.state, again.claimed_by) == (TicketState.CLAIMED, "ann")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("person", ["vic", "oz", "stranger"])
def test_who_has_no_role_for_it_does_nothing(desk: Desk, action: str, person: str) -> None:
    with pytest.raises(ReviewConflict) as caught:
        ACTIONS[action](desk, person, 0)
    assert caught.value.fields["conflict"] == "role"


@pytest.mark.parametrize("action", [a for a in ACTIONS if a not in ("claim_next", "claim")])
def test_nobody_acts_on_anothers_ticket(desk: Desk, action: str) -> None:
    token = desk.claim("ann", "t1").fencing_token
    with pytest.raises(ReviewConflict):
        ACTIONS[action](desk, "bob", token)
    with desk.ledger.reading() as work:
        assert work.tickets.get("t1").claimed_by == "ann"


@pytest.mark.parametrize("action", ["decide", "heartbeat", "claim_next"])
def test_a_role_that_ends_ends_in_the_middle_of_things(
    desk: Desk, clock: Clock, action: str
) -> None:
    token = desk.claim("ann", "t1").fencing_token
    with desk.ledger.transaction() as work:
        work.people.revoke("ann", PersonRole.REVIEWER, clock())
    with pytest.raises(ReviewConflict) as caught:
        ACTIONS[action](desk, "ann", token)
    assert caught.value.fields["conflict"] == "role"


def test_a_role_expires_by_itself(desk: Desk, clock: Clock) -> None:
    token = desk.claim("ann", "t1").fencing_token
    clock.wait(HOUR)
    with pytest.raises(ReviewConflict, match="no role"):
        desk.decide("ann", "t1", token, "d1", Approval())
    assert desk.roles("ann") == frozenset()


def test_a_lease_that_is_over_frees_the_ticket_for_the_next(desk: Desk, clock: Clock) -> None:
    first = desk.claim_next("ann")
    assert first is not None
    clock.wait(desk.lease)
    second = desk.claim_next("bob")
    assert second is not None
    assert second.id == first.id
    with pytest.raises(ReviewConflict) as caught:
        desk.decide("ann", first.id, first.fencing_token, "d1", Approval())
    assert caught.value.fields["conflict"] == "stale_token"


def test_leads_take_what_was_escalated_and_reopen_what_is_closed(desk: Desk, clock: Clock) -> None:
    token = desk.claim("ann", "t1").fencing_token
    desk.escalate("ann", "t1", token, "a tail")
    with pytest.raises(ReviewConflict):
        desk.claim("bob", "t1")
    token = desk.claim("liz", "t1").fencing_token
    desk.decide("liz", "t1", token, "d1", Approval())
    clock.wait(UNDO_WINDOW)
    carry_out_due(desk.ledger, clock())
    assert desk.reopen("liz", "t1", "look again").state == TicketState.OPEN
    with desk.ledger.reading() as work:
        assert work.jobs.get("j1").state == JobState.IN_REVIEW


@pytest.mark.parametrize("person", ["liz", "oz"])
def test_leads_and_operators_cancel_a_job_even_from_who_has_its_ticket(
    desk: Desk, person: str
) -> None:
    token = desk.claim("ann", "t1").fencing_token
    gone = desk.cancel(person, "j1", "wrong file")
    assert (gone.state, gone.error) == (JobState.CANCELLED, CANCELLED.format(person))
    with pytest.raises(ReviewConflict, match="its job has been cancelled"):
        desk.decide("ann", "t1", token, "d1", Approval())


@pytest.mark.parametrize("person", ["ann", "vic", "stranger"])
def test_others_cancel_nothing(desk: Desk, person: str) -> None:
    with pytest.raises(ReviewConflict, match="lead or operator") as caught:
        desk.cancel(person, "j1", "wrong file")
    assert caught.value.fields["conflict"] == "role"
    with desk.ledger.reading() as work:
        assert work.jobs.get("j1").state == JobState.IN_REVIEW


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_job_is_not_cancelled_without_a_reason(desk: Desk, reason: str) -> None:
    with pytest.raises(InvalidInput, match="A reason is needed for cancelling a job"):
        desk.cancel("liz", "j1", reason)
    with desk.ledger.reading() as work:
        assert work.jobs.get("j1").state == JobState.IN_REVIEW


def test_seeing_needs_a_role_too(desk: Desk) -> None:
    with seeing(desk.ledger, "vic", NOW) as work:
        assert work.tickets.get("t1").id == "t1"
    for person, permission in (("stranger", Permission.SEE), ("vic", Permission.SEE_ALL)):
        with pytest.raises(ReviewConflict), seeing(desk.ledger, person, NOW, permission):
            pass
