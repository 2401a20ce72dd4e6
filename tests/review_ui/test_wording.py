"""Foreign text stays text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_ui.presenters.wording import ago, percent, plain, refusal, size, span
from rigline.errors import ReviewConflict
from tests.support.tickets import NOW, SECOND

MARKUP = ["<img src=x onerror=alert(1)>", "**bold**", ":red[x]", "$x$", "[a](javascript:b)", "`c`"]


@pytest.mark.parametrize("text", MARKUP)
def test_every_mark_is_escaped(text: str) -> None:
    shown = plain(text)
    assert shown.replace("\\", "") == text.replace("\\", "")
    for place, mark in enumerate(shown):
        assert mark.isalnum() or mark in " \\" or shown[place - 1] == "\\"


@pytest.mark.parametrize("text", ["www.evil.example", "http://evil.example", "a@evil.example"])
def test_an_address_is_no_link(text: str) -> None:
    shown = plain(text)
    assert shown.replace("\\", "").replace("\u2060", "") == text
    assert "\u2060" in shown


@given(st.text())
def test_plain_text_is_one_line_and_loses_no_letter(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    assert [c for c in shown if c.isalnum()] == [c for c in text if c.isalnum()]


def test_times_and_shares_as_people_read_them() -> None:
    assert span(59 * SECOND) == "just now"
    assert [span(n * SECOND) for n in (60, 7200, 90_000)] == ["1 minute", "2 hours", "1 day"]
    assert ago(NOW - timedelta(days=3), NOW) == "3 days ago"
    assert (percent(None), percent(0.256), size(2**21)) == ("–", "26 %", "2.0 MiB")


@pytest.mark.parametrize(
    ("conflict", "state", "said"),
    [
        ("lease_expired", "claimed", "Your claim has run out."),
        ("illegal_transition", "open", "Your claim has run out."),
        ("illegal_transition", "closed", "no"),
        ("stale_token", "claimed", "Your claim ran out, and somebody else has the ticket now."),
    ],
)
def test_a_lost_claim_is_told_in_words_that_fit(conflict: str, state: str, said: str) -> None:
    assert refusal(ReviewConflict("no", conflict=conflict, state=state))["message"] == said
