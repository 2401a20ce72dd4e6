"""The job page as Streamlit draws it, over a real ledger."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from review_ui import office
from rigline.db.ledger import Ledger
from rigline.desk.reviewing import Desk
from rigline.engine.job import Job, JobState
from rigline.review.access import PersonRole
from rigline.review.ticket import TicketState
from tests.support.ledgers import add_job
from tests.support.small_jobs import Clock
from tests.support.tickets import NOW, open_ticket


@pytest.fixture
def ledger(sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A job in review, a lead, a reviewer, and the app's services as far as the page uses them."""
    with sqlite_ledger.transaction() as work:
        add_job(work, "j1", state=JobState.IN_REVIEW)
        work.tickets.add(open_ticket(1))
        for person, role in (("liz", PersonRole.LEAD), ("ann", PersonRole.REVIEWER)):
            work.people.grant(person, role, "root", NOW)
    ui, desk = SimpleNamespace(flow_run_url=None), Desk(sqlite_ledger, Clock())
    services = SimpleNamespace(ui=ui, ledger=sqlite_ledger, desk=desk)
    monkeypatch.setattr(office, "_office", services)
    return sqlite_ledger


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit puts its script in the place of ``__main__``; processes that later tests start
    would run that script first."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def _script(person: str) -> None:
    from review_ui.views import job

    job.show(person, {})


def opened(person: str) -> AppTest:
    """The page of the job, as the person sees it."""
    page = AppTest.from_function(_script, kwargs={"person": person}, default_timeout=120)
    page.query_params["id"] = "j1"
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def job_of(ledger: Ledger) -> Job:
    with ledger.reading() as work:
        return work.jobs.get("j1")


def test_a_lead_cancels_a_job_for_a_reason_and_no_review_is_left(ledger: Ledger) -> None:
    page = opened("liz")
    assert "To its ticket" in labels(page)
    page.text_input(key="cancel-reason").input("wrong file")
    press(page, "Yes, cancel it")
    job = job_of(ledger)
    assert (job.state, job.error) == (JobState.CANCELLED, "Cancelled by liz: wrong file")
    with ledger.reading() as work:
        assert work.tickets.get("t1").state == TicketState.WITHDRAWN
    assert labels(page) == ["Inbox"]
    assert page.info[0].value.startswith(r"Cancelled by liz\: wrong file\. Nobody has to review it")


def test_without_a_reason_nothing_is_cancelled(ledger: Ledger) -> None:
    page = opened("liz")
    press(page, "Yes, cancel it")
    assert page.error[0].value.startswith("A reason is needed for cancelling a job")
    assert job_of(ledger).state == JobState.IN_REVIEW


def test_reviewers_are_not_offered_it(ledger: Ledger) -> None:
    assert labels(opened("ann")) == ["To its ticket", "Inbox"]
