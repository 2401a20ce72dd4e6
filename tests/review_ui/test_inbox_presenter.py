"""The inbox: an address says which tickets, a line says what a ticket is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from review_ui.presenters.inbox import EMPTY, TAB_NAMES, filter_of, is_filtered, line_of
from rigline.db.inbox import InboxFilter, InboxRow, Tab
from rigline.review.ticket import TicketState
from tests.support.tickets import NOW

ROW = InboxRow(
    "t1", "j1", TicketState.OPEN, NOW - timedelta(hours=2), ("rig",), ("rig: off",), 3, None, None,
    None, None, None, None, "avatar-auto-setup", "spring", "carol", 0.42, "hero.glb",
)  # fmt: skip


def test_an_address_says_which_tickets() -> None:
    params = {"tab": "held", "stage": "rig", "reason": "elbow", "age": "day", "priority": "-2"}
    which = filter_of(params, NOW)
    assert which == InboxFilter(
        Tab.HELD, stage="rig", reason="elbow", created_before=NOW - timedelta(days=1),
        least_priority=-2,
    )  # fmt: skip
    assert is_filtered(which)


@pytest.mark.parametrize("params", [{}, {"tab": "no", "age": "x", "priority": "1e9", "q": "1"}])
def test_nonsense_in_the_address_is_left_out(params: dict[str, str]) -> None:
    assert filter_of(params, NOW) == InboxFilter(Tab.POOL)


def test_a_line_says_what_the_ticket_is() -> None:
    line = line_of(ROW, NOW)
    assert line.title == r"hero\.glb"
    assert line.facts == "2 hours ago · priority 3 · batch spring · by carol · confidence 42 %"
    assert line.standing == ""


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({"state": TicketState.CLAIMED, "claimed_by": "b*b"}, r"with b\*b"),
        ({"state": TicketState.HELD, "held_until": NOW}, "on hold until 01 Mar 12:00 UTC"),
        ({"state": TicketState.ESCALATED}, "escalated"),
        (
            {"state": TicketState.CLOSED, "decision": "correct", "decided_at": NOW},
            "corrected just now",
        ),
    ],
)
def test_a_line_says_where_the_ticket_stands(changes: dict[str, object], standing: str) -> None:
    assert line_of(replace(ROW, **changes), NOW).standing == standing  # type: ignore[arg-type]


def test_every_pile_has_a_name_and_a_word_for_nothing() -> None:
    assert set(TAB_NAMES) == set(EMPTY) == set(Tab)
