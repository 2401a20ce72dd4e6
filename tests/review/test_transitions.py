"""The transition table, every state × action × role, against one written here by hand."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import timedelta

import pytest

from rigline.errors import ContractViolation, InvalidInput, ReviewConflict
from rigline.review import actions as act
from rigline.review.actions import ActionKind, HolderAction
from rigline.review.decision import DecisionKind
from rigline.review.ticket import (
    OVERDUE_AFTER,
    PREFERENCE,
    SYSTEM,
    UNDO_WINDOW,
    Actor,
    Role,
    TicketState,
)
from rigline.review.transitions import apply, legal_actions
from tests.support.tickets import (
    ACTOR_OF,
    ANN,
    BOB,
    LEASE,
    LIZ,
    NOW,
    SECOND,
    TOKEN,
    action,
    approval,
    open_ticket,
    ticket_in,
)

# Who may (r reviewer, l lead, s system), and the state that follows; - where nobody may.
EXPECTED = """
                open        claimed     held        escalated   decided     closed      withdrawn
claim           rl:claimed  -           -           l:claimed   -           -           -
heartbeat       -           rl:claimed  -           -           -           -           -
release         -           rl:open     -           -           -           -           -
expire_lease    -           s:open      -           -           -           -           -
hold            -           rl:held     -           -           -           -           -
wake            -           -           rls:open    -           -           -           -
skip            -           rl:open     -           -           -           -           -
escalate        -           r:escalated -           -           -           -           -
approve         -           rl:decided  -           -           -           -           -
correct         -           rl:decided  -           -           -           -           -
reject          -           rl:decided  -           -           -           -           -
undo            -           -           -           -           rl:claimed  -           -
settle          -           -           -           -           s:closed    -           -
return_to_queue -           -           -           -           -           s:open      -
reopen          -           -           -           -           -           l:open      -
raise_priority  s:open      -           -           s:escalated -           -           -
withdraw        s:withdrawn s:withdrawn s:withdrawn s:withdrawn s:withdrawn s:withdrawn -
renew           -           -           -           -           -           -           s:open
"""
LETTER = {"r": Role.REVIEWER, "l": Role.LEAD, "s": Role.SYSTEM}


def read_table() -> dict[tuple[str, str], tuple[set[Role], str]]:
    head, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    cells = {}
    for kind, *row in rows:
        for state, cell in zip(head, row, strict=True):
            roles, _, after = cell.partition(":")
            cells[state, kind] = ({LETTER[r] for r in roles if r != "-"}, after)
    return cells


TABLE = read_table()
CASES = [(s, k, r) for s in TicketState for k in ActionKind for r in Role]
HOLDERS = [
    k for k in ActionKind
    if isinstance(action(k, ANN), HolderAction) and k != ActionKind.UNDO
]  # fmt: skip
DECISIONS = [ActionKind.APPROVE, ActionKind.CORRECT, ActionKind.REJECT]
IN_LEASE = [k for k in HOLDERS if k != ActionKind.RELEASE]
BY_CLOCK = [
    (TicketState.CLAIMED, ActionKind.EXPIRE_LEASE, LEASE),
    (TicketState.HELD, ActionKind.WAKE, LEASE),
    (TicketState.DECIDED, ActionKind.SETTLE, UNDO_WINDOW),
]


def conflict_of(caught: pytest.ExceptionInfo[ReviewConflict]) -> str:
    assert caught.value.remedy
    return str(caught.value.fields["conflict"])


def test_the_expected_table_is_whole() -> None:
    assert set(TABLE) == {(str(s), str(k)) for s in TicketState for k in ActionKind}


@pytest.mark.parametrize(("state", "kind", "role"), CASES)
def test_every_pair_does_what_the_table_says(
    state: TicketState, kind: ActionKind, role: Role
) -> None:
    actor = ACTOR_OF[role]
    ticket = ticket_in(state, actor.name)
    by_clock = kind in (ActionKind.EXPIRE_LEASE, ActionKind.WAKE, ActionKind.SETTLE)
    now = NOW + (LEASE if by_clock else SECOND)
    roles, after = TABLE[state, kind]
    assert (kind in legal_actions(state, role)) == (role in roles)
    if role in roles:
        outcome = apply(ticket, action(kind, actor, now))
        assert outcome.ticket.state == after
        assert outcome.ticket.version == ticket.version + 1
        entry = outcome.audit
        assert (entry.ticket_id, entry.job_id, entry.version) == (
            "t1",
            "j1",
            outcome.ticket.version,
        )
        assert (entry.from_state, entry.action, entry.to_state) == (state, kind, after)
        assert (entry.actor, entry.at) == (actor, now)
    else:
        with pytest.raises(ReviewConflict) as caught:
            apply(ticket, action(kind, actor, now))
        twice = state == "claimed" and kind == "claim"
        alone = "already_claimed" if twice else "illegal_transition"
        assert conflict_of(caught) == ("role" if roles else alone)
        fields = caught.value.fields
        assert (fields["state"], fields["action"], fields["ticket"]) == (state, kind, "t1")


def test_a_refusal_survives_pickling() -> None:
    with pytest.raises(ReviewConflict) as caught:
        apply(ticket_in(TicketState.CLAIMED), action(ActionKind.CLAIM, BOB))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.fields) == (str(caught.value), caught.value.fields)


@pytest.mark.parametrize("kind", HOLDERS)
@pytest.mark.parametrize("token", [0, TOKEN - 1, TOKEN + 1])
def test_another_token_than_the_last_is_stale(kind: ActionKind, token: int) -> None:
    with pytest.raises(ReviewConflict) as caught:
        apply(ticket_in(TicketState.CLAIMED), action(kind, ANN, NOW, token))
    assert conflict_of(caught) == "stale_token"


@pytest.mark.parametrize("kind", HOLDERS)
def test_nobody_acts_under_the_claim_of_another(kind: ActionKind) -> None:
    with pytest.raises(ReviewConflict) as caught:
        apply(ticket_in(TicketState.CLAIMED), action(kind, BOB))
    assert conflict_of(caught) == "not_yours"


@pytest.mark.parametrize("kind", IN_LEASE)
def test_a_lease_that_is_over_counts_for_nothing_before_anyone_expires_it(
    kind: ActionKind,
) -> None:
    ticket = ticket_in(TicketState.CLAIMED)
    apply(ticket, action(kind, ANN, NOW + LEASE - SECOND))
    with pytest.raises(ReviewConflict) as caught:
        apply(ticket, action(kind, ANN, NOW + LEASE))
    assert conflict_of(caught) == "lease_expired"


def test_a_claim_that_has_run_out_can_still_be_given_back() -> None:
    released = apply(
        ticket_in(TicketState.CLAIMED), action(ActionKind.RELEASE, ANN, NOW + 2 * LEASE)
    )
    assert released.ticket.state == TicketState.OPEN


@pytest.mark.parametrize(("state", "kind", "wait"), BY_CLOCK)
def test_the_clock_acts_at_the_moment_and_not_before(
    state: TicketState, kind: ActionKind, wait: timedelta
) -> None:
    ticket = ticket_in(state)
    assert ticket.due_at == NOW + wait
    with pytest.raises(ReviewConflict) as caught:
        apply(ticket, action(kind, SYSTEM, NOW + wait - timedelta(microseconds=1)))
    assert conflict_of(caught) == "too_early"
    assert apply(ticket, action(kind, SYSTEM, NOW + wait)).ticket.due_at is None


def test_each_claim_has_a_greater_token_and_its_own_lease() -> None:
    ticket, tokens = open_ticket(), [0]
    for _ in range(3):
        ticket = apply(ticket, action(ActionKind.CLAIM, ANN)).ticket
        assert (ticket.claimed_by, ticket.lease_expires_at) == ("ann", NOW + LEASE)
        tokens.append(ticket.fencing_token)
        ticket = apply(ticket, act.Release(ANN, NOW, ticket.fencing_token)).ticket
        assert (ticket.claimed_by, ticket.lease_expires_at) == (None, None)
    assert tokens == [0, 1, 2, 3]


def test_a_heartbeat_lengthens_the_lease_and_never_shortens_it() -> None:
    ticket = ticket_in(TicketState.CLAIMED)
    later = apply(ticket, action(ActionKind.HEARTBEAT, ANN, NOW + 5 * SECOND)).ticket
    assert later.lease_expires_at == NOW + 5 * SECOND + LEASE
    short = apply(ticket, act.Heartbeat(ANN, NOW, TOKEN, SECOND)).ticket
    assert short.lease_expires_at == NOW + LEASE


@pytest.mark.parametrize("kind", DECISIONS)
def test_a_decision_says_who_when_and_what(kind: ActionKind) -> None:
    decided = apply(ticket_in(TicketState.CLAIMED), action(kind, ANN, NOW + SECOND))
    ticket = decided.ticket
    assert (ticket.decision, ticket.decision_id) == (DecisionKind(kind.value), "d2")
    assert (ticket.decided_by, ticket.decided_at) == ("ann", NOW + SECOND)
    assert (ticket.claimed_by, ticket.due_at) == (None, NOW + SECOND + UNDO_WINDOW)
    assert decided.audit.details["decision_id"] == "d2"


def test_undo_gives_the_ticket_back_to_the_decider_under_a_new_token() -> None:
    ticket = ticket_in(TicketState.DECIDED)
    undone = apply(ticket, action(ActionKind.UNDO, ANN, NOW + UNDO_WINDOW - SECOND)).ticket
    assert (undone.state, undone.claimed_by) == (TicketState.CLAIMED, "ann")
    assert undone.fencing_token == TOKEN + 1
    assert (undone.decision, undone.decided_at) == (None, None)


@pytest.mark.parametrize(
    ("actor", "token", "wait", "conflict"),
    [
        (ANN, TOKEN, UNDO_WINDOW, "too_late"),
        (BOB, TOKEN, SECOND, "not_yours"),
        (LIZ, TOKEN, SECOND, "not_yours"),
        (ANN, TOKEN - 1, SECOND, "stale_token"),
    ],
)
def test_undo_is_for_the_decider_in_time(
    actor: Actor, token: int, wait: timedelta, conflict: str
) -> None:
    with pytest.raises(ReviewConflict) as caught:
        apply(ticket_in(TicketState.DECIDED), action(ActionKind.UNDO, actor, NOW + wait, token))
    assert conflict_of(caught) == conflict


@pytest.mark.parametrize("kind", [ActionKind.RELEASE, ActionKind.SKIP, ActionKind.EXPIRE_LEASE])
def test_what_was_escalated_goes_back_to_the_leads(kind: ActionKind) -> None:
    claimed = apply(ticket_in(TicketState.ESCALATED), action(ActionKind.CLAIM, LIZ)).ticket
    actor, now = (SYSTEM, NOW + LEASE) if kind == ActionKind.EXPIRE_LEASE else (LIZ, NOW)
    back = apply(claimed, action(kind, actor, now, claimed.fencing_token)).ticket
    assert (back.state, back.escalated_by) == (TicketState.ESCALATED, "ann")
    assert not back.is_offered_to("bob", Role.REVIEWER, now)
    assert back.is_offered_to("lea", Role.LEAD, now)


def test_a_lead_can_undo_on_what_was_escalated() -> None:
    escalation = {"escalated_by": "ann", "escalation_reason": "a tail"}
    ticket = ticket_in(TicketState.DECIDED, "liz", **escalation)
    undone = apply(ticket, action(ActionKind.UNDO, LIZ)).ticket
    assert (undone.state, undone.escalated_by) == (TicketState.CLAIMED, "ann")
    closed = ticket_in(TicketState.CLOSED, "liz", **escalation)
    for kind, actor in ((ActionKind.REOPEN, LIZ), (ActionKind.RETURN_TO_QUEUE, SYSTEM)):
        again = apply(closed, action(kind, actor)).ticket
        assert (again.state, again.escalated) == (TicketState.OPEN, False)


def test_a_hold_ends_with_the_holder_asked_first() -> None:
    held = apply(ticket_in(TicketState.CLAIMED), action(ActionKind.HOLD, ANN)).ticket
    assert (held.held_until, held.hold_reason, held.claimed_by) == (NOW + LEASE, "later", None)
    later = NOW + LEASE
    woken = apply(held, act.Wake(SYSTEM, later)).ticket
    assert woken.is_offered_to("ann", Role.REVIEWER, later)
    assert not woken.is_offered_to("bob", Role.REVIEWER, later)
    assert woken.is_offered_to("bob", Role.REVIEWER, later + PREFERENCE)


def test_a_hold_ends_early_for_its_holder_and_a_lead_alone() -> None:
    held = ticket_in(TicketState.HELD)
    for actor in (ANN, LIZ):
        assert apply(held, act.Wake(actor, NOW)).ticket.state == TicketState.OPEN
    with pytest.raises(ReviewConflict) as caught:
        apply(held, act.Wake(BOB, NOW))
    assert conflict_of(caught) == "not_yours"


def test_a_corrected_job_in_doubt_again_returns_to_who_corrected_it() -> None:
    closed = ticket_in(TicketState.CLOSED, skipped_by=frozenset({"bob"}))
    ticket = apply(closed, action(ActionKind.RETURN_TO_QUEUE, SYSTEM)).ticket
    assert (ticket.preferred_reviewer, ticket.preferred_until) == ("ann", NOW + PREFERENCE)
    assert (ticket.flagged, ticket.reasons) == (("cage",), ("cage: inside the body",))
    assert (ticket.decision, ticket.skipped_by) == (None, frozenset({"bob"}))


@pytest.mark.parametrize("decision", [DecisionKind.APPROVE, DecisionKind.REJECT])
def test_only_a_corrected_job_returns(decision: DecisionKind) -> None:
    with pytest.raises(ReviewConflict) as caught:
        apply(
            ticket_in(TicketState.CLOSED, decision=decision),
            action(ActionKind.RETURN_TO_QUEUE, SYSTEM),
        )
    assert conflict_of(caught) == "illegal_transition"


@pytest.mark.parametrize("state", [s for s in TicketState if s != TicketState.WITHDRAWN])
def test_what_was_withdrawn_is_nobodys_and_comes_back_as_new(state: TicketState) -> None:
    before = ticket_in(state, skipped_by=frozenset({"bob"}))
    gone = apply(before, act.Withdraw(SYSTEM, NOW, "Cancelled by carol."))
    assert gone.audit.details == {"reason": "Cancelled by carol."}
    ticket = apply(gone.ticket, act.Renew(SYSTEM, NOW, (), ("audit",), 3)).ticket
    assert ticket == open_ticket(
        flagged=(), reasons=("audit",), priority=3, skipped_by=frozenset({"bob"}),
        overdue_at=NOW + OVERDUE_AFTER, fencing_token=TOKEN, version=2,
    )  # fmt: skip


def test_whoever_had_a_withdrawn_ticket_is_told_why() -> None:
    gone = apply(ticket_in(TicketState.CLAIMED), action(ActionKind.WITHDRAW, SYSTEM)).ticket
    with pytest.raises(ReviewConflict, match="its job has been cancelled") as caught:
        apply(gone, approval(ANN, NOW))
    assert conflict_of(caught) == "illegal_transition"


@pytest.mark.parametrize(
    "change",
    [
        {"state": TicketState.OPEN, "claimed_by": "ann"},
        {"state": TicketState.CLAIMED},
        {"state": TicketState.HELD},
        {"state": TicketState.ESCALATED},
        {"state": TicketState.OPEN, "escalated_by": "ann", "escalation_reason": "a tail"},
        {"state": TicketState.DECIDED},
        {"state": TicketState.OPEN, "decision": DecisionKind.APPROVE},
        {"preferred_reviewer": "ann"},
    ],
)
def test_a_ticket_that_no_transition_makes_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ContractViolation, match="t1"):
        replace(open_ticket(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("lease", [timedelta(0), -SECOND, timedelta(days=1)])
def test_impossible_leases_are_refused(lease: timedelta) -> None:
    with pytest.raises(InvalidInput, match="lease"):
        act.Claim(ANN, NOW, lease)
    with pytest.raises(InvalidInput, match="lease"):
        act.Heartbeat(ANN, NOW, TOKEN, lease)
    with pytest.raises(InvalidInput, match="lease"):
        act.Undo(ANN, NOW, TOKEN, lease)


@pytest.mark.parametrize("reason", ["", " \n", "x" * 2001])
def test_reasons_must_say_something_and_not_everything(reason: str) -> None:
    for make in (act.Skip, act.Escalate):
        with pytest.raises(InvalidInput):
            make(ANN, NOW, TOKEN, reason)
    with pytest.raises(InvalidInput):
        act.Hold(ANN, NOW, TOKEN, reason, NOW + LEASE)
    with pytest.raises(InvalidInput):
        act.Reopen(LIZ, NOW, reason)
    with pytest.raises(InvalidInput):
        act.Withdraw(SYSTEM, NOW, reason)


@pytest.mark.parametrize("wait", [timedelta(0), -SECOND, timedelta(days=91)])
def test_a_hold_ends_in_the_near_future(wait: timedelta) -> None:
    with pytest.raises(InvalidInput, match="on hold until"):
        act.Hold(ANN, NOW, TOKEN, "later", NOW + wait)


@pytest.mark.parametrize("kind", ActionKind)
def test_a_moment_has_a_zone(kind: ActionKind) -> None:
    with pytest.raises(InvalidInput, match="no zone"):
        action(kind, ANN, NOW.replace(tzinfo=None))


def test_other_values_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="needs an id"):
        replace(approval(ANN, NOW), decision_id="")
    with pytest.raises(InvalidInput, match="none is named"):
        act.ReturnToQueue(SYSTEM, NOW, (), ())
    for name in ("", "  ", "x" * 201):
        with pytest.raises(InvalidInput, match="name"):
            Actor(name)
