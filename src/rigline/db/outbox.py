"""The outbox: messages that are sent again and again until somebody acknowledges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from rigline.db.database import insert_once
from rigline.db.tables import OUTBOX
from rigline.errors import InvalidInput, ReviewConflict

O = OUTBOX.c  # noqa: E741


@dataclass(frozen=True)
class Message:
    """``due_at`` is when it is to be sent next, ``attempts`` how often it has been."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    due_at: datetime
    sent_at: datetime | None = None
    attempts: int = 0
    acknowledged_at: datetime | None = None


class Outbox:
    """The messages of one unit of work, committed with whatever they tell of."""

    def __init__(self, connection: Connection, *, locking: bool = False) -> None:
        self._connection = connection
        self._locking = locking and connection.dialect.name == "postgresql"

    def add(self, message_id: str, kind: str, payload: Mapping[str, Any], due_at: datetime) -> None:
        """Send a message from ``due_at`` on; ``ReviewConflict`` when the id is taken."""
        row = {
            "id": message_id, "kind": kind, "payload": dict(payload), "due_at": due_at,
            "attempts": 0,
        }  # fmt: skip
        if not insert_once(self._connection, OUTBOX, row):
            raise ReviewConflict(
                f"There is a message {message_id} already.",
                remedy="Use a new id.",
                conflict="duplicate",
                message_id=message_id,
            )

    def get(self, message_id: str) -> Message:
        """The message as it stands; ``InvalidInput`` when there is none of that id."""
        row = self._connection.execute(select(OUTBOX).where(O.id == message_id)).first()
        if row is None:
            raise InvalidInput(f"There is no message {message_id!r}.", message_id=message_id)
        return Message(*row)

    def due(self, now: datetime, limit: int) -> Sequence[Message]:
        """At most ``limit`` messages to send now, the longest overdue first.

        On PostgreSQL those that another relay is just sending are left out.
        """
        query = (
            select(OUTBOX)
            .where(O.acknowledged_at.is_(None), O.due_at <= now)
            .order_by(O.due_at, O.id)
            .limit(limit)
        )
        if self._locking:
            query = query.with_for_update(skip_locked=True)
        return [Message(*row) for row in self._connection.execute(query)]

    def mark_sent(self, message_id: str, now: datetime, again_at: datetime) -> None:
        """Note that a message was sent; unacknowledged, it is due again at ``again_at``."""
        self._connection.execute(
            update(OUTBOX)
            .where(O.id == message_id, O.acknowledged_at.is_(None))
            .values(sent_at=now, attempts=O.attempts + 1, due_at=again_at)
        )

    def acknowledge(self, message_id: str, now: datetime) -> bool:
        """Never send a message again; whether this was the first word of it.

        Of all who acknowledge one message exactly one hears True. Raises ``InvalidInput`` when
        there is none of that id.
        """
        done = self._connection.execute(
            update(OUTBOX)
            .where(O.id == message_id, O.acknowledged_at.is_(None))
            .values(acknowledged_at=now)
        )
        if done.rowcount == 1:
            return True
        self.get(message_id)
        return False

    def withdraw(self, message_id: str) -> bool:
        """Take back a message that has never been sent; whether it could be."""
        done = self._connection.execute(
            delete(OUTBOX).where(O.id == message_id, O.attempts == 0, O.acknowledged_at.is_(None))
        )
        return done.rowcount == 1
