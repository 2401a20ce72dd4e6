"""The transition table of a ticket: for each state and action who may do it and what comes of it.

``TABLE`` is the whole of it; what is not in it is refused. Handlers change values and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rigline.review import actions as act
from rigline.review.actions import Action, ActionKind
from rigline.review.conflict import (
    Conflict,
    check_due,
    check_holder,
    check_lease,
    check_token,
    refusal,
)
from rigline.review.decision import DecisionKind
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


@dataclass(frozen=True)
class AuditEntry:
    """What happened to a ticket, for good: one for each action that was not refused.

    ``version`` is the ticket's afterwards, so that (ticket, version) is unique and in order.
    """

    ticket_id: str
    job_id: str
    version: int
    at: datetime
    actor: Actor
    action: ActionKind
    from_state: TicketState
    to_state: TicketState
    fencing_token: int
    details: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """The ticket after an action, and the audit's word about it."""

    ticket: Ticket
    audit: AuditEntry


@dataclass(frozen=True)
class Rule:
    """One cell of the table: what the action makes of the ticket, and the roles that may do it."""

    handler: Callable[[Ticket, Any], Ticket]
    roles: frozenset[Role]


def apply(ticket: Ticket, action: Action) -> Outcome:
    """The ticket after the action, one version on, and the audit entry.

    Raises ``ReviewConflict`` when the table, the role, the token, the holder or the clock is
    against it, with ``conflict`` (of :class:`Conflict`), ``ticket``, ``action``, ``state`` and
    ``actor``.
    """
    rule = TABLE.get((ticket.state, action.kind))
    if rule is None:
        if ticket.state == TicketState.CLAIMED and action.kind == ActionKind.CLAIM:
            raise refusal(
                Conflict.ALREADY_CLAIMED, ticket, action,
                f"{ticket.claimed_by} has the ticket already.", "Take the next one.",
            )  # fmt: skip
        if ticket.state == TicketState.WITHDRAWN:
            raise refusal(
                Conflict.ILLEGAL_TRANSITION, ticket, action,
                "The ticket was withdrawn: its job has been cancelled.", "Take the next one.",
            )  # fmt: skip
        raise refusal(
            Conflict.ILLEGAL_TRANSITION, ticket, action,
            f"A ticket that is {ticket.state} does not take {action.kind}.",
            f"It takes {', '.join(legal_actions(ticket.state, action.actor.role)) or 'nothing'}.",
        )  # fmt: skip
    if action.actor.role not in rule.roles:
        raise refusal(
            Conflict.ROLE, ticket, action,
            f"To {action.kind} a ticket that is {ticket.state} is not for a {action.actor.role}.",
            f"It is for a {' or '.join(sorted(rule.roles))}.",
        )  # fmt: skip
    changed = replace(rule.handler(ticket, action), version=ticket.version + 1)
    entry = AuditEntry(
        ticket.id, ticket.job_id, changed.version, action.now, action.actor, action.kind,
        ticket.state, changed.state, changed.fencing_token, action.details(),
    )  # fmt: skip
    return Outcome(changed, entry)


def legal_actions(state: TicketState, role: Role) -> tuple[ActionKind, ...]:
    """What that role can do to a ticket in that state, in the order of :class:`ActionKind`."""
    return tuple(
        kind for kind in ActionKind if (state, kind) in TABLE and role in TABLE[state, kind].roles
    )


def _claim(ticket: Ticket, action: act.Claim) -> Ticket:
    return replace(
        ticket,
        state=TicketState.CLAIMED,
        claimed_by=action.actor.name,
        lease_expires_at=action.now + action.lease,
        fencing_token=ticket.fencing_token + 1,
        preferred_reviewer=None,
        preferred_until=None,
    )


def _heartbeat(ticket: Ticket, action: act.Heartbeat) -> Ticket:
    lease_expires_at = check_lease(ticket, action)
    return replace(ticket, lease_expires_at=max(lease_expires_at, action.now + action.lease))


def _release(ticket: Ticket, action: act.Release) -> Ticket:
    check_holder(ticket, action)
    return _waiting(ticket)


def _expire_lease(ticket: Ticket, action: act.ExpireLease) -> Ticket:
    check_due(ticket, action, "The lease still runs.")
    return _waiting(ticket)


def _hold(ticket: Ticket, action: act.Hold) -> Ticket:
    check_lease(ticket, action)
    return replace(
        _waiting(ticket),
        state=TicketState.HELD,
        held_until=action.until,
        hold_reason=action.reason,
        preferred_reviewer=action.actor.name,
        preferred_until=action.until,
    )


def _wake(ticket: Ticket, action: act.Wake) -> Ticket:
    """Back into the queue, where whoever put it on hold is asked first."""
    actor = action.actor
    if actor.role == Role.SYSTEM:
        check_due(ticket, action, "The hold is not over.")
    if actor.role == Role.REVIEWER and actor.name != ticket.preferred_reviewer:
        raise refusal(
            Conflict.NOT_YOURS, ticket, action,
            f"{ticket.preferred_reviewer} put the ticket on hold.", "Ask them, or a lead.",
        )  # fmt: skip
    return replace(_waiting(ticket), preferred_until=action.now + PREFERENCE)


def _skip(ticket: Ticket, action: act.Skip) -> Ticket:
    check_lease(ticket, action)
    return replace(_waiting(ticket), skipped_by=ticket.skipped_by | {action.actor.name})


def _escalate(ticket: Ticket, action: act.Escalate) -> Ticket:
    check_lease(ticket, action)
    escalated = replace(ticket, escalated_by=action.actor.name, escalation_reason=action.reason)
    return _waiting(escalated)


def _decide(ticket: Ticket, action: act.Decide) -> Ticket:
    check_lease(ticket, action)
    return replace(
        ticket,
        state=TicketState.DECIDED,
        claimed_by=None,
        lease_expires_at=None,
        decision=action.decision.kind,
        decision_id=action.decision_id,
        decided_by=action.actor.name,
        decided_at=action.now,
    )


_UNDECIDED: Final[Mapping[str, Any]] = {
    "decision": None, "decision_id": None, "decided_by": None, "decided_at": None,
}  # fmt: skip
_UNESCALATED: Final[Mapping[str, Any]] = {"escalated_by": None, "escalation_reason": ""}
_NOBODYS: Final[Mapping[str, Any]] = {
    "claimed_by": None, "lease_expires_at": None, "held_until": None, "hold_reason": "",
}  # fmt: skip


def _undo(ticket: Ticket, action: act.Undo) -> Ticket:
    """The decider has the ticket again, under a new token."""
    check_token(ticket, action)
    if action.actor.name != ticket.decided_by:
        raise refusal(
            Conflict.NOT_YOURS, ticket, action,
            f"{ticket.decided_by} has decided.", "Only they can take it back.",
        )  # fmt: skip
    if ticket.is_due(action.now):
        raise refusal(
            Conflict.TOO_LATE, ticket, action,
            f"The decision is older than {UNDO_WINDOW.total_seconds():.0f} s.",
            "A lead can open the ticket again.",
        )  # fmt: skip
    return replace(
        ticket,
        **_UNDECIDED,
        state=TicketState.CLAIMED,
        claimed_by=action.actor.name,
        lease_expires_at=action.now + action.lease,
        fencing_token=ticket.fencing_token + 1,
    )


def _settle(ticket: Ticket, action: act.Settle) -> Ticket:
    check_due(ticket, action, "The decision can still be taken back.")
    return replace(ticket, state=TicketState.CLOSED)


def _return_to_queue(ticket: Ticket, action: act.ReturnToQueue) -> Ticket:
    """Open again, and for a while offered to who corrected it alone."""
    if ticket.decision != DecisionKind.CORRECT:
        raise refusal(
            Conflict.ILLEGAL_TRANSITION, ticket, action,
            f"The job was closed by {ticket.decision}, which runs nothing again.",
            "A lead can open the ticket again.",
        )  # fmt: skip
    return replace(
        ticket,
        **_UNDECIDED,
        **_UNESCALATED,
        state=TicketState.OPEN,
        flagged=action.flagged,
        reasons=action.reasons,
        preferred_reviewer=ticket.decided_by,
        preferred_until=action.now + PREFERENCE,
        overdue_at=action.now + OVERDUE_AFTER,
    )


def _reopen(ticket: Ticket, action: act.Reopen) -> Ticket:
    overdue_at = action.now + OVERDUE_AFTER
    return replace(
        ticket, **_UNDECIDED, **_UNESCALATED, state=TicketState.OPEN, overdue_at=overdue_at
    )


def _raise_priority(ticket: Ticket, action: act.RaisePriority) -> Ticket:
    if not ticket.is_overdue(action.now):
        raise refusal(
            Conflict.TOO_EARLY, ticket, action,
            "The ticket has not waited long enough.", "It goes by its priority and age.",
        )  # fmt: skip
    return replace(ticket, priority=ticket.priority + RISE, overdue_at=action.now + OVERDUE_AFTER)


def _withdraw(ticket: Ticket, action: act.Withdraw) -> Ticket:
    """Nobody's, with what people said of it out of force; whoever has it shows a token in vain."""
    return replace(
        ticket,
        **_UNDECIDED,
        **_UNESCALATED,
        **_NOBODYS,
        state=TicketState.WITHDRAWN,
        preferred_reviewer=None,
        preferred_until=None,
        overdue_at=None,
    )


def _renew(ticket: Ticket, action: act.Renew) -> Ticket:
    return replace(
        ticket,
        state=TicketState.OPEN,
        flagged=action.flagged,
        reasons=action.reasons,
        priority=action.priority,
        overdue_at=action.now + OVERDUE_AFTER,
    )


def _waiting(ticket: Ticket) -> Ticket:
    """Nobody's, in the queue of all or, once escalated, in that of the leads."""
    return replace(
        ticket,
        **_NOBODYS,
        state=TicketState.ESCALATED if ticket.escalated else TicketState.OPEN,
    )


_REVIEWER, _LEAD, _SYSTEM = (frozenset({role}) for role in Role)
_PEOPLE = _REVIEWER | _LEAD

TABLE: Final[Mapping[tuple[TicketState, ActionKind], Rule]] = {
    (TicketState.OPEN, ActionKind.CLAIM): Rule(_claim, _PEOPLE),
    (TicketState.ESCALATED, ActionKind.CLAIM): Rule(_claim, _LEAD),
    (TicketState.CLAIMED, ActionKind.HEARTBEAT): Rule(_heartbeat, _PEOPLE),
    (TicketState.CLAIMED, ActionKind.RELEASE): Rule(_release, _PEOPLE),
    (TicketState.CLAIMED, ActionKind.EXPIRE_LEASE): Rule(_expire_lease, _SYSTEM),
    (TicketState.CLAIMED, ActionKind.HOLD): Rule(_hold, _PEOPLE),
    (TicketState.CLAIMED, ActionKind.SKIP): Rule(_skip, _PEOPLE),
    (TicketState.CLAIMED, ActionKind.ESCALATE): Rule(_escalate, _REVIEWER),
    (TicketState.CLAIMED, ActionKind.APPROVE): Rule(_decide, _PEOPLE),
    (TicketState.CLAIMED, ActionKind.CORRECT): Rule(_decide, _PEOPLE),
    (TicketState.CLAIMED, ActionKind.REJECT): Rule(_decide, _PEOPLE),
    (TicketState.HELD, ActionKind.WAKE): Rule(_wake, _PEOPLE | _SYSTEM),
    (TicketState.DECIDED, ActionKind.UNDO): Rule(_undo, _PEOPLE),
    (TicketState.DECIDED, ActionKind.SETTLE): Rule(_settle, _SYSTEM),
    (TicketState.CLOSED, ActionKind.RETURN_TO_QUEUE): Rule(_return_to_queue, _SYSTEM),
    (TicketState.CLOSED, ActionKind.REOPEN): Rule(_reopen, _LEAD),
    (TicketState.OPEN, ActionKind.RAISE_PRIORITY): Rule(_raise_priority, _SYSTEM),
    (TicketState.ESCALATED, ActionKind.RAISE_PRIORITY): Rule(_raise_priority, _SYSTEM),
    **{
        (state, ActionKind.WITHDRAW): Rule(_withdraw, _SYSTEM)
        for state in TicketState
        if state != TicketState.WITHDRAWN
    },
    (TicketState.WITHDRAWN, ActionKind.RENEW): Rule(_renew, _SYSTEM),
}
