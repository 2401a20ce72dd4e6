"""The inbox: filters to and from the address, and lines of tickets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from review_ui.presenters.wording import ago, percent, plain
from rigline.db.inbox import InboxFilter, InboxRow, Tab
from rigline.review.ticket import TicketState

TAB_NAMES: Final[Mapping[Tab, str]] = {
    Tab.POOL: "Pool",
    Tab.MINE: "Mine",
    Tab.ESCALATED: "Escalated",
    Tab.HELD: "On hold",
    Tab.CLAIMED: "With others",
    Tab.DONE: "Done by me",
}
AGES: Final[Mapping[str, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
EMPTY: Final[Mapping[Tab, str]] = {
    Tab.POOL: "Nothing waits. New tickets appear here by themselves.",
    Tab.MINE: "You have no ticket. Claim the next one from the pool.",
    Tab.ESCALATED: "Nothing was escalated.",
    Tab.HELD: "Nothing is on hold.",
    Tab.CLAIMED: "Nobody else has a ticket right now.",
    Tab.DONE: "You have decided nothing yet.",
}
PAST: Final = {"approve": "approved", "correct": "corrected", "reject": "rejected"}
_TEXTS: Final = ("pipeline", "stage", "reason", "batch", "creator")


@dataclass(frozen=True)
class Line:
    """A ticket's line; texts are safe for Markdown."""

    ticket_id: str
    title: str
    facts: str
    reasons: tuple[str, ...]
    standing: str


def filter_of(params: Mapping[str, str], now: datetime) -> InboxFilter:
    """The filter that an address asks for; what makes no sense is left out."""
    tabs = {str(tab): tab for tab in Tab}
    age = AGES.get(params.get("age", ""))
    priority = params.get("priority", "")
    texts = {name: params[name][:200] for name in _TEXTS if params.get(name)}
    return InboxFilter(
        tab=tabs.get(params.get("tab", ""), Tab.POOL),
        created_before=now - age if age else None,
        least_priority=int(priority) if priority.lstrip("-").isdecimal() else None,
        **texts,
    )


def is_filtered(which: InboxFilter) -> bool:
    """Whether more than the pile is chosen."""
    return which != InboxFilter(which.tab)


def line_of(row: InboxRow, now: datetime) -> Line:
    """The line of a ticket."""
    facts = [
        ago(row.created_at, now),
        f"priority {row.priority}" if row.priority else "",
        f"batch {plain(row.batch)}" if row.batch else "",
        f"by {plain(row.creator)}",
        f"confidence {percent(row.confidence)}",
    ]
    return Line(
        row.ticket_id,
        plain(row.asset_name),
        " · ".join(filter(None, facts)),
        tuple(plain(reason) for reason in row.reasons[:3]),
        standing(row, now),
    )


def standing(row: InboxRow, now: datetime) -> str:
    """What a ticket is waiting for, or what became of it."""
    if row.state == TicketState.CLAIMED:
        return f"with {plain(row.claimed_by or '')}"
    if row.state == TicketState.HELD and row.held_until is not None:
        return f"on hold until {row.held_until:%d %b %H:%M} UTC"
    if row.state == TicketState.ESCALATED:
        return "escalated"
    if row.decision is not None and row.decided_at is not None:
        return f"{PAST[row.decision]} {ago(row.decided_at, now)}"
    return ""
