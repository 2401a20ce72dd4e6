"""People's roles, from when until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from rigline.db.tables import ROLE_GRANTS
from rigline.errors import InvalidInput
from rigline.review.access import PersonRole
from rigline.review.ticket import Actor

G = ROLE_GRANTS.c


@dataclass(frozen=True)
class Grant:
    """A role given to a person; without ``expires_at`` it lasts until it is revoked."""

    person: str
    role: PersonRole
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class People:
    """The people of one unit of work, by the names under which they sign in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def grant(
        self, person: str, role: PersonRole, by: str, now: datetime,
        expires_at: datetime | None = None,
    ) -> Grant:  # fmt: skip
        """Give a role, in place of an earlier grant of it.

        Raises ``InvalidInput`` for an impossible name, and for an end that is past already.
        """
        name = Actor(person).name
        if expires_at is not None and expires_at <= now:
            raise InvalidInput(
                f"A role cannot end at {expires_at.isoformat()}, which is past.",
                remedy="Choose a later moment.",
                expires_at=expires_at,
            )
        self.revoke(name, role, now)
        given = Grant(name, role, by, now, expires_at)
        self._connection.execute(
            insert(ROLE_GRANTS).values(
                person=name, role=str(role), granted_by=by, granted_at=now, expires_at=expires_at
            )
        )
        return given

    def revoke(self, person: str, role: PersonRole, now: datetime) -> bool:
        """Take a role away; whether the person had it."""
        done = self._connection.execute(
            update(ROLE_GRANTS)
            .where(G.person == person, G.role == str(role), _in_force(now))
            .values(revoked_at=now)
        )
        return done.rowcount > 0

    def roles(self, person: str, now: datetime) -> frozenset[PersonRole]:
        """The roles that the person has at that moment."""
        query = select(G.role).where(G.person == person, _in_force(now))
        return frozenset(PersonRole(role) for role in self._connection.execute(query).scalars())

    def grants(self, now: datetime | None = None) -> Sequence[Grant]:
        """All grants by person and time; those in force at a moment, if one is given."""
        columns = (G.person, G.role, G.granted_by, G.granted_at, G.expires_at, G.revoked_at)
        query = select(*columns).order_by(G.person, G.granted_at, G.id)
        if now is not None:
            query = query.where(_in_force(now))
        return [
            Grant(row[0], PersonRole(row[1]), *row[2:]) for row in self._connection.execute(query)
        ]


def _in_force(now: datetime) -> ColumnElement[bool]:
    return and_(G.revoked_at.is_(None), or_(G.expires_at.is_(None), G.expires_at > now))
