"""The transition table of a job: every state with every action."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rigline.engine.job import Job, JobAction, JobState, Judged, advance
from rigline.errors import ContractViolation, ReviewConflict

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
ACCEPTED = Judged("default", 1, 0.9, "accept")
LEGAL = {
    "queued": {"start": "running", "cancel": "cancelled"},
    "running": {
        "park": "parked", "send_to_review": "in_review", "publish": "published",
        "reject": "rejected", "fail": "failed", "retry": "queued", "cancel": "cancelled",
    },
    "parked": {"fail": "failed", "retry": "queued", "cancel": "cancelled"},
    "in_review": {
        "resume": "resuming", "publish": "published", "reject": "rejected", "cancel": "cancelled",
    },
    "resuming": {
        "park": "parked", "send_to_review": "in_review", "publish": "published",
        "reject": "rejected", "fail": "failed", "retry": "queued", "cancel": "cancelled",
    },
    "published": {"reopen": "in_review"},
    "rejected": {"reopen": "in_review"},
    "failed": {"retry": "queued"},
    "cancelled": {"resubmit": "queued"},
}  # fmt: skip
"""Written out once more, by the states, so that a slip in the table shows."""


def job_in(state: JobState) -> Job:
    error = "the disk is full" if state in ("parked", "failed", "cancelled") else ""
    return Job("j1", "p", 1, "a" * 64, "carol", NOW, NOW, state=state, error=error, version=4)


def error_of(action: JobAction) -> str:
    return "no answer" if action in ("park", "fail", "cancel") else ""


@pytest.mark.parametrize("action", JobAction)
@pytest.mark.parametrize("state", JobState)
def test_every_state_takes_what_the_table_says_and_nothing_else(
    state: JobState, action: JobAction
) -> None:
    job = job_in(state)
    if action in LEGAL[state]:
        after = advance(job, action, LATER, error=error_of(action))
        assert after.state == LEGAL[state][action]
        assert (after.version, after.updated_at, after.created_at) == (5, LATER, NOW)
        assert after.error == error_of(action)
        return
    with pytest.raises(ReviewConflict) as caught:
        advance(job, action, LATER, error=error_of(action))
    assert caught.value.fields == {
        "conflict": "illegal_transition", "job": "j1", "action": action, "state": state,
    }  # fmt: skip
    for legal in LEGAL[state]:
        assert legal in caught.value.remedy


def test_a_judgement_stays_until_there_is_another() -> None:
    job = advance(job_in(JobState.RUNNING), JobAction.SEND_TO_REVIEW, NOW, judged=ACCEPTED)
    assert advance(job, JobAction.PUBLISH, LATER).judged == ACCEPTED


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (JobAction.PARK, ""), (JobAction.FAIL, ""), (JobAction.CANCEL, ""),
        (JobAction.PUBLISH, "no"),
    ],
)  # fmt: skip
def test_an_error_goes_with_failures_and_cancellations_and_with_nothing_else(
    action: JobAction, error: str
) -> None:
    with pytest.raises(ContractViolation, match="error"):
        advance(job_in(JobState.RUNNING), action, NOW, error=error)
