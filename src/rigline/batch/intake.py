"""A watched place: whatever new lies in it becomes a job, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from rigline.batch.places import Reader
from rigline.batch.source import Entry, chunks, open_source
from rigline.bootstrap import Services
from rigline.db.ledger import Ledger
from rigline.engine.job import Job
from rigline.engine.pipeline import Pipeline
from rigline.errors import InvalidInput
from rigline.jobs.execution import Clock
from rigline.jobs.submission import submit
from rigline.storage.s3_location import is_s3

CHUNK: Final = 500
SETTLED: Final = timedelta(seconds=5)
"""A file of a folder that is younger may still be written to, and is left for the next sweep."""


@dataclass(frozen=True)
class Intake:
    """What became of one file: a job, or the reason why none."""

    locator: str
    job: Job | None = None
    error: str = ""


def sweep_intake(
    ledger: Ledger, services: Services, place: str, clock: Clock, *,
    creator: str, batch: str | None = None, priority: int = 0, patterns: Sequence[str] = (),
    pipeline: Pipeline | None = None,
) -> Iterator[Intake]:  # fmt: skip
    """Submit each file below a folder or ``s3://`` prefix that no sweep of the place has submitted.

    A file that is written again is submitted again; the same content is the same job all the same.
    A sweep that dies goes on where it was, and several at once do no harm. A file that cannot be
    read is told, and tried again by the next sweep. Raises ``InvalidInput`` for a place that cannot
    be, ``ServiceUnavailable`` when place, store or ledger are away.
    """
    reader = Reader(services.settings)
    for chunk in chunks(open_source(place, services.settings, patterns).entries(), CHUNK):
        with ledger.reading() as work:
            known = work.intakes.stamps(place, [entry.locator for entry in chunk])
        for entry in chunk:
            if entry.error:
                yield Intake(entry.locator, error=entry.error)
            elif known.get(entry.locator) != entry.stamp and _is_settled(entry, clock):
                try:
                    data = reader.read(entry.locator)
                except InvalidInput as error:
                    yield Intake(entry.locator, error=str(error))
                    continue
                job = submit(
                    ledger, services, data, entry.locator.rpartition("/")[2], creator=creator,
                    batch=batch, priority=priority, now=clock(), pipeline=pipeline,
                )  # fmt: skip
                with ledger.transaction() as work:
                    work.intakes.note(place, entry.locator, entry.stamp, job.id, clock())
                yield Intake(entry.locator, job)


def _is_settled(entry: Entry, clock: Clock) -> bool:
    if is_s3(entry.locator):  # where objects appear whole
        return True
    try:
        modified = Path(entry.locator).stat().st_mtime
    except OSError:
        return False
    return clock().timestamp() - modified >= SETTLED.total_seconds()
