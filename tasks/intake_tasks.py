"""Files of a watched place become jobs, and jobs that wait run, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from prefect import flow
from prefect.client.schemas.objects import State

from rigline.batch.intake import sweep_intake
from rigline.jobs.recovery import waiting
from rigline.settings import load_settings
from tasks.job_tasks import clock, run_job
from tasks.services import opened_ledger, services


def submit_new_files(
    source: str, creator: str, batch: str | None, priority: int
) -> tuple[int, Mapping[str, str]]:
    """How many files have become jobs, and why others could not, by where they are."""
    place = source or load_settings().intake
    if not place:
        return 0, {}
    with opened_ledger() as ledger:
        found = list(
            sweep_intake(
                ledger, services(), place, clock, creator=creator, batch=batch, priority=priority
            )
        )
    errors = {one.locator: one.error for one in found if one.error}
    return len(found) - len(errors), errors


def run_waiting_jobs(limit: int) -> dict[str, int]:
    """Run jobs that wait, each as a flow run below this one; how many ended in which state."""
    with opened_ledger() as ledger:
        ids = [job.id for job in waiting(ledger, clock())][:limit]
    states: Counter[str] = Counter()
    for job_id in ids:
        ended: State[str] = waiting_job(job_id, return_state=True)
        states[ended.result() if ended.is_completed() else "failed or parked"] += 1
    return dict(states)


@flow(name="job", flow_run_name="job {job_id}", persist_result=False)
def waiting_job(job_id: str) -> str:
    """One job that waited; the state in which it ended.

    Args:
        job_id: The job, as rigline jobs list has it.
    """
    job, _ = run_job(job_id)
    return str(job.state)
