"""New files of a watched folder or bucket become jobs, each once, and run."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from tasks.intake_tasks import run_waiting_jobs, submit_new_files

Priority = Annotated[int, Field(ge=-1000, le=1000)]


@flow(name="intake_sweep", persist_result=False)
def intake_sweep(
    source: str = "",
    creator: str = "intake",
    batch: str = "",
    priority: Priority = 0,
    limit: Annotated[int, Field(ge=1)] = 200,
) -> dict[str, Any]:
    """Make jobs of the new files below a folder or bucket prefix, and run what waits.

    What waits are the new jobs, and any others that are queued, parked, or lost their worker. A
    file that cannot be read or set up stops no other.

    Args:
        source: Folder, or s3://bucket/prefix, as the worker sees it. Empty: RIGLINE_INTAKE; where
            that is not set either, only jobs that wait already are run.
        creator: Whose files they are; policies can treat creators apart.
        batch: A name that the jobs share; may be empty.
        priority: Of two jobs the larger number goes first.
        limit: How many jobs this run takes on at most; the next one goes on.
    """
    log = get_run_logger()
    new, errors = submit_new_files(source, creator, batch or None, priority)
    for locator, error in errors.items():
        log.warning("%s: %s", locator, error)
    states = run_waiting_jobs(limit)
    return {"new": new, "unreadable": len(errors), "ran": states}
