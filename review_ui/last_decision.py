"""The person's last decision in this session, as long as it can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from review_ui.office import now, office
from review_ui.presenters.ticket import decided_note
from rigline.desk.ticket_page import ticket_page
from rigline.errors import RiglineError
from rigline.review.ticket import Ticket

KEY: Final = "last-decision"


def remember(ticket_id: str) -> None:
    """The person has decided about this ticket."""
    st.session_state[KEY] = ticket_id


def last_decision(person: str) -> Mapping[str, Any] | None:
    """What was decided, in words, with what taking it back needs; None when it is too late."""
    known = st.session_state.get(KEY)
    if known is None:
        return None
    moment = now()
    try:
        page = ticket_page(office().ledger, person, known, moment)
    except RiglineError:
        return None
    return decided_note(page.ticket, page.asset.name, moment)


def take_back(person: str, ticket_id: str, token: int) -> Ticket:
    """Take the decision back; raises what ``Desk.undo`` raises."""
    ticket = office().desk.undo(person, ticket_id, token)
    st.session_state.pop(KEY, None)
    return ticket
