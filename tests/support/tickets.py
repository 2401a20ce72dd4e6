"""Tickets in every state, people to act on them, and one valid action of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rigline.review import actions as act
from rigline.review.actions import Action, ActionKind
from rigline.review.correction import Correction, parse_correction
from rigline.review.decision import Approval, Corrections, DecisionKind, RejectCode, Rejection
from rigline.review.ticket import SYSTEM, Actor, Role, Ticket, TicketState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
TOKEN = 7
ANN, BOB, LIZ = Actor("ann"), Actor("bob"), Actor("liz", Role.LEAD)
ACTOR_OF = {Role.REVIEWER: ANN, Role.LEAD: LIZ, Role.SYSTEM: SYSTEM}


def open_ticket(number: int = 1, **changes: Any) -> Ticket:
    """An open ticket, the older the smaller its number."""
    fields: dict[str, Any] = {
        "id": f"t{number}",
        "job_id": f"j{number}",
        "created_at": NOW - timedelta(days=1) + number * SECOND,
        "flagged": ("rig",),
        "reasons": ("rig: the views disagree",),
        "overdue_at": NOW,
    }
    return Ticket(**{**fields, **changes})


def joint_correction(stage: str = "rig") -> Correction:
    op = {"op": "move_joint", "joint": "LeftHand", "position": [0.4, 0.7, 0.0]}
    return parse_correction(
        {
            "schema_version": 1,
            "stage": stage,
            "base_artifact_sha256": "0" * 64,
            "ops": [op],
        },
        {stage: frozenset({"move_joint"})},
    )


def ticket_in(
    state: TicketState,
    who: str = "ann",
    decision: DecisionKind = DecisionKind.CORRECT,
    since: datetime = NOW,
    **changes: Any,
) -> Ticket:
    """A ticket that came into the state at ``since`` by the hand of ``who``."""
    decided = {
        "decision": decision, "decision_id": "d1", "decided_by": who, "decided_at": since,
    }  # fmt: skip
    fields: dict[TicketState, dict[str, Any]] = {
        TicketState.OPEN: {},
        TicketState.CLAIMED: {"claimed_by": who, "lease_expires_at": since + LEASE},
        TicketState.HELD: {
            "held_until": since + LEASE, "hold_reason": "waiting for the artist",
            "preferred_reviewer": who, "preferred_until": since + LEASE,
        },
        TicketState.ESCALATED: {"escalated_by": who, "escalation_reason": "a tail"},
        TicketState.DECIDED: decided,
        TicketState.CLOSED: decided,
        TicketState.WITHDRAWN: {"overdue_at": None},
    }  # fmt: skip
    return replace(open_ticket(), state=state, fencing_token=TOKEN, **{**fields[state], **changes})


def approval(actor: Actor, now: datetime, token: int = TOKEN) -> act.Decide:
    return act.Decide(actor, now, token, "d2", Approval())


ACTIONS: dict[ActionKind, Callable[[Actor, datetime, int], Action]] = {
    ActionKind.CLAIM: lambda who, now, token: act.Claim(who, now, LEASE),
    ActionKind.HEARTBEAT: lambda who, now, token: act.Heartbeat(who, now, token, LEASE),
    ActionKind.RELEASE: act.Release,
    ActionKind.EXPIRE_LEASE: lambda who, now, token: act.ExpireLease(who, now),
    ActionKind.HOLD: lambda who, now, token: act.Hold(who, now, token, "later", now + LEASE),
    ActionKind.WAKE: lambda who, now, token: act.Wake(who, now),
    ActionKind.SKIP: lambda who, now, token: act.Skip(who, now, token, "not my field"),
    ActionKind.ESCALATE: lambda who, now, token: act.Escalate(who, now, token, "a tail"),
    ActionKind.APPROVE: approval,
    ActionKind.CORRECT: lambda who, now, token: act.Decide(
        who, now, token, "d2", Corrections((joint_correction(),))
    ),
    ActionKind.REJECT: lambda who, now, token: act.Decide(
        who, now, token, "d2", Rejection(RejectCode.NOT_HUMANOID)
    ),
    ActionKind.UNDO: lambda who, now, token: act.Undo(who, now, token, LEASE),
    ActionKind.SETTLE: lambda who, now, token: act.Settle(who, now),
    ActionKind.RETURN_TO_QUEUE: lambda who, now, token: act.ReturnToQueue(
        who, now, ("cage",), ("cage: inside the body",)
    ),
    ActionKind.REOPEN: lambda who, now, token: act.Reopen(who, now, "a second look"),
    ActionKind.RAISE_PRIORITY: lambda who, now, token: act.RaisePriority(who, now),
    ActionKind.WITHDRAW: lambda who, now, token: act.Withdraw(who, now, "Cancelled by carol."),
    ActionKind.RENEW: lambda who, now, token: act.Renew(
        who, now, ("cage",), ("cage: inside the body",), 3
    ),
}


def action(kind: ActionKind, actor: Actor, now: datetime = NOW, token: int = TOKEN) -> Action:
    """An action of that kind that is valid in itself."""
    return ACTIONS[kind](actor, now, token)
