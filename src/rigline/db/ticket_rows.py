"""Tickets and audit entries as rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rigline.review.actions import ActionKind
from rigline.review.decision import DecisionKind
from rigline.review.ticket import Actor, Role, Ticket, TicketState
from rigline.review.transitions import AuditEntry


def ticket_row(ticket: Ticket) -> dict[str, Any]:
    """The row of a ticket; who skipped it has a table of its own."""
    return {
        "id": ticket.id,
        "job_id": ticket.job_id,
        "created_at": ticket.created_at,
        "flagged": list(ticket.flagged),
        "reasons": list(ticket.reasons),
        "priority": ticket.priority,
        "state": str(ticket.state),
        "claimed_by": ticket.claimed_by,
        "lease_expires_at": ticket.lease_expires_at,
        "fencing_token": ticket.fencing_token,
        "preferred_reviewer": ticket.preferred_reviewer,
        "preferred_until": ticket.preferred_until,
        "held_until": ticket.held_until,
        "hold_reason": ticket.hold_reason,
        "escalated_by": ticket.escalated_by,
        "escalation_reason": ticket.escalation_reason,
        "decision": str(ticket.decision) if ticket.decision else None,
        "decision_id": ticket.decision_id,
        "decided_by": ticket.decided_by,
        "decided_at": ticket.decided_at,
        "due_at": ticket.due_at,
        "overdue_at": ticket.overdue_at,
        "version": ticket.version,
    }


def ticket_of(row: Mapping[str, Any], skipped_by: frozenset[str]) -> Ticket:
    """The ticket of a row; ``ContractViolation`` when the row is damaged."""
    fields = {name: value for name, value in row.items() if name != "due_at"}
    fields["flagged"], fields["reasons"] = tuple(row["flagged"]), tuple(row["reasons"])
    fields["state"] = TicketState(row["state"])
    fields["decision"] = DecisionKind(row["decision"]) if row["decision"] else None
    return Ticket(**fields, skipped_by=skipped_by)


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    """The row of an audit entry."""
    return {
        "ticket_id": entry.ticket_id,
        "job_id": entry.job_id,
        "version": entry.version,
        "at": entry.at,
        "actor": entry.actor.name,
        "role": str(entry.actor.role),
        "action": str(entry.action),
        "from_state": str(entry.from_state),
        "to_state": str(entry.to_state),
        "fencing_token": entry.fencing_token,
        "details": dict(entry.details),
    }


def audit_entry_of(row: Mapping[str, Any]) -> AuditEntry:
    """The audit entry of a row."""
    return AuditEntry(
        row["ticket_id"], row["job_id"], row["version"], row["at"],
        Actor(row["actor"], Role(row["role"])), ActionKind(row["action"]),
        TicketState(row["from_state"]), TicketState(row["to_state"]), row["fencing_token"],
        row["details"],
    )  # fmt: skip
