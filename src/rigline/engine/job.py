"""A job: one pipeline over one asset, the states it goes through, and what moves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from rigline.errors import ContractViolation, ReviewConflict


class JobState(StrEnum):
    """``PARKED`` waits for a failure to pass; ``RESUMING`` runs again what a person corrected."""

    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    IN_REVIEW = "in_review"
    RESUMING = "resuming"
    PUBLISHED = "published"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobAction(StrEnum):
    """The columns of the transition table.

    ``RETRY`` puts back what failed, was parked, or lost its worker; ``REOPEN`` asks a person about
    a job that was finished; ``RESUBMIT`` queues one that was cancelled, for whoever asks for it
    again.
    """

    START = "start"
    PARK = "park"
    SEND_TO_REVIEW = "send_to_review"
    RESUME = "resume"
    PUBLISH = "publish"
    REJECT = "reject"
    FAIL = "fail"
    RETRY = "retry"
    REOPEN = "reopen"
    CANCEL = "cancel"
    RESUBMIT = "resubmit"


@dataclass(frozen=True)
class Asset:
    """An uploaded file, named by the sha256 of its bytes."""

    sha256: str
    name: str
    bytes: int
    created_at: datetime


@dataclass(frozen=True)
class Judged:
    """What a policy said of a job: ``confidence`` in [0, 1], ``verdict`` as in the report."""

    policy: str
    policy_version: int
    confidence: float
    verdict: str


@dataclass(frozen=True)
class RecordedRun:
    """A stage that ran for a job, or whose output was found (``reused``), as the ledger has it."""

    stage: str
    key: str
    sha256: str
    models: Mapping[str, str]
    evidence: Mapping[str, Any]
    seconds: float
    reused: bool
    created_at: datetime


@dataclass(frozen=True)
class Job:
    """A job as it stands. ``version`` grows by one with each change; times are aware.

    ``error`` is the sentence of the failure for which a job is parked or failed, or says who
    cancelled it and why; else it is empty.
    """

    id: str
    pipeline: str
    pipeline_version: int
    asset_sha256: str
    creator: str
    created_at: datetime
    updated_at: datetime
    params: Mapping[str, Any] = field(default_factory=dict)
    batch: str | None = None
    priority: int = 0
    state: JobState = JobState.QUEUED
    judged: Judged | None = None
    error: str = ""
    version: int = 0

    def __post_init__(self) -> None:
        if (self.state in WITH_ERROR) != bool(self.error):
            raise ContractViolation(
                f"The job {self.id} is {self.state}, and its error says otherwise.",
                job=self.id,
                state=str(self.state),
            )


STOPPED: Final = "stopped"
"""Verdict over a job in review that got no further: nothing of it can be published."""

_BEGINS: Final = (JobAction.START, JobAction.RESUME)
WITH_ERROR: Final = (JobState.PARKED, JobState.FAILED, JobState.CANCELLED)

_AT_WORK: Final = (JobState.RUNNING, JobState.RESUMING)
_BEFORE: Final[Mapping[JobAction, tuple[tuple[JobState, ...], JobState]]] = {
    JobAction.START: ((JobState.QUEUED,), JobState.RUNNING),
    JobAction.PARK: (_AT_WORK, JobState.PARKED),
    JobAction.SEND_TO_REVIEW: (_AT_WORK, JobState.IN_REVIEW),
    JobAction.RESUME: ((JobState.IN_REVIEW,), JobState.RESUMING),
    JobAction.PUBLISH: ((*_AT_WORK, JobState.IN_REVIEW), JobState.PUBLISHED),
    JobAction.REJECT: ((*_AT_WORK, JobState.IN_REVIEW), JobState.REJECTED),
    JobAction.FAIL: ((*_AT_WORK, JobState.PARKED), JobState.FAILED),
    JobAction.RETRY: ((*_AT_WORK, JobState.PARKED, JobState.FAILED), JobState.QUEUED),
    JobAction.REOPEN: ((JobState.PUBLISHED, JobState.REJECTED), JobState.IN_REVIEW),
    JobAction.CANCEL: (
        (JobState.QUEUED, *_AT_WORK, JobState.PARKED, JobState.IN_REVIEW), JobState.CANCELLED,
    ),
    JobAction.RESUBMIT: ((JobState.CANCELLED,), JobState.QUEUED),
}  # fmt: skip
TABLE: Final[Mapping[tuple[JobState, JobAction], JobState]] = {
    (state, action): after for action, (before, after) in _BEFORE.items() for state in before
}
"""The state after an action, for each state that takes it; what is not in it is refused."""


def state_conflict(job: Job, message: str, *, remedy: str, **fields: str) -> ReviewConflict:
    """The error that the job is not in a state for what is asked of it, with ``conflict``, ``job``,
    ``state`` and the other ``fields``."""
    return ReviewConflict(
        message,
        remedy=remedy,
        conflict="illegal_transition",
        job=job.id,
        **fields,
        state=str(job.state),
    )


def advance(
    job: Job, action: JobAction, now: datetime, *, judged: Judged | None = None, error: str = ""
) -> Job:
    """The job after the action, one version on.

    ``judged`` replaces what an earlier run was judged, which a run that begins puts out of force;
    ``error`` goes with ``PARK``, ``FAIL`` and ``CANCEL`` and with nothing else. Raises
    ``ReviewConflict`` when the table is against it, with ``conflict``, ``job``, ``action`` and
    ``state``.
    """
    after = TABLE.get((job.state, action))
    if after is None:
        takes = [str(kind) for kind in JobAction if (job.state, kind) in TABLE]
        raise state_conflict(
            job,
            f"A job that is {job.state} does not take {action}.",
            remedy=f"It takes {', '.join(takes) or 'nothing'}.",
            action=str(action),
        )
    return replace(
        job,
        state=after,
        judged=judged or (None if action in _BEGINS else job.judged),
        error=error,
        updated_at=now,
        version=job.version + 1,
    )
