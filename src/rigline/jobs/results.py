"""What a job has made so far, with the corrections that were applied."""

from __future__ import annotations

from dataclasses import replace

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger
from rigline.engine.job import STOPPED, Job, JobState, state_conflict
from rigline.jobs.execution import finish_stages
from rigline.jobs.standing import standing_of
from rigline.pipelines.job_kind import FinishedRun

WHOLE = (JobState.PUBLISHED, JobState.REJECTED, JobState.IN_REVIEW)
"""The states of a job that has run to its end."""


def has_results(job: Job) -> bool:
    """Whether all stages of the job have run, with nothing under way."""
    return job.state in WHOLE and job.judged is not None and job.judged.verdict != STOPPED


def results_of(ledger: Ledger, services: Services, job_id: str) -> FinishedRun:
    """The finished run of a job: found in the store, not computed.

    Corrections that have not taken effect yet are left out. Only what was swept from the store is
    made again. Raises ``InvalidInput`` for an unknown job, ``ReviewConflict`` for one that has not
    run to its end.
    """
    with ledger.reading() as work:
        job = work.jobs.get(job_id)
        asset, standing = work.jobs.asset(job.asset_sha256), standing_of(work, job_id)
    if not has_results(job):
        raise state_conflict(
            job,
            f"The job {job.id} is {job.state} and has no results yet.",
            remedy=f"rigline jobs show {job.id} tells where it stands.",
        )
    return finish_stages(services, job, asset, replace(standing, pending=()))
