"""Batches, their items and their dead letters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from rigline.db.database import insert_once
from rigline.db.jobs import job_of
from rigline.db.tables import BATCH_ITEMS, BATCHES, DEAD_LETTERS, JOBS
from rigline.engine.batch import (
    Batch,
    BatchItem,
    BatchLimits,
    BatchState,
    DeadLetter,
    FaultKind,
    ItemOutcome,
    ItemState,
)
from rigline.engine.job import JobState
from rigline.errors import InvalidInput, ReviewConflict

B, I, D = BATCHES.c, BATCH_ITEMS.c, DEAD_LETTERS.c  # noqa: E741
UNFINISHED: Final = (str(ItemState.WAITING), str(ItemState.RUNNING))


class Batches:
    """The batches of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, batch: Batch) -> None:
        """Keep a new batch; ``ReviewConflict`` when the id is taken."""
        if not insert_once(self._connection, BATCHES, _batch_row(batch)):
            raise ReviewConflict(
                f"There is a batch {batch.id} already.",
                remedy="Resume it, or use another id.",
                conflict="duplicate",
                batch=batch.id,
            )

    def get(self, batch_id: str) -> Batch:
        """The batch as it stands; ``InvalidInput`` when there is none of that id."""
        row = self._connection.execute(select(BATCHES).where(B.id == batch_id)).mappings().first()
        if row is None:
            raise InvalidInput(
                f"There is no batch {batch_id!r}.",
                remedy="rigline batch list shows them.",
                batch=batch_id,
            )
        return _batch_of(row)

    def list(self, limit: int = 100) -> Sequence[Batch]:
        """At most ``limit`` batches, the newest first."""
        query = select(BATCHES).order_by(B.created_at.desc(), B.id.desc()).limit(limit)
        return [_batch_of(row) for row in self._connection.execute(query).mappings()]

    def take(self, batch_id: str, now: datetime) -> Batch:
        """Take a batch up to drive it: from now on no other driver's word counts."""
        batch = self.get(batch_id)
        return self._moved(
            batch,
            replace(
                batch, token=batch.token + 1, state=BatchState.RUNNING, updated_at=now, said=""
            ),
        )

    def touch(self, batch: Batch, now: datetime, state: BatchState | None = None, said: str = "",
    ) -> Batch:  # fmt: skip
        """Note that its driver is at the batch still, or leaves it in another state.

        Raises ``ReviewConflict`` when another driver has taken it up.
        """
        after = replace(batch, updated_at=now, state=state or batch.state, said=said)
        return self._moved(batch, after)

    def _moved(self, before: Batch, after: Batch) -> Batch:
        row = _batch_row(after)
        changed = self._connection.execute(
            update(BATCHES).where(B.id == before.id, B.token == before.token).values(**row)
        )
        if changed.rowcount != 1:
            raise ReviewConflict(
                f"Another driver has taken up the batch {before.id}.",
                remedy="Leave it to that one.",
                conflict="stale_version",
                batch=before.id,
            )
        return after

    def known(self, batch_id: str, locators: Collection[str]) -> frozenset[str]:
        """Those of the locators that are items of the batch already."""
        query = select(I.locator).where(I.batch_id == batch_id, I.locator.in_(list(locators)))
        return frozenset(self._connection.execute(query).scalars())

    def owned(self, batch_id: str, job_ids: Collection[str]) -> frozenset[str]:
        """Those of the jobs that items of the batch have already."""
        query = select(I.job_id).where(I.batch_id == batch_id, I.job_id.in_(list(job_ids)))
        return frozenset(self._connection.execute(query).scalars())

    def extent(self, batch_id: str) -> tuple[int, int]:
        """How many items the batch has, and the next free number."""
        query = select(func.count(), func.max(I.number)).where(I.batch_id == batch_id)
        count, last = self._connection.execute(query).one()
        return count, 0 if last is None else last + 1

    def unfinished(self, batch_id: str, after: int, limit: int) -> Sequence[BatchItem]:
        """Items to take up, at most ``limit`` of them, by number beyond ``after``.

        Those that wait or were running, and dead ones whose job somebody put back to queued.
        """
        put_back = and_(I.state == str(ItemState.DEAD), JOBS.c.state == str(JobState.QUEUED))
        query = (
            select(BATCH_ITEMS)
            .outerjoin(JOBS, JOBS.c.id == I.job_id)
            .where(I.batch_id == batch_id, I.number > after, or_(I.state.in_(UNFINISHED), put_back))
            .order_by(I.number)
            .limit(limit)
        )
        return [_item_of(row) for row in self._connection.execute(query).mappings()]

    def add_items(self, items: Sequence[BatchItem]) -> None:
        """Keep new items."""
        if items:
            self._connection.execute(insert(BATCH_ITEMS), [_item_row(item) for item in items])

    def put_items(self, items: Sequence[BatchItem]) -> None:
        """Write items as they are now."""
        if not items:
            return
        changing = ("state", "attempts", "asset_sha256", "job_id", "seconds")
        statement = (
            update(BATCH_ITEMS)
            .where(I.batch_id == bindparam("b_batch"), I.number == bindparam("b_number"))
            .values({name: bindparam(f"b_{name}") for name in changing})
        )
        rows = []
        for item in items:
            row = _item_row(item)
            key = {"b_batch": item.batch_id, "b_number": item.number}
            rows.append(key | {f"b_{name}": row[name] for name in changing})
        self._connection.execute(statement, rows)

    def figures(self, batch_id: str) -> dict[tuple[ItemState, JobState | None], int]:
        """How many items there are of each state of item and job."""
        query = (
            select(I.state, JOBS.c.state, func.count())
            .outerjoin(JOBS, JOBS.c.id == I.job_id)
            .where(I.batch_id == batch_id)
            .group_by(I.state, JOBS.c.state)
        )
        return {
            (ItemState(item), JobState(job) if job else None): count
            for item, job, count in self._connection.execute(query)
        }

    def outcomes(self, batch_id: str, after: int, limit: int) -> Sequence[ItemOutcome]:
        """Items with their jobs, at most ``limit`` of them, by number beyond ``after``."""
        query = (
            select(BATCH_ITEMS)
            .where(I.batch_id == batch_id, I.number > after)
            .order_by(I.number)
            .limit(limit)
        )
        items = [_item_of(row) for row in self._connection.execute(query).mappings()]
        wanted = [item.job_id for item in items if item.job_id]
        rows = self._connection.execute(select(JOBS).where(JOBS.c.id.in_(wanted))).mappings()
        jobs = {row["id"]: job_of(row) for row in rows}
        numbers = [item.number for item in items]
        dead = {d.number: d for d in self.dead_letters(batch_id, numbers) if not d.replayed_at}
        return [ItemOutcome(i, jobs.get(i.job_id or ""), dead.get(i.number)) for i in items]

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep what was given up."""
        rows = [{k: v for k, v in _dead_row(letter).items() if k != "id"} for letter in letters]
        if rows:
            self._connection.execute(insert(DEAD_LETTERS), rows)

    def dead_letters(
        self, batch_id: str, numbers: Collection[int] | None = None, *, limit: int | None = None
    ) -> Sequence[DeadLetter]:
        """What was given up of a batch, or of some of its items, in the order of time."""
        query = select(DEAD_LETTERS).where(D.batch_id == batch_id).order_by(D.id).limit(limit)
        if numbers is not None:
            query = query.where(D.number.in_(list(numbers)))
        rows = self._connection.execute(query).mappings()
        return [DeadLetter(**{**row, "kind": FaultKind(row["kind"])}) for row in rows]

    def mark_replayed(self, ids: Iterable[int | None], now: datetime) -> None:
        """Note that dead letters were taken back."""
        self._connection.execute(
            update(DEAD_LETTERS).where(D.id.in_(list(ids))).values(replayed_at=now)
        )

    def forget(self, batch_id: str, numbers: Collection[int]) -> None:
        """Delete items, so that their files are new to the batch when it next meets them."""
        self._connection.execute(
            delete(BATCH_ITEMS).where(I.batch_id == batch_id, I.number.in_(list(numbers)))
        )

    def items(self, batch_id: str, numbers: Collection[int]) -> Sequence[BatchItem]:
        """The items of those numbers."""
        query = select(BATCH_ITEMS).where(I.batch_id == batch_id, I.number.in_(list(numbers)))
        return [_item_of(row) for row in self._connection.execute(query).mappings()]


def _batch_row(batch: Batch) -> dict[str, Any]:
    return {
        **{f.name: getattr(batch, f.name) for f in fields(batch)},
        "params": dict(batch.params),
        "patterns": list(batch.patterns),
        "limits": asdict(batch.limits),
        "state": str(batch.state),
    }


def _batch_of(row: Mapping[Any, Any]) -> Batch:
    return Batch(
        **{
            **row,
            "patterns": tuple(row["patterns"]),
            "limits": BatchLimits(**row["limits"]),
            "state": BatchState(row["state"]),
        }
    )


def _item_row(item: BatchItem) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in fields(item)} | {"state": str(item.state)}


def _item_of(row: Mapping[Any, Any]) -> BatchItem:
    return BatchItem(**{**row, "state": ItemState(row["state"])})


def _dead_row(letter: DeadLetter) -> dict[str, Any]:
    return {f.name: getattr(letter, f.name) for f in fields(letter)} | {"kind": str(letter.kind)}
