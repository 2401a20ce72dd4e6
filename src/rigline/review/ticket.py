"""A ticket: one job's visit to the review queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rigline.errors import ContractViolation, InvalidInput
from rigline.review.decision import DecisionKind

UNDO_WINDOW: Final = timedelta(seconds=30)
"""How long a decision can be taken back, and so the least time before anything follows from it."""

PREFERENCE: Final = timedelta(minutes=15)
"""How long a returned ticket is offered to its preferred reviewer alone."""


OVERDUE_AFTER: Final = timedelta(hours=24)
"""How long a ticket waits before its priority rises, and then each time until it rises again."""

RISE: Final = 10
"""By how much it rises."""


class TicketState(StrEnum):
    """Where a ticket stands.

    ``DECIDED`` lasts for the undo window, then comes ``CLOSED``. ``WITHDRAWN`` is one whose job was
    cancelled before a decision about it took effect.
    """

    OPEN = "open"
    CLAIMED = "claimed"
    HELD = "held"
    ESCALATED = "escalated"
    DECIDED = "decided"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


UNDECIDED: Final = (
    TicketState.OPEN, TicketState.CLAIMED, TicketState.HELD, TicketState.ESCALATED,
)  # fmt: skip
"""The states in which somebody still has to look: the backlog."""


class Role(StrEnum):
    """Leads do all that reviewers do, and more; the system is Rigline itself, by the clock."""

    REVIEWER = "reviewer"
    LEAD = "lead"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who acts. Raises ``InvalidInput`` for a name that is empty or absurdly long."""

    name: str
    role: Role = Role.REVIEWER

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > 200:
            raise InvalidInput(
                "An actor needs a name of 1 to 200 characters.", remedy="Sign in.", name=self.name
            )


SYSTEM: Final = Actor("rigline", Role.SYSTEM)


@dataclass(frozen=True)
class Ticket:
    """A ticket as it stands.

    Of two ``priority`` numbers the larger goes first. ``flagged`` are the stages in doubt and
    ``reasons`` the sentences about them. ``fencing_token`` grows with each claim: whoever shows an
    older one has lost the ticket. A ticket with ``escalated_by`` waits for a lead. At
    ``overdue_at`` its priority rises if nobody has it by then. Times are aware.

    Raises ``ContractViolation`` for a combination that no transition leads to, so that a damaged
    row is met where it is read.
    """

    id: str
    job_id: str
    created_at: datetime
    flagged: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    priority: int = 0
    state: TicketState = TicketState.OPEN
    claimed_by: str | None = None
    lease_expires_at: datetime | None = None
    fencing_token: int = 0
    preferred_reviewer: str | None = None
    preferred_until: datetime | None = None
    held_until: datetime | None = None
    hold_reason: str = ""
    skipped_by: frozenset[str] = frozenset()
    escalated_by: str | None = None
    escalation_reason: str = ""
    decision: DecisionKind | None = None
    decision_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    overdue_at: datetime | None = None
    version: int = 0

    def __post_init__(self) -> None:
        claimed = self.state == TicketState.CLAIMED
        decided = self.state in (TicketState.DECIDED, TicketState.CLOSED)
        held = self.state == TicketState.HELD
        decision = (self.decision, self.decision_id, self.decided_by, self.decided_at)
        whole = (
            all(
                (value is not None) == claimed for value in (self.claimed_by, self.lease_expires_at)
            )
            and all((value is not None) == decided for value in decision)
            and (self.held_until is not None) == held == bool(self.hold_reason)
            and (self.escalated_by is not None) == bool(self.escalation_reason)
            and (self.state != TicketState.OPEN or not self.escalated)
            and (self.state != TicketState.ESCALATED or self.escalated)
            and (self.preferred_reviewer is None) == (self.preferred_until is None)
        )
        if not whole:
            raise ContractViolation(
                f"The ticket {self.id} is {self.state}, and its other fields say otherwise.",
                ticket=self.id,
                state=str(self.state),
            )

    @property
    def escalated(self) -> bool:
        """Whether only a lead may take it."""
        return self.escalated_by is not None

    @property
    def due_at(self) -> datetime | None:
        """When the clock alone moves the ticket on: lease over, hold over, undo window over."""
        if self.decided_at is not None and self.state == TicketState.DECIDED:
            return self.decided_at + UNDO_WINDOW
        return self.lease_expires_at or self.held_until

    def is_due(self, now: datetime) -> bool:
        """Whether that time has come."""
        return self.due_at is not None and self.due_at <= now

    def is_overdue(self, now: datetime) -> bool:
        """Whether it has waited so long that its priority rises."""
        waits = self.state in (TicketState.OPEN, TicketState.ESCALATED)
        return waits and self.overdue_at is not None and self.overdue_at <= now

    def is_offered_to(self, reviewer: str, role: Role, now: datetime) -> bool:
        """Whether the queue may offer the ticket to that person.

        Never to one who skipped it, and for a while to the preferred reviewer alone. A person who
        chooses a ticket deliberately is not bound by either.
        """
        escalated = self.state == TicketState.ESCALATED
        waiting = self.state == TicketState.OPEN or (escalated and role == Role.LEAD)
        reserved = (
            self.preferred_until is not None
            and now < self.preferred_until
            and self.preferred_reviewer != reviewer
        )
        return waiting and role != Role.SYSTEM and reviewer not in self.skipped_by and not reserved

    def offer_order(self, reviewer: str) -> tuple[bool, int, datetime, str]:
        """Sorts what is offered to a reviewer: their own first, then by priority, then by age."""
        return (self.preferred_reviewer != reviewer, -self.priority, self.created_at, self.id)
