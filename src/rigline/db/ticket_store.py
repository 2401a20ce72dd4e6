"""The review queue's tickets in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    type_coerce,
    union_all,
    update,
)

from rigline.db.columns import Json
from rigline.db.database import insert_once
from rigline.db.tables import AUDIT_ENTRIES, TICKET_SKIPS, TICKETS
from rigline.db.ticket_rows import audit_entry_of, audit_row, ticket_of, ticket_row
from rigline.errors import InvalidInput, ReviewConflict
from rigline.review.conflict import Conflict
from rigline.review.figures import QueueFigures
from rigline.review.ticket import UNDECIDED, Role, Ticket, TicketState
from rigline.review.ticket_store import require_growth
from rigline.review.transitions import AuditEntry

T = TICKETS.c
SKIPS: Final = "skipped_by"


class SqlTicketStore:
    """Tickets of one unit of work, over the connection of its transaction.

    Of all claimants one wins by the version in a conditional UPDATE. With ``locking``, on
    PostgreSQL, candidates are locked and those of others passed over, so that claimants seldom
    meet; SQLite has one writer at a time in any case.
    """

    def __init__(self, connection: Connection, *, locking: bool = False) -> None:
        self._connection = connection
        self._locking = locking and connection.dialect.name == "postgresql"
        self._select = _select_with_skips(connection.dialect.name)
        self._seen: dict[tuple[str, int], frozenset[str]] = {}

    def get(self, ticket_id: str) -> Ticket:
        found = self._tickets(self._select.where(T.id == ticket_id))
        if not found:
            raise InvalidInput(
                f"There is no ticket {ticket_id!r}.",
                remedy="Look it up in the queue.",
                ticket=ticket_id,
            )
        return found[0]

    def add(self, ticket: Ticket) -> None:
        if not insert_once(self._connection, TICKETS, ticket_row(ticket)):
            raise self._duplicate(ticket)
        self._keep_skips(ticket, frozenset())

    def compare_and_set(self, ticket: Ticket, expected_version: int) -> bool:
        require_growth(ticket, expected_version)
        changed = self._connection.execute(
            update(TICKETS)
            .where(T.id == ticket.id, T.version == expected_version)
            .values(**ticket_row(ticket))
        )
        if changed.rowcount != 1:
            return False
        self._keep_skips(ticket, self._seen.get((ticket.id, expected_version)))
        return True

    def claimable(self, reviewer: str, role: Role, now: datetime, limit: int) -> Sequence[Ticket]:
        states = {
            Role.REVIEWER: (TicketState.OPEN,),
            Role.LEAD: (TicketState.OPEN, TicketState.ESCALATED),
            Role.SYSTEM: (),
        }[role]
        if self._locking:
            offered = self._offered(reviewer, states, now, limit, lock=True)
            if offered:
                return offered
        # Nothing at all, or nothing but what others hold for the blink of a claim: look again
        # without passing over, since an empty answer has to mean an empty queue.
        return self._offered(reviewer, states, now, limit, lock=False)

    def due(self, now: datetime, limit: int) -> Sequence[Ticket]:
        return self._tickets(
            self._select.where(T.due_at <= now).order_by(T.due_at, T.id).limit(limit)
        )

    def overdue(self, now: datetime, limit: int) -> Sequence[Ticket]:
        waits = T.state.in_([str(TicketState.OPEN), str(TicketState.ESCALATED)])
        return self._tickets(
            self._select.where(waits, T.overdue_at <= now).order_by(T.overdue_at, T.id)
            .limit(limit)
        )  # fmt: skip

    def find(
        self, states: Sequence[TicketState] = (), *, job_id: str | None = None, limit: int = 100
    ) -> Sequence[Ticket]:
        """At most ``limit`` tickets, in the order of the queue; no states means all."""
        query = self._select.order_by(T.priority.desc(), T.created_at, T.id).limit(limit)
        if states:
            query = query.where(T.state.in_([str(state) for state in states]))
        if job_id is not None:
            query = query.where(T.job_id == job_id)
        return self._tickets(query)

    def append_audit(self, entry: AuditEntry) -> None:
        self._connection.execute(insert(AUDIT_ENTRIES).values(**audit_row(entry)))

    def audit(self, ticket_id: str) -> Sequence[AuditEntry]:
        entries = AUDIT_ENTRIES.c
        found = self._connection.execute(
            select(AUDIT_ENTRIES)
            .where(entries.ticket_id == ticket_id)
            .order_by(entries.version)
        ).mappings()  # fmt: skip
        return [audit_entry_of(dict(row)) for row in found]

    def figures(self, now: datetime) -> QueueFigures:
        undecided = T.state.in_([str(state) for state in UNDECIDED])
        run = self._connection.execute
        by_state = {row[0]: row[1] for row in run(select(T.state, func.count()).group_by(T.state))}
        oldest = run(select(func.min(T.created_at)).where(undecided)).scalar()
        stages: dict[str, int] = {}
        grouped = select(T.flagged, func.count()).where(undecided).group_by(T.flagged)
        for flagged, count in run(grouped):
            for stage in set(flagged):
                stages[stage] = stages.get(stage, 0) + count
        return QueueFigures(
            {state: by_state.get(str(state), 0) for state in TicketState},
            now - oldest if oldest is not None else None,
            dict(sorted(stages.items())),
        )

    def _offered(
        self, reviewer: str, states: Sequence[TicketState], now: datetime, limit: int, lock: bool
    ) -> list[Ticket]:
        """The first of each state, each found by its index, and of them all the first."""
        mine = T.preferred_reviewer == reviewer
        free = or_(T.preferred_until.is_(None), T.preferred_until <= now, mine)
        skipped = exists().where(
            TICKET_SKIPS.c.ticket_id == T.id, TICKET_SKIPS.c.reviewer == reviewer
        )
        piles = [
            self._first([T.state == str(state), not_(skipped), condition], limit, lock)
            for state in states
            for condition in (mine, free)
        ]
        if not piles:
            return []
        # All piles in one round trip. A ticket can lie in two of them.
        together = union_all(*(select(pile.subquery()) for pile in piles))
        found = {ticket.id: ticket for ticket in self._tickets(together)}
        ordered = sorted(found.values(), key=lambda ticket: ticket.offer_order(reviewer))
        return list(islice(ordered, limit))

    def _first(
        self, conditions: Sequence[ColumnElement[bool]], limit: int, lock: bool
    ) -> Select[Any]:
        query = (
            self._select.where(*conditions)
            .order_by(T.priority.desc(), T.created_at, T.id)
            .limit(limit)
        )
        return query.with_for_update(skip_locked=True, of=TICKETS) if lock else query

    def _tickets(self, query: Select[Any] | CompoundSelect[Any]) -> list[Ticket]:
        tickets: list[Ticket] = []
        for row in self._connection.execute(query).mappings():
            fields = dict(row)
            skips = frozenset(fields.pop(SKIPS) or ())
            tickets.append(ticket_of(fields, skips))
            self._seen[fields["id"], fields["version"]] = skips
        return tickets

    def _keep_skips(self, ticket: Ticket, before: frozenset[str] | None) -> None:
        """Make the skips those of the ticket.

        ``before`` are those of the version replaced, if this unit of work has seen it: skips change
        with the version alone, so that then only what is different has to be written.
        """
        skips, now = TICKET_SKIPS.c, ticket.skipped_by
        if before is None or before - now:
            self._connection.execute(
                delete(TICKET_SKIPS).where(skips.ticket_id == ticket.id, skips.reviewer.not_in(now))
            )
        for reviewer in sorted(now - (before or frozenset())):
            row = {"ticket_id": ticket.id, "reviewer": reviewer}
            insert_once(self._connection, TICKET_SKIPS, row)
        self._seen[ticket.id, ticket.version] = now

    def _duplicate(self, ticket: Ticket) -> ReviewConflict:
        rival = self._connection.execute(
            select(T.id, T.job_id).where(
                or_(
                    T.id == ticket.id,
                    and_(T.job_id == ticket.job_id, T.state != str(TicketState.CLOSED)),
                )
            )
        ).first()
        other, job = rival or (ticket.id, ticket.job_id)
        return ReviewConflict(
            f"The job {job} has the ticket {other} already.",
            remedy="Use that ticket.",
            conflict=str(Conflict.DUPLICATE),
            ticket=other,
            job=job,
        )


def _select_with_skips(dialect: str) -> Select[Any]:
    """Tickets, each with the names of those who skipped it as a list; null for none."""
    collect = func.jsonb_agg if dialect == "postgresql" else func.json_group_array
    skips = (
        select(type_coerce(collect(TICKET_SKIPS.c.reviewer), Json))
        .where(TICKET_SKIPS.c.ticket_id == T.id)
        .correlate(TICKETS)
        .scalar_subquery()
    )
    return select(TICKETS, skips.label(SKIPS))
