"""What the queue asks of a place that keeps tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from rigline.errors import ContractViolation
from rigline.review.figures import QueueFigures
from rigline.review.ticket import Role, Ticket
from rigline.review.transitions import AuditEntry


class TicketStore(Protocol):
    """Tickets and their append-only audit, safe for many users at once.

    Over a database, a store is one unit of work: what was done through it is committed together or
    not at all, so that whoever opened it can add the decision and its outbox row to the same
    transaction. Every method raises ``ServiceUnavailable`` when the place cannot be reached.
    """

    def get(self, ticket_id: str) -> Ticket:
        """The ticket as it stands; ``InvalidInput`` when there is none of that id."""
        ...

    def add(self, ticket: Ticket) -> None:
        """Keep a new ticket; ``ReviewConflict`` when the id is taken, or its job already has a
        ticket that is not closed."""
        ...

    def compare_and_set(self, ticket: Ticket, expected_version: int) -> bool:
        """Put ``ticket`` in the place of the one of its id, if that has ``expected_version`` still.

        Whether it did: of all who try from one version exactly one hears True.
        """
        ...

    def claimable(self, reviewer: str, role: Role, now: datetime, limit: int) -> Sequence[Ticket]:
        """The first ``limit`` tickets by ``Ticket.offer_order`` of those ``Ticket.is_offered_to``.

        Those that somebody else is just about to claim may be left out, but not all of them: an
        empty answer means that nothing is left for this person.
        """
        ...

    def due(self, now: datetime, limit: int) -> Sequence[Ticket]:
        """At most ``limit`` tickets that ``Ticket.is_due``, the longest overdue first."""
        ...

    def overdue(self, now: datetime, limit: int) -> Sequence[Ticket]:
        """At most ``limit`` tickets that ``Ticket.is_overdue``, the longest overdue first."""
        ...

    def append_audit(self, entry: AuditEntry) -> None:
        """Keep an audit entry for good."""
        ...

    def audit(self, ticket_id: str) -> Sequence[AuditEntry]:
        """The audit entries of a ticket in the order in which things happened."""
        ...

    def figures(self, now: datetime) -> QueueFigures:
        """What ``figures_of`` gives for all tickets."""
        ...


def require_growth(ticket: Ticket, expected_version: int) -> None:
    """Raise ``ContractViolation`` for a ticket no newer than the version that it replaces."""
    if ticket.version <= expected_version:
        raise ContractViolation(
            f"The ticket {ticket.id} must grow beyond version {expected_version}.",
            ticket=ticket.id,
            version=ticket.version,
        )
