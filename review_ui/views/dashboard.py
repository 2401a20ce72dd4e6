"""The dashboard: backlog, pace, agreement, risk, reliability."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

import altair as alt
import pandas as pd
import streamlit as st

from review_ui.identity import show_error
from review_ui.office import now, office
from review_ui.presenters import dashboard as present
from review_ui.presenters.wording import percent
from rigline.desk.reviewing import seeing
from rigline.errors import RiglineError

REFRESH_S: Final = 30
DAYS: Final = 14
HEIGHT: Final = 180


def show(person: str) -> None:
    """Draw the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Dashboard", anchor=False)
        st.space("stretch")
        st.caption(f"the last {DAYS} days, refreshed every {REFRESH_S} s", width="content")
    _figures(person)


@st.fragment(run_every=REFRESH_S)
def _figures(person: str) -> None:
    moment = now()
    try:
        with seeing(office().ledger, person, moment) as work:
            waiting = work.history.waiting()
            handlings = work.history.handlings(moment - timedelta(days=DAYS))
            pairs = work.history.double_reviews()
            judged = work.history.judged()
    except RiglineError as error:
        show_error(error)
        return
    seconds, agreed = present.median_seconds(handlings), present.agreement(pairs)
    risk = present.audit_risk(judged)
    with st.container(horizontal=True):
        st.metric("Backlog", len(waiting), border=True, help="Tickets that nobody has decided")
        st.metric("Decisions", len(handlings), border=True)
        st.metric(
            "Median per ticket",
            "–" if seconds is None else f"{seconds:.0f} s",
            border=True,
            help="From claim to decision",
        )
        st.metric(
            "Agreement",
            percent(agreed[0] if agreed else None),
            border=True,
            help=f"Same decision on {len(pairs)} tickets that two people decided"
            + (f"; 95 % interval {percent(agreed[1])} to {percent(agreed[2])}" if agreed else ""),
        )
        st.metric(
            "Risk of what is accepted",
            percent(risk.estimate),
            border=True,
            help=f"From {risk.audited} audited jobs; 95 % interval {percent(risk.low)} to "
            f"{percent(risk.high)}",
        )
    left, right = st.columns(2)
    with left:
        _backlog(present.backlog(waiting, moment))
    with right:
        _throughput(present.throughput(handlings))
    _reliability(present.reliability(judged))


def _backlog(cells: list[present.BacklogCell]) -> None:
    st.caption("Backlog by age and reason")
    if not cells:
        st.info("Nothing waits for a person.")
        return
    chart = (
        alt.Chart(_frame(cells))
        .mark_bar()
        .encode(
            alt.X(
                "age:N",
                sort=[name for name, _ in present.AGES],
                title=None,
                axis=alt.Axis(labelAngle=0),
            ),
            alt.Y("tickets:Q", axis=alt.Axis(tickMinStep=1), title="tickets"),
            alt.Color("reason:N", title="about"),
            tooltip=["age", "reason", "tickets"],
        )
    )
    st.altair_chart(chart.properties(height=HEIGHT))


def _throughput(days: list[present.DayCount]) -> None:
    st.caption("Decisions a day")
    if not days:
        st.info("No decision yet. They appear here as people decide.")
        return
    chart = (
        alt.Chart(_frame(days))
        .mark_bar()
        .encode(
            alt.X(
                "day:O",
                timeUnit="yearmonthdate",
                title=None,
                axis=alt.Axis(labelAngle=0, format="%d %b"),
            ),
            alt.Y("decisions:Q", axis=alt.Axis(tickMinStep=1)),
            alt.Color("kind:N", title=None, sort=["approve", "correct", "reject"]),
            tooltip=["day:T", "kind", "decisions"],
        )
    )
    st.altair_chart(chart.properties(height=HEIGHT))


def _reliability(bins: list[present.ReliabilityBin]) -> None:
    st.caption("Confidence against acceptance; the bars are 95 % intervals, the line is perfection")
    if not bins:
        st.info("Nothing has been judged and decided yet.")
        return
    frame = _frame(bins)
    share = alt.Scale(domain=[0, 1])
    x = alt.X("confidence:Q", scale=share, title="mean confidence", axis=alt.Axis(format="%"))
    line = (
        alt.Chart(pd.DataFrame({"confidence": [0.0, 1.0], "approved": [0.0, 1.0]}))
        .mark_line(strokeDash=[4, 4], color="#8a8f98")
        .encode(x, alt.Y("approved:Q", scale=share))
    )
    bars = (
        alt.Chart(frame)
        .mark_rule(strokeWidth=2, color="#0072b2")
        .encode(
            x,
            alt.Y("low:Q", scale=share, title="approved", axis=alt.Axis(format="%")),
            alt.Y2("high:Q"),
        )
    )
    dots = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90, color="#0072b2", opacity=1)
        .encode(
            x,
            alt.Y("approved:Q", scale=share),
            tooltip=[
                "jobs",
                alt.Tooltip("confidence", format=".0%"),
                alt.Tooltip("approved", format=".0%"),
                alt.Tooltip("low", format=".0%"),
                alt.Tooltip("high", format=".0%"),
            ],
        )
    )
    st.altair_chart((line + bars + dots).properties(height=HEIGHT - 20))


def _frame(rows: list[Any]) -> pd.DataFrame:
    return pd.DataFrame([asdict(row) for row in rows])
