"""Jobs that wait for a worker, and jobs that are put back to wait for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from rigline.db.jobs import ALL_JOBS, JobFilter
from rigline.db.ledger import Ledger
from rigline.engine.job import Job, JobAction, JobState, state_conflict
from rigline.errors import InvalidInput, ReviewConflict
from rigline.jobs.execution import AT_WORK, is_lost

PAGE: Final = 500
REPLAYED: Final = (JobState.FAILED, JobState.PARKED)
"""The states from which a job can be put back."""


def waiting(ledger: Ledger, now: datetime, which: JobFilter = ALL_JOBS) -> list[Job]:
    """The jobs to run, the highest priority first, then the oldest.

    Those that are queued, parked, or at work without a worker; states in ``which`` are not heeded.
    """
    states = (JobState.QUEUED, JobState.PARKED, *AT_WORK)
    found = jobs_that(ledger, replace(which, states=states))
    ready = [job for job in found if job.state not in AT_WORK or is_lost(job, now)]
    return sorted(ready, key=lambda job: (-job.priority, job.created_at, job.id))


def replay(ledger: Ledger, which: JobFilter, now: datetime) -> list[Job]:
    """Put failed and parked jobs back to queued; the jobs put back, as they are now.

    Without states in ``which`` both kinds. A job that moves on meanwhile is left alone. Raises
    ``InvalidInput`` for another state.
    """
    wrong = [state for state in which.states if state not in REPLAYED]
    if wrong:
        raise InvalidInput(
            f"A job that is {wrong[0]} cannot be put back.",
            remedy=f"Jobs that are {' or '.join(REPLAYED)} can.",
            state=str(wrong[0]),
        )
    back: list[Job] = []
    for job in list(jobs_that(ledger, replace(which, states=which.states or REPLAYED))):
        with suppress(ReviewConflict), ledger.transaction() as work:
            back.append(work.jobs.transition(job, JobAction.RETRY, now))
    return back


def replay_job(ledger: Ledger, job_id: str, now: datetime) -> Job:
    """Put one failed or parked job back to queued; ``ReviewConflict`` when it is neither."""
    with ledger.transaction() as work:
        job = work.jobs.get(job_id)
        if job.state not in REPLAYED:
            raise state_conflict(
                job,
                f"The job {job.id} is {job.state}.",
                remedy=f"Jobs that are {' or '.join(REPLAYED)} can be put back.",
            )
        return work.jobs.transition(job, JobAction.RETRY, now)


def jobs_that(ledger: Ledger, which: JobFilter) -> Iterator[Job]:
    """All jobs that fit, the newest first, read page by page."""
    after: str | None = None
    while True:
        with ledger.reading() as work:
            page = work.jobs.list(which, limit=PAGE, after=after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id
