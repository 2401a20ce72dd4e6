"""The 3D editor as a Streamlit command."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import streamlit as st

from rigline.errors import InvalidInput


@cache
def _component() -> Any:
    if find_spec("rigline_editor") is None:
        raise InvalidInput("The 3D editor is not installed.", remedy="Run make ui.")
    from rigline_editor import COMPONENT

    return st.components.v2.component(COMPONENT, js="editor.js", css="editor.css")


def editor(data: dict[str, Any], key: str, on_command: Callable[[], None]) -> None:
    """Show the editor; ``on_command`` is called when it says something, found in the session state
    under ``key`` as ``command``. Raises ``InvalidInput`` when the editor is not installed."""
    _component()(data=data, key=key, height="content", on_command_change=on_command)
