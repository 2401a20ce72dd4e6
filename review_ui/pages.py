"""The pages, and how one is drawn for who is at the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from review_ui.frame import page_frame
from review_ui.identity import require_person
from review_ui.views import dashboard, inbox, job, ticket

ICON = str(Path(__file__).with_name("icon.svg"))


def draw() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="Rigline review", page_icon=ICON, layout="wide")
    page_frame()
    person, roles = require_person()
    pages: dict[str, Any] = {}
    pages["inbox"] = st.Page(
        lambda: inbox.show(person, roles, pages), title="Inbox", url_path="inbox",
        icon=":material/inbox:", default=True,
    )  # fmt: skip
    pages["ticket"] = st.Page(
        lambda: ticket.show(person, pages), title="Ticket", url_path="ticket", visibility="hidden"
    )
    pages["job"] = st.Page(
        lambda: job.show(person, pages), title="Job", url_path="job", visibility="hidden"
    )
    pages["dashboard"] = st.Page(
        lambda: dashboard.show(person), title="Dashboard", url_path="dashboard",
        icon=":material/monitoring:",
    )  # fmt: skip
    st.navigation(list(pages.values()), position="top").run()
