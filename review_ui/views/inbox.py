"""The inbox: one's own tickets and the pool, with filters kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from review_ui.identity import show_error
from review_ui.last_decision import last_decision, take_back
from review_ui.office import now, office
from review_ui.presenters.inbox import (
    AGES,
    EMPTY,
    TAB_NAMES,
    filter_of,
    is_filtered,
    line_of,
)
from review_ui.presenters.wording import plain
from rigline.db.inbox import InboxFilter, InboxRow, Tab
from rigline.desk.reviewing import seeing
from rigline.errors import RiglineError
from rigline.review.access import Permission, PersonRole, permits

REFRESH_S: Final = 10
SHOWN: Final = 30
Pages = Mapping[str, Any]


def show(person: str, roles: frozenset[PersonRole], pages: Pages) -> None:
    """Draw the page."""
    _undo(person, pages)
    _head(person, permits(roles, Permission.REVIEW), pages)
    _filters(person)
    _list(person, permits(roles, Permission.REVIEW), pages)


def _head(person: str, reviews: bool, pages: Pages) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Inbox", anchor=False)
        st.space("stretch")
        st.caption(plain(person), width="content")
        if reviews and st.button("Claim the next", type="primary", shortcut="N"):
            _claim_next(person, pages)


@st.fragment(run_every=5)
def _undo(person: str, pages: Pages) -> None:
    """The last decision, as long as it can be taken back."""
    decided = last_decision(person)
    if decided is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="line-undo"):
        st.markdown(plain(decided["said"]))
        seconds = round(decided["undoSeconds"])
        if st.button("Undo", shortcut="U", help=f"Within {seconds} seconds"):
            try:
                ticket = take_back(person, decided["ticketId"], decided["token"])
            except RiglineError as error:
                show_error(error)
                return
            st.switch_page(pages["ticket"], query_params={"id": ticket.id})


def _claim_next(person: str, pages: Pages) -> None:
    try:
        ticket = office().desk.claim_next(person)
    except RiglineError as error:
        show_error(error)
        return
    if ticket is None:
        st.toast("Nothing waits for you right now.")
        return
    st.switch_page(pages["ticket"], query_params={"id": ticket.id})


def _filters(person: str) -> None:
    """Widgets bound to the address: a link to this page shows the same tickets."""
    try:
        with seeing(office().ledger, person, now()) as work:
            facets = work.inbox.facets()
    except RiglineError as error:
        show_error(error)
        st.stop()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _choice("Stage in doubt", "stage", facets.stages)
        _text("Reason says", "reason")
        _choice("Batch", "batch", facets.batches)
        _choice("Creator", "creator", facets.creators)
        _choice("Older than", "age", tuple(AGES))
        _number("Priority from", "priority")
        if len(facets.pipelines) > 1 or st.query_params.get("pipeline"):
            _choice("Pipeline", "pipeline", facets.pipelines)


def _choice(label: str, name: str, options: tuple[str, ...]) -> None:
    chosen = st.query_params.get(name)
    known = options if chosen is None or chosen in options else (*options, chosen)
    index = known.index(chosen) if chosen is not None else None
    found = st.selectbox(
        label, known, index=index, placeholder="any", key=f"filter-{name}", width=150
    )
    _remember(name, found)


def _text(label: str, name: str) -> None:
    found = st.text_input(
        label,
        st.query_params.get(name, ""),
        max_chars=200,
        placeholder="any",
        key=f"filter-{name}",
        width=190,
    )
    _remember(name, found)


def _number(label: str, name: str) -> None:
    given = st.query_params.get(name, "")
    start = int(given) if given.lstrip("-").isdecimal() else None
    found = st.number_input(
        label, value=start, step=1, placeholder="any", key=f"filter-{name}", width=130
    )
    _remember(name, None if found is None else str(found))


def _remember(name: str, value: str | None) -> None:
    if value:
        if st.query_params.get(name) != value:
            st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


@st.fragment(run_every=REFRESH_S)
def _list(person: str, reviews: bool, pages: Pages) -> None:
    """Counts and lines, fresh every few seconds."""
    which, moment = filter_of(st.query_params.to_dict(), now()), now()
    try:
        office().desk.sweep()
        with seeing(office().ledger, person, moment) as work:
            counts = work.inbox.counts(person, moment)
            rows = work.inbox.rows(person, which, moment, SHOWN)
            found = work.inbox.count(person, which, moment)
    except RiglineError as error:
        show_error(error)
        return
    tab = st.segmented_control(
        "Pile",
        list(TAB_NAMES),
        default=which.tab,
        required=True,
        key="tab",
        format_func=lambda t: f"{TAB_NAMES[t]}  {counts[t]}",
        label_visibility="collapsed",
    )
    if tab is not None and tab != which.tab:
        _remember("tab", None if tab == Tab.POOL else str(tab))
        st.rerun(scope="fragment")
    if not rows:
        _nothing(which)
    for row in rows:
        _line(row, person, reviews, pages)
    if found > len(rows):
        st.caption(f"{found - len(rows)} more; filter to see them.")


def _nothing(which: InboxFilter) -> None:
    with st.container(border=True):
        if is_filtered(which):
            st.write("No ticket fits these filters. Clear one to see more.")
        else:
            st.write(EMPTY[which.tab])


def _line(row: InboxRow, person: str, reviews: bool, pages: Pages) -> None:
    moment = now()
    line = line_of(row, moment)
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"line-{row.ticket_id}"
    ):
        _picture(row, person)
        with st.container(gap="xxsmall"):
            st.markdown(f"**{line.title}**" + (f" · {line.standing}" if line.standing else ""))
            for reason in line.reasons:
                st.markdown(f":orange[●] {reason}")
            st.caption(line.facts)
        if (
            reviews
            and row.state in ("open", "escalated")
            and st.button("Claim", key=f"claim-{row.ticket_id}", help="Take this ticket")
        ):
            _claim(person, row.ticket_id, pages)
        if st.button("Open", key=f"open-{row.ticket_id}", type="tertiary"):
            st.switch_page(pages["ticket"], query_params={"id": row.ticket_id})


def _picture(row: InboxRow, person: str) -> None:
    if row.picture_sha256 is None:
        st.space(52)
        return
    signed = office().artifacts.sign(person, row.ticket_id, row.picture_sha256, small=True)
    st.html(
        f'<img src="artifacts/{signed}" width="52" height="68" alt="" loading="lazy" '
        'style="object-fit:cover;border-radius:6px">',
        width=52,
    )


def _claim(person: str, ticket_id: str, pages: Pages) -> None:
    try:
        office().desk.claim(person, ticket_id)
    except RiglineError as error:
        show_error(error)
        return
    st.switch_page(pages["ticket"], query_params={"id": ticket_id})
