"""A ticket store that lives and dies with its process; for tests."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from datetime import datetime

from rigline.errors import InvalidInput, ReviewConflict
from rigline.review.conflict import Conflict
from rigline.review.figures import QueueFigures, figures_of
from rigline.review.ticket import Role, Ticket, TicketState
from rigline.review.ticket_store import require_growth
from rigline.review.transitions import AuditEntry


class MemoryTicketStore:
    """Tickets in a dictionary behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}
        self._of_job: dict[str, list[str]] = {}
        self._audit: dict[str, list[AuditEntry]] = {}

    def get(self, ticket_id: str) -> Ticket:
        with self._lock:
            ticket = self._tickets.get(ticket_id)
        if ticket is None:
            raise InvalidInput(
                f"There is no ticket {ticket_id!r}.",
                remedy="Look it up in the queue.",
                ticket=ticket_id,
            )
        return ticket

    def add(self, ticket: Ticket) -> None:
        with self._lock:
            rivals = {ticket.id, *self._of_job.get(ticket.job_id, ())}
            for other in filter(None, map(self._tickets.get, rivals)):
                if other.id == ticket.id or other.state != TicketState.CLOSED:
                    raise ReviewConflict(
                        f"The job {other.job_id} has the ticket {other.id} already.",
                        remedy="Use that ticket.",
                        conflict=str(Conflict.DUPLICATE),
                        ticket=other.id,
                        job=other.job_id,
                    )
            self._tickets[ticket.id] = ticket
            self._of_job.setdefault(ticket.job_id, []).append(ticket.id)

    def compare_and_set(self, ticket: Ticket, expected_version: int) -> bool:
        require_growth(ticket, expected_version)
        with self._lock:
            kept = self._tickets.get(ticket.id)
            if kept is None or kept.version != expected_version:
                return False
            self._tickets[ticket.id] = ticket
            return True

    def claimable(self, reviewer: str, role: Role, now: datetime, limit: int) -> Sequence[Ticket]:
        with self._lock:
            offered = [t for t in self._tickets.values() if t.is_offered_to(reviewer, role, now)]
        return heapq.nsmallest(limit, offered, key=lambda t: t.offer_order(reviewer))

    def due(self, now: datetime, limit: int) -> Sequence[Ticket]:
        with self._lock:
            due = [(t.due_at, t.id, t) for t in self._tickets.values() if t.due_at is not None]
        return [t for at, _, t in heapq.nsmallest(limit, due, key=lambda d: d[:2]) if at <= now]

    def overdue(self, now: datetime, limit: int) -> Sequence[Ticket]:
        with self._lock:
            late = [(t.overdue_at, t.id, t) for t in self._tickets.values() if t.is_overdue(now)]
        return [ticket for _, _, ticket in heapq.nsmallest(limit, late, key=lambda d: d[:2])]

    def append_audit(self, entry: AuditEntry) -> None:
        with self._lock:
            self._audit.setdefault(entry.ticket_id, []).append(entry)

    def audit(self, ticket_id: str) -> Sequence[AuditEntry]:
        with self._lock:
            return sorted(self._audit.get(ticket_id, ()), key=lambda entry: entry.version)

    def figures(self, now: datetime) -> QueueFigures:
        with self._lock:
            tickets = list(self._tickets.values())
        return figures_of(tickets, now)
