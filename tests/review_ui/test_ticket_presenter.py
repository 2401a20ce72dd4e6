"""The ticket page: what the editor is told, and what it may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from review_ui.presenters import ticket as present
from review_ui.presenters.body import body_facts
from rigline.desk.doubts import Doubt
from rigline.desk.ticket_page import TicketPage
from rigline.engine.job import Job, RecordedRun
from rigline.errors import InvalidInput, ReviewConflict
from rigline.review.access import PersonRole
from rigline.review.decision import Approval, RejectCode, Rejection
from rigline.review.ticket import UNDO_WINDOW, TicketState
from tests.support.ledgers import ASSET
from tests.support.tickets import LEASE, NOW, SECOND, ticket_in

RUNS = {
    stage: RecordedRun(
        stage, "k", f"sha-{stage}", {}, {"triangles": 12, "vertices": 8}, 0.1, False, NOW
    )
    for stage in ("ingest", "orient", "rig", "picture")
}
JOB = Job("j1", "avatar-auto-setup", 1, ASSET.sha256, "carol", NOW, NOW)
PAGE = TicketPage(
    ticket_in(TicketState.CLAIMED), JOB, ASSET, RUNS, (Doubt("rig", "LeftHand", "off", 0.2),), True,
    frozenset({PersonRole.REVIEWER}),
)  # fmt: skip


def data(page: TicketPage = PAGE, person: str = "ann", **more: Any) -> dict[str, Any]:
    return present.editor_data(page, person, lambda sha: f"artifacts/{sha}", NOW, **more)


def test_the_holder_gets_the_artifacts_and_the_time_left() -> None:
    found = data()
    assert found["ticket"]["mine"]
    assert found["ticket"]["leaseSeconds"] == LEASE.total_seconds()
    assert found["artifacts"] == {
        stage: {"sha256": f"sha-{stage}", "url": f"artifacts/sha-{stage}"}
        for stage in ("orient", "rig")
    }
    assert found["doubts"] == [
        {"stage": "rig", "joint": "LeftHand", "text": "off", "confidence": 0.2}
    ]
    assert found["asset"]["triangles"] == 12


def test_others_get_no_artifact() -> None:
    found = data(replace(PAGE, opened=False), "bob")
    assert (found["ticket"]["mine"], found["artifacts"]) == (False, {})
    assert found["ticket"]["leaseSeconds"] is None


def test_the_next_ticket_is_told_ahead() -> None:
    found = data(following=(PAGE, lambda sha: f"next/{sha}"))
    assert found["next"]["artifacts"]["rig"]["url"] == "next/sha-rig"
    assert data()["next"] is None


def test_a_decision_is_told_as_long_as_it_can_be_undone() -> None:
    ticket = ticket_in(TicketState.DECIDED)
    note = present.decided_note(ticket, "hero.glb", NOW + SECOND)
    assert note is not None
    assert (note["said"], note["undoSeconds"]) == ("hero.glb accepted with changes.", 29)
    assert present.decided_note(ticket, "hero.glb", NOW + UNDO_WINDOW) is None
    assert present.decided_note(ticket_in(TicketState.CLAIMED), "hero.glb", NOW) is None


def message(**fields: Any) -> present.Message:
    given = {"seq": 7, "kind": "approve", "ticketId": "t1", "token": 3, **fields}
    return present.message_of(given)


def test_messages_become_decisions() -> None:
    assert present.decision_of(message(note="fine")) == Approval("fine")
    rejected = present.decision_of(message(kind="reject", code="broken_mesh"))
    assert rejected == Rejection(RejectCode.BROKEN_MESH)
    assert present.hold_time(message(kind="hold", hours=4)) == timedelta(hours=4)
    assert message(ops={"rig": [{"op": "move_joint"}]}).ops == {"rig": [{"op": "move_joint"}]}


@pytest.mark.parametrize("value", [None, 3, "x", {}, {"seq": "a"}, [1], {"seq": 1, "token": None}])
def test_what_no_editor_sends_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        present.message_of(value)


@pytest.mark.parametrize("ops", [None, [], {"rig": 3}, {"rig": [1]}, {3: []}])
def test_operations_of_another_shape_are_refused(ops: Any) -> None:
    with pytest.raises(InvalidInput):
        _ = message(ops=ops).ops


@pytest.mark.parametrize("hours", [None, 0, -1, 10**6, "4", float("nan")])
def test_impossible_holds_are_refused(hours: Any) -> None:
    with pytest.raises(InvalidInput):
        present.hold_time(message(hours=hours))


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(InvalidInput, match="broken_mesh"):
        present.decision_of(message(kind="reject", code="dislike"))


def test_a_refusal_travels_with_its_reply() -> None:
    error = ReviewConflict("bob has the ticket already.", remedy="Take the next one.", conflict="x")
    reply = present.reply_to(message(kind="claim"), error)
    assert reply["refusal"]["message"] == "bob has the ticket already."
    assert present.reply_to(message())["refusal"] is None


def test_the_body_is_rigline_s_own() -> None:
    facts = body_facts()
    assert len(facts["parts"]) == len(facts["colours"]) == len(facts["parent"]) == 15
    assert len(facts["cageFaces"]) % 3 == 0
    assert max(facts["cageFaces"]) < len(facts["cageTwin"])
