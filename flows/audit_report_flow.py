"""Once a day: how the review queue fares, and the risk of what nobody looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from prefect import flow
from pydantic import Field

from rigline.jobs.audit_report import audit_report as report_of
from tasks.audit_artifact import publish_audit
from tasks.job_tasks import clock
from tasks.services import opened_ledger


@flow(name="audit_report", persist_result=False)
def audit_report(days: Annotated[int, Field(ge=1, le=365)] = 1) -> str:
    """Backlog, age, agreement and estimated risk with its interval, as an artifact.

    Args:
        days: How far back decisions and times are counted.
    """
    with opened_ledger() as ledger:
        return publish_audit(report_of(ledger, clock(), timedelta(days=days)))
