"""What is around every page: the banner of the development sign-in, and tighter margins."""

from __future__ import annotations

from typing import Final

import streamlit as st

from review_ui.office import office

_STYLE: Final = """<style>
[data-testid="stMainBlockContainer"] { padding: 3.3rem 1.2rem 0; max-width: none; }
[class*="st-key-line-"] { padding: 0.5rem 0.9rem; }
[class*="st-key-line-"] p { font-size: 14px; line-height: 1.35; }
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
[data-testid="stImage"] img { border-radius: 6px; }
.st-key-development { position: fixed; top: 0; left: 50%; transform: translateX(-50%);
  z-index: 1000000; width: auto; }
.st-key-development p { margin: 0; padding: 1px 14px 2px; border-radius: 0 0 8px 8px;
  background: #e69f00; color: #221800; font-size: 12px; font-weight: 600; }
</style>"""


def page_frame() -> None:
    """Draw it."""
    st.html(_STYLE)
    if office().ui.login == "development":
        with st.container(key="development"):
            st.markdown("Development sign-in: anybody is whom they say")
