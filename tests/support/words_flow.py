"""The flow of the words pipeline."""

from __future__ import annotations

from prefect import flow

from tasks.job_tasks import run_job


@flow(name="words", persist_result=False)
def words(job_id: str) -> str:
    """Count the words of a text."""
    job, _ = run_job(job_id)
    return str(job.state)
