"""Figures of the queue: how much waits, for how long, and for which stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rigline.review.ticket import UNDECIDED, Ticket, TicketState


@dataclass(frozen=True)
class QueueFigures:
    """``counts`` has every state. The rest is about the backlog, what nobody has decided yet.

    ``oldest_age`` is None without a backlog. A ticket counts in ``backlog_by_stage`` once for each
    stage flagged.
    """

    counts: Mapping[TicketState, int]
    oldest_age: timedelta | None
    backlog_by_stage: Mapping[str, int]

    @property
    def backlog(self) -> int:
        """How many tickets wait for a decision."""
        return sum(self.counts[state] for state in UNDECIDED)


def figures_of(tickets: Iterable[Ticket], now: datetime) -> QueueFigures:
    """The figures of these tickets at that moment."""
    states: Counter[TicketState] = Counter()
    stages: Counter[str] = Counter()
    oldest: datetime | None = None
    for ticket in tickets:
        states[ticket.state] += 1
        if ticket.state in UNDECIDED:
            stages.update(set(ticket.flagged))
            oldest = min(oldest or ticket.created_at, ticket.created_at)
    return QueueFigures(
        {state: states[state] for state in TicketState},
        now - oldest if oldest is not None else None,
        dict(sorted(stages.items())),
    )
