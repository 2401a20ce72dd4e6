"""A reviewer's decision takes effect: the job runs again from the stage that was corrected."""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks.job_tasks import resume_job


@flow(name="review_resume", flow_run_name="review_resume {decision_id}", persist_result=False)
def review_resume(decision_id: str) -> dict[str, Any]:
    """Resume a job from what a reviewer has corrected.

    Only the stages that depend on the correction run again. Started twice for one decision, or by
    two workers at once, it has the same effect as once.

    Args:
        decision_id: Id of the decision; the event rigline.decision.recorded brings it.
    """
    job, _ = resume_job(decision_id)
    return {"job": job.id, "state": str(job.state)}
