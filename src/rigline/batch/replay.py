"""Items that were given up are taken back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from rigline.db.ledger import Ledger
from rigline.engine.batch import DeadLetter, FaultKind, ItemState
from rigline.engine.job import JobAction, JobState, advance


def replay(
    ledger: Ledger, batch_id: str, now: datetime, *,
    numbers: Collection[int] = (), kinds: Collection[FaultKind] = (), stage: str | None = None,
) -> list[DeadLetter]:  # fmt: skip
    """Put the dead items of a batch that fit back to waiting; the dead letters taken back.

    Their attempts count from the beginning, and they run when the batch is next resumed. A file
    that never came in is forgotten, so that it is read as if it were new.
    """
    with ledger.transaction() as work:
        work.batches.get(batch_id)
        letters = [
            letter
            for letter in work.batches.dead_letters(batch_id)
            if letter.replayed_at is None
            and (not numbers or letter.number in numbers)
            and (not kinds or letter.kind in kinds)
            and stage in (None, letter.stage)
        ]
        items = [
            item
            for item in work.batches.items(batch_id, [letter.number for letter in letters])
            if item.state == ItemState.DEAD
        ]
        jobs = work.job_groups.get([item.job_id for item in items if item.job_id])
        work.job_groups.put(
            [
                (job, advance(job, JobAction.RETRY, now))
                for job in jobs.values()
                if job.state in (JobState.FAILED, JobState.PARKED)
            ]
        )
        work.batches.put_items(
            [replace(i, state=ItemState.WAITING, attempts=0) for i in items if i.job_id]
        )
        work.batches.forget(batch_id, [item.number for item in items if not item.job_id])
        work.batches.mark_replayed([letter.id for letter in letters], now)
        return letters
