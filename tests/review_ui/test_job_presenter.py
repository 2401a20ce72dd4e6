"""The job page: what it offers, and what it says of a job that stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from review_ui.presenters.job import (
    consequences_of_cancelling,
    notice_of,
    offers_cancelling,
    ticket_of,
)
from rigline.desk.ticket_page import JobPage
from rigline.engine.job import Job, JobState
from rigline.jobs.cancellation import CANCELLABLE
from rigline.review.access import PersonRole
from rigline.review.ticket import TicketState
from tests.support.ledgers import ASSET
from tests.support.tickets import NOW, ticket_in

JOB = Job("j1", "avatar-auto-setup", 1, ASSET.sha256, "carol", NOW, NOW, state=JobState.IN_REVIEW)
PAGE = JobPage(JOB, ASSET, (), ticket_in(TicketState.OPEN), (), ())


def job_in(state: JobState, error: str = "") -> Job:
    return replace(JOB, state=state, error=error)


def test_a_job_in_review_offers_its_ticket() -> None:
    assert ticket_of(PAGE) == PAGE.ticket
    assert ticket_of(replace(PAGE, ticket=None)) is None


@pytest.mark.parametrize("state", [TicketState.WITHDRAWN, TicketState.CLOSED])
def test_a_cancelled_job_offers_no_review(state: TicketState) -> None:
    job = job_in(JobState.CANCELLED, "Cancelled by carol: wrong file")
    assert ticket_of(replace(PAGE, job=job, ticket=ticket_in(state))) is None


def test_a_withdrawn_ticket_is_not_offered_while_its_job_runs_again() -> None:
    page = replace(PAGE, job=job_in(JobState.QUEUED), ticket=ticket_in(TicketState.WITHDRAWN))
    assert ticket_of(page) is None


@pytest.mark.parametrize("said", ["Cancelled by carol: wrong file", "Cancelled by carol."])
def test_a_cancelled_job_says_by_whom_why_and_what_follows(said: str) -> None:
    notice = notice_of(replace(PAGE, job=job_in(JobState.CANCELLED, said)))
    assert notice.startswith(f"{said.rstrip('.')}. Nobody has to review it.")


def test_other_jobs_say_what_stopped_them() -> None:
    assert notice_of(PAGE) == ""
    failed = job_in(JobState.FAILED, "It is no mesh.")
    assert notice_of(replace(PAGE, job=failed)) == "It is no mesh."


@pytest.mark.parametrize("state", JobState)
def test_what_has_not_ended_can_be_cancelled_by_leads_and_operators(state: JobState) -> None:
    stopped = state in (JobState.PARKED, JobState.FAILED, JobState.CANCELLED)
    page = replace(PAGE, job=job_in(state, "It stopped." if stopped else ""))
    offered = {role for role in PersonRole if offers_cancelling(page, {role})}
    assert offered == ({PersonRole.LEAD, PersonRole.OPERATOR} if state in CANCELLABLE else set())


def test_what_cancelling_takes_away_is_said_before() -> None:
    def said(state: JobState, ticket: TicketState = TicketState.OPEN) -> str:
        page = replace(PAGE, job=job_in(state), ticket=ticket_in(ticket))
        return consequences_of_cancelling(page)

    assert said(JobState.QUEUED).endswith("unless its file is submitted again.")
    assert said(JobState.RUNNING).endswith("Its worker stops after the stage that it is at.")
    assert said(JobState.IN_REVIEW).endswith("Its ticket is withdrawn.")
    assert said(JobState.IN_REVIEW, TicketState.CLAIMED).endswith("also from ann, who has it.")
