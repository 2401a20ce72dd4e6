"""Why an action on a ticket is refused, and the checks that handlers share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rigline.errors import ReviewConflict
from rigline.review.actions import Action, HolderAction
from rigline.review.ticket import Ticket


class Conflict(StrEnum):
    """Why an action is refused: the field ``conflict`` of every ``ReviewConflict`` of this room."""

    ILLEGAL_TRANSITION = "illegal_transition"
    ALREADY_CLAIMED = "already_claimed"
    ROLE = "role"
    STALE_TOKEN = "stale_token"
    STALE_VERSION = "stale_version"
    NOT_YOURS = "not_yours"
    LEASE_EXPIRED = "lease_expired"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    DUPLICATE = "duplicate"


def refusal(
    conflict: Conflict, ticket: Ticket, action: Action, message: str, remedy: str
) -> ReviewConflict:
    """The error of a refused action."""
    return ReviewConflict(
        message, remedy=remedy, conflict=str(conflict), ticket=ticket.id,
        action=str(action.kind), state=str(ticket.state), actor=action.actor.name,
    )  # fmt: skip


def check_token(ticket: Ticket, action: HolderAction) -> None:
    if action.token != ticket.fencing_token:
        raise refusal(
            Conflict.STALE_TOKEN, ticket, action,
            "The ticket has been claimed anew since.", "Load it again.",
        )  # fmt: skip


def check_holder(ticket: Ticket, action: HolderAction) -> None:
    check_token(ticket, action)
    if action.actor.name != ticket.claimed_by:
        raise refusal(
            Conflict.NOT_YOURS, ticket, action,
            f"{ticket.claimed_by} has the ticket.", "Take another one.",
        )  # fmt: skip


def check_lease(ticket: Ticket, action: HolderAction) -> datetime:
    """When the lease ends; refused at that moment even if nobody has taken the ticket back yet."""
    check_holder(ticket, action)
    expires_at = ticket.lease_expires_at
    if expires_at is None or expires_at <= action.now:
        raise refusal(
            Conflict.LEASE_EXPIRED, ticket, action,
            "The claim has run out.", "Claim the ticket again.",
        )  # fmt: skip
    return expires_at


def check_due(ticket: Ticket, action: Action, message: str) -> None:
    if not ticket.is_due(action.now):
        raise refusal(
            Conflict.TOO_EARLY, ticket, action, message,
            f"It ends at {ticket.due_at.isoformat() if ticket.due_at else 'no known time'}.",
        )  # fmt: skip
