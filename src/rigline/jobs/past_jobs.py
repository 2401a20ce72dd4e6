"""Jobs of the ledger as they were judged, for the question what another policy would have done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast, get_args

from rigline.db.jobs import JobFilter
from rigline.db.ledger import Ledger, Work
from rigline.engine.job import Job, RecordedRun
from rigline.jobs.conclusion import AUDIT_REASON
from rigline.jobs.recovery import jobs_that
from rigline.triage.evidence import as_measured
from rigline.triage.policy import Verdict
from rigline.triage.simulation import PastJob
from rigline.triage.subject import Subject

VERDICTS: Final = get_args(Verdict)
PAGE: Final = 200


def past_jobs(ledger: Ledger, which: JobFilter) -> Iterator[PastJob]:
    """The judged jobs among these, the newest first, with what was measured before any correction.

    A job that a person has corrected counts as one that was reviewed, whatever it is by now.
    """
    page: list[Job] = []
    for job in jobs_that(ledger, which):
        if job.judged is not None and job.judged.verdict in VERDICTS:
            page.append(job)
        if len(page) == PAGE:
            yield from _read(ledger, page)
            page = []
    yield from _read(ledger, page)


def _read(ledger: Ledger, page: Sequence[Job]) -> Iterator[PastJob]:
    with ledger.reading() as work:
        found = [_past_job(work, job) for job in page]
    yield from found


def _past_job(work: Work, job: Job) -> PastJob:
    judged, corrected = job.judged, bool(work.decisions.corrections_of(job.id))
    assert judged is not None
    reasons = [reason for t in work.tickets.find(job_id=job.id) for reason in t.reasons]
    return PastJob(
        name=job.id,
        subject=Subject(job.id, job.creator, job.batch),
        evidence=_first_evidence(work.jobs.runs(job.id)),
        verdict="review" if corrected else cast("Verdict", judged.verdict),
        confidence=judged.confidence,
        audit=judged.verdict == "accept" and AUDIT_REASON in reasons,
    )


def _first_evidence(runs: Sequence[RecordedRun]) -> dict[str, Any]:
    evidence: dict[str, Any] = {}
    for run in runs:
        evidence.setdefault(run.stage, as_measured(run.evidence))
    return evidence
