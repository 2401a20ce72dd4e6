"""The queue as people look through it: tickets with their jobs, filtered and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
)  # fmt: skip

from rigline.db.tables import ASSETS, JOBS, STAGE_RUNS, TICKET_SKIPS, TICKETS
from rigline.review.ticket import UNDECIDED, TicketState

T, J, A = TICKETS.c, JOBS.c, ASSETS.c

PICTURE_STAGE: Final = "picture"


class Tab(StrEnum):
    """The piles of an inbox: one's own tickets, the pool, leads' work, what rests, what is done."""

    MINE = "mine"
    POOL = "pool"
    ESCALATED = "escalated"
    HELD = "held"
    CLAIMED = "claimed"
    DONE = "done"


@dataclass(frozen=True)
class InboxFilter:
    """Which tickets: those that fit everything given. ``reason`` is part of a sentence."""

    tab: Tab = Tab.POOL
    pipeline: str | None = None
    stage: str | None = None
    reason: str | None = None
    batch: str | None = None
    creator: str | None = None
    created_before: datetime | None = None
    least_priority: int | None = None


@dataclass(frozen=True)
class InboxRow:
    """One ticket and what its line shows. ``picture_sha256`` is None for a job without picture."""

    ticket_id: str
    job_id: str
    state: TicketState
    created_at: datetime
    flagged: tuple[str, ...]
    reasons: tuple[str, ...]
    priority: int
    claimed_by: str | None
    lease_expires_at: datetime | None
    held_until: datetime | None
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    pipeline: str
    batch: str | None
    creator: str
    confidence: float | None
    asset_name: str
    picture_sha256: str | None = None


@dataclass(frozen=True)
class Facets:
    """The values that undecided tickets have, to choose filters from."""

    pipelines: tuple[str, ...]
    stages: tuple[str, ...]
    batches: tuple[str, ...]
    creators: tuple[str, ...]


_SHOWN: Final = {
    "ticket_id": T.id, "job_id": T.job_id, "state": T.state, "created_at": T.created_at,
    "flagged": T.flagged, "reasons": T.reasons, "priority": T.priority,
    "claimed_by": T.claimed_by, "lease_expires_at": T.lease_expires_at,
    "held_until": T.held_until, "decision": T.decision, "decided_by": T.decided_by,
    "decided_at": T.decided_at, "pipeline": J.pipeline, "batch": J.batch, "creator": J.creator,
    "confidence": J.confidence, "asset_name": A.name,
}  # fmt: skip


class Inbox:
    """Questions about the queue, over the connection of a unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(
        self, person: str, which: InboxFilter, now: datetime, limit: int = 50
    ) -> Sequence[InboxRow]:
        """At most ``limit`` tickets in the order of the queue; what is done, the latest first."""
        order: tuple[Any, ...] = (T.priority.desc(), T.created_at, T.id)
        if which.tab == Tab.DONE:
            order = (T.decided_at.desc(), T.id)
        query = _joined(*_SHOWN.values()).where(*_conditions(person, which, now))
        found = list(self._connection.execute(query.order_by(*order).limit(limit)))
        pictures = self._pictures([row[1] for row in found])
        return [_row_of(row, pictures.get(row[1])) for row in found]

    def count(self, person: str, which: InboxFilter, now: datetime) -> int:
        """How many tickets fit."""
        query = _joined(func.count()).where(*_conditions(person, which, now))
        return int(self._connection.execute(query).scalar_one())

    def counts(self, person: str, now: datetime) -> dict[Tab, int]:
        """How many tickets each pile has."""
        return {tab: self.count(person, InboxFilter(tab), now) for tab in Tab}

    def facets(self) -> Facets:
        """The values to filter by."""
        undecided = T.state.in_([str(state) for state in UNDECIDED])

        def values(column: Any) -> tuple[str, ...]:
            query = _joined(column).where(undecided, column.is_not(None)).distinct()
            return tuple(sorted(self._connection.execute(query).scalars()))

        flagged = select(T.flagged).where(undecided).distinct()
        stages = {s for names in self._connection.execute(flagged).scalars() for s in names}
        return Facets(values(J.pipeline), tuple(sorted(stages)), values(J.batch), values(J.creator))

    def _pictures(self, job_ids: Sequence[str]) -> dict[str, str]:
        """sha256 of the last picture of each job."""
        if not job_ids:
            return {}
        r = STAGE_RUNS.c
        query = (
            select(r.job_id, r.output_sha256)
            .where(r.stage == PICTURE_STAGE, r.job_id.in_(job_ids))
            .order_by(r.id)
        )
        return {row[0]: row[1] for row in self._connection.execute(query)}


def _row_of(row: Row[Any], picture: str | None) -> InboxRow:
    fields = dict(zip(_SHOWN, row, strict=True))
    fields["state"] = TicketState(fields["state"])
    fields["flagged"], fields["reasons"] = tuple(fields["flagged"]), tuple(fields["reasons"])
    return InboxRow(**fields, picture_sha256=picture)


def _joined(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(TICKETS)
        .join(JOBS, T.job_id == J.id)
        .join(ASSETS, J.asset_sha256 == A.sha256)
    )


def _conditions(person: str, which: InboxFilter, now: datetime) -> list[ColumnElement[bool]]:
    found = [_pile(person, which.tab, now)]
    equal = {J.pipeline: which.pipeline, J.batch: which.batch, J.creator: which.creator}
    found += [column == value for column, value in equal.items() if value]
    if which.stage:
        found.append(cast(T.flagged, String).contains(f'"{which.stage}"', autoescape=True))
    if which.reason:
        text = func.lower(cast(T.reasons, String))
        found.append(text.contains(which.reason.lower(), autoescape=True))
    if which.created_before is not None:
        found.append(T.created_at <= which.created_before)
    if which.least_priority is not None:
        found.append(T.priority >= which.least_priority)
    return found


def _pile(person: str, tab: Tab, now: datetime) -> ColumnElement[bool]:
    def state(*states: TicketState) -> ColumnElement[bool]:
        return T.state.in_([str(s) for s in states])

    skipped = exists().where(TICKET_SKIPS.c.ticket_id == T.id, TICKET_SKIPS.c.reviewer == person)
    reserved = and_(T.preferred_until > now, T.preferred_reviewer != person)
    returned = and_(state(TicketState.OPEN), T.preferred_until > now, ~reserved)
    return {
        Tab.MINE: or_(and_(state(TicketState.CLAIMED), T.claimed_by == person), returned),
        Tab.POOL: and_(
            state(TicketState.OPEN), ~skipped, or_(T.preferred_until.is_(None), ~reserved)
        ),
        Tab.ESCALATED: state(TicketState.ESCALATED),
        Tab.HELD: state(TicketState.HELD),
        Tab.CLAIMED: and_(state(TicketState.CLAIMED), T.claimed_by != person),
        Tab.DONE: and_(state(TicketState.DECIDED, TicketState.CLOSED), T.decided_by == person),
    }[tab]
