"""The page of a job: how it came about, what is left of it, who decided what."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import streamlit as st

from review_ui.identity import show_error
from review_ui.office import now, office
from review_ui.presenters.job import (
    STATE_COLOURS,
    consequences_of_cancelling,
    facts_of,
    history_of,
    notice_of,
    offers_cancelling,
    stage_rows,
    ticket_of,
)
from review_ui.presenters.wording import plain
from rigline.desk.ticket_page import JobPage, job_page, latest_runs
from rigline.engine.job import JobState
from rigline.errors import RiglineError
from rigline.review.access import PersonRole, may_open


def show(person: str, pages: Mapping[str, Any]) -> None:
    """Draw the page."""
    job_id = st.query_params.get("id", "")
    if not job_id:
        st.info("Open a job from its ticket, or give its id in the address: job?id=…")
        return
    try:
        page = job_page(office().ledger, person, job_id, now())
        roles = office().desk.roles(person)
    except RiglineError as error:
        show_error(error)
        return
    _head(page, person, roles, pages)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        _facts(page)
    with right:
        _picture(page, person, page.ticket is not None and may_open(person, roles, page.ticket))
        _history(page)
    _stages(page)


def _head(page: JobPage, person: str, roles: Set[PersonRole], pages: Mapping[str, Any]) -> None:
    colour = STATE_COLOURS[page.job.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(page.asset.name), anchor=False, width="content")
        st.badge(str(page.job.state).replace("_", " "), color=colour)  # type: ignore[arg-type]
        st.space("stretch")
        ticket = ticket_of(page)
        if ticket is not None and st.button("To its ticket", shortcut="T"):
            st.switch_page(pages["ticket"], query_params={"id": ticket.id})
        if offers_cancelling(page, roles):
            _cancelling(page, person)
        if st.button("Inbox", type="tertiary", shortcut="I"):
            st.switch_page(pages["inbox"])
    notice = notice_of(page)
    if notice:
        (st.info if page.job.state == JobState.CANCELLED else st.error)(plain(notice))


def _cancelling(page: JobPage, person: str) -> None:
    """A reason and a button of its own stand between the person and the deed."""
    with st.popover("Cancel the job"), st.form("cancel", border=False, enter_to_submit=False):
        st.markdown(plain(consequences_of_cancelling(page)))
        reason = st.text_input("Why?", key="cancel-reason")
        if not st.form_submit_button("Yes, cancel it", type="primary"):
            return
        try:
            office().desk.cancel(person, page.job.id, reason)
        except RiglineError as error:
            show_error(error)
            return
    st.rerun()


def _facts(page: JobPage) -> None:
    for name, value in facts_of(page):
        with st.container(horizontal=True, gap="xsmall"):
            st.caption(name, width=92)
            st.text(value, width="stretch")
    url = office().ui.flow_run_url
    if url:
        st.link_button("Flow runs in Prefect", url.replace("{job}", page.job.id))


def _picture(page: JobPage, person: str, opened: bool) -> None:
    run = latest_runs(page.runs).get("picture")
    if run is None or page.ticket is None:
        return
    signed = office().artifacts.sign(person, page.ticket.id, run.sha256, small=not opened)
    width = "100%" if opened else "120px"
    st.html(
        f'<img src="artifacts/{signed}" alt="Parts, joints, cage and poses" '
        f'style="width:{width};border-radius:8px">'
    )


def _history(page: JobPage) -> None:
    st.caption("History")
    found = history_of(page)
    if not found:
        st.text("Nobody had to look at this job.")
        return
    rows = [{"when (UTC)": h.at, "who": h.who, "what": h.what, "detail": h.detail} for h in found]
    st.dataframe(rows, hide_index=True, height="content")


def _stages(page: JobPage) -> None:
    st.caption("Stages")
    rows = stage_rows(page)
    if not rows:
        st.text("No stage has run yet.")
        return
    st.dataframe(
        rows, hide_index=True, height="content",
        column_config={
            "seconds": st.column_config.ProgressColumn(
                "seconds", format="%.2f", min_value=0.0, max_value=max(r["seconds"] for r in rows)
            ),
            "noted": st.column_config.DatetimeColumn("noted (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        },
    )  # fmt: skip
