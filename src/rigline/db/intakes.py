"""Which files of a watched place have become jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from rigline.db.tables import INTAKES

I = INTAKES.c  # noqa: E741


class Intakes:
    """The intakes of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stamps(self, place: str, locators: Collection[str]) -> Mapping[str, str]:
        """The stamps of those files that have become jobs, by locator."""
        query = select(I.locator, I.stamp).where(I.place == place, I.locator.in_(locators))
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def note(self, place: str, locator: str, stamp: str, job_id: str, now: datetime) -> None:
        """Note that the file, as it is now, has become a job."""
        self._connection.execute(delete(INTAKES).where(I.place == place, I.locator == locator))
        self._connection.execute(
            insert(INTAKES).values(
                place=place, locator=locator, stamp=stamp, job_id=job_id, seen_at=now
            )
        )
