"""The editor as a reviewer uses it: mouse and keyboard in a real browser, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from playwright.sync_api import expect
from safetensors.numpy import load

from rigline.avatar.body import PART_NAMES, Part
from rigline.db.decisions import RecordedCorrection
from rigline.desk.ticket_page import latest_runs
from rigline.engine.job import JobState
from rigline.jobs.resumption import resume
from rigline.review.ticket import UNDO_WINDOW, TicketState
from tests.browser.conftest import NewReviewer
from tests.support.review_app import Installation, now

pytestmark = [pytest.mark.browser, pytest.mark.server]
NewTicket = Callable[..., str]
ELBOW, OTHER_ELBOW = "LeftLowerArm", "RightLowerArm"
KNEE, OTHER_KNEE = "LeftLowerLeg", "RightLowerLeg"
DRAG = (-14.0, 9.0)


def corrections(installation: Installation, ticket_id: str) -> list[RecordedCorrection]:
    with installation.ledger.reading() as work:
        decision_id = work.tickets.get(ticket_id).decision_id
        assert decision_id is not None
        return list(work.decisions.corrections(decision_id))


def test_a_dragged_joint_is_where_it_was_dropped_after_the_job_resumed(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    ann = reviewer("ann")
    ann.claim(ticket_id)
    dropped = ann.drag(ELBOW, DRAG)
    ann.expect_preview()
    ann.expect_edits(2)
    ann.expect_at(ELBOW, dropped, within=1.5)
    expect(ann.button("approve")).to_contain_text("Accept with 2 changes")
    ann.page.keyboard.press("a")
    ann.expect_decided()

    (correction,) = corrections(installation, ticket_id)
    with installation.ledger.reading() as work:
        ticket = work.tickets.get(ticket_id)
    assert (ticket.state, ticket.decided_by) == (TicketState.DECIDED, "ann")
    later = UNDO_WINDOW + timedelta(seconds=1)
    job = resume(
        installation.ledger, installation.services, correction.decision_id, lambda: now() + later
    )
    assert job.state in (JobState.PUBLISHED, JobState.IN_REVIEW)
    with installation.ledger.reading() as work:
        run = latest_runs(work.jobs.runs(job.id))["rig"]
    joints = load(installation.services.store.get(run.sha256))["joints"]
    for op in correction.correction.ops:
        np.testing.assert_allclose(joints[PART_NAMES.index(op.joint)], op.position)  # type: ignore[union-attr]
    left, right = joints[Part.LEFT_LOWER_ARM], joints[Part.RIGHT_LOWER_ARM]
    np.testing.assert_allclose(left[1:], right[1:])

    liz = reviewer("liz")  # sees the same from the same side, on a machine of her own
    liz.open_ticket(ticket_id)
    expect(liz.editor).to_have_attribute("data-ready", "true")
    liz.expect_at(ELBOW, dropped, within=1.5)


def test_a_reload_loses_nothing(reviewer: NewReviewer, new_ticket: NewTicket) -> None:
    ann = reviewer("ann")
    ann.claim(new_ticket())
    ann.page.keyboard.press("5")  # where marks of an arm may lie over one another
    dropped = ann.drag(KNEE, DRAG)
    ann.expect_preview()
    ann.expect_at(KNEE, dropped, within=1.5)
    places = {name: ann.place_of(name) for name in (KNEE, OTHER_KNEE, "Head")}
    ann.page.keyboard.press("n")
    ann.page.get_by_label("Note").fill("the elbow <b>was</b> low")
    ann.page.keyboard.press("Enter")
    ann.page.reload()
    ann.expect_ready()
    ann.expect_edits(2)
    ann.expect_preview()
    for name, place in places.items():
        ann.expect_at(name, place)
    expect(ann.button("note")).to_contain_text("✓")


def test_undo_and_redo(reviewer: NewReviewer, new_ticket: NewTicket) -> None:
    ann = reviewer("ann")
    ann.claim(new_ticket())
    start = ann.place_of(ELBOW)
    expect(ann.button("undo")).to_be_disabled()
    dropped = ann.drag(ELBOW, DRAG)
    ann.expect_preview()
    ann.page.keyboard.press("Control+z")
    ann.expect_edits(0)
    ann.expect_at(ELBOW, start)
    ann.page.keyboard.press("Control+Shift+z")
    ann.expect_edits(2)
    ann.expect_at(ELBOW, dropped, within=1.5)
    ann.page.keyboard.press("m")  # no mirror: one joint alone
    ann.page.keyboard.press("ArrowUp")
    ann.expect_preview()
    ann.expect_that(lambda: ann.place_of(ELBOW)[1] < dropped[1])
    assert ann.place_of(OTHER_ELBOW)[1] > ann.place_of(ELBOW)[1] + 1


def test_parts_cage_and_points_become_corrections(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    ann = reviewer("ann")
    ann.claim(ticket_id)
    hip = ann.place_of("LowerTorso")
    head = ann.place_of("Head")
    ann.page.keyboard.press("l")
    ann.page.get_by_role("button", name="upper torso").click()
    ann.drag_from((hip[0], hip[1] - 14), (12, 0))
    ann.expect_edits(1)
    ann.page.keyboard.press("y")
    ann.drag_from((head[0], head[1] - 86), (0, -12))
    ann.expect_edits(2)
    ann.page.keyboard.press("o")
    ann.drag("LeftGrip_Att", (6, 6))
    ann.expect_edits(4)
    ann.expect_preview()
    ann.page.keyboard.press("a")
    ann.expect_decided()
    made = {c.correction.stage: c.correction.ops for c in corrections(installation, ticket_id)}
    assert set(made) == {"segment", "cage", "attach"}
    assert {op.attachment for op in made["attach"]} == {"LeftGrip_Att", "RightGrip_Att"}  # type: ignore[union-attr]


def test_the_front_can_be_set_and_taken_back(reviewer: NewReviewer, new_ticket: NewTicket) -> None:
    ann = reviewer("ann")
    ann.claim(new_ticket("toy_robot"))
    left = ann.place_of("LeftHand")[0]
    ann.page.keyboard.press("f")
    ann.button("turn-back").click()
    ann.expect_edits(1)
    ann.expect_preview()

    def left_is_as_before() -> bool:
        middle = ann.place_of("Head")[0]
        return (ann.place_of("LeftHand")[0] - middle) * (left - middle) > 0

    ann.expect_that(left_is_as_before)  # its own left again
    ann.button("turn-back").click()
    ann.expect_edits(0)


def test_poses_play_and_stand_side_by_side(reviewer: NewReviewer, new_ticket: NewTicket) -> None:
    ann = reviewer("ann")
    ann.claim(new_ticket())
    ann.drag(ELBOW, DRAG)
    ann.expect_preview()
    ann.page.keyboard.press("b")
    expect(ann.page.get_by_text("before", exact=True)).to_be_visible()
    ann.page.keyboard.press("Space")
    expect(ann.page.locator(".caption")).to_contain_text("elbows")
    assert ann.page.locator(f'[data-joint="{ELBOW}"]').is_hidden()
    ann.page.keyboard.press("Space")
    for key in "pwdtgx":
        ann.page.keyboard.press(key)
    ann.page.keyboard.press("?")
    expect(ann.page.get_by_role("heading", name="Keys")).to_be_visible()
