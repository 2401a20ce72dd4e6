"""The queue in the browser: claims, races, leases, decisions by key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from rigline.desk.reviewing import LEASE
from rigline.review import queue
from rigline.review.decision import DecisionKind
from rigline.review.ticket import Ticket, TicketState
from tests.browser.conftest import NewReviewer
from tests.support.browsers import Reviewer
from tests.support.review_app import Installation, now

pytestmark = [pytest.mark.browser, pytest.mark.server]
NewTicket = Callable[..., str]
ELBOW = "LeftLowerArm"


def ticket_of(installation: Installation, ticket_id: str) -> Ticket:
    with installation.ledger.reading() as work:
        return work.tickets.get(ticket_id)


def holder_of(installation: Installation, ticket_id: str) -> str:
    """Who has the ticket, as soon as somebody has."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        holder = ticket_of(installation, ticket_id).claimed_by
        if holder is not None:
            return holder
        time.sleep(0.1)
    raise AssertionError("Nobody got the ticket.")


def end_leases(installation: Installation) -> None:
    """Let so much time pass for the queue that every claim runs out."""
    with installation.ledger.transaction() as work:
        queue.sweep(work.tickets, now() + LEASE + timedelta(seconds=1))


def ticket_at(person: Reviewer) -> str:
    found = re.search(r"id=(\w+)", person.page.url)
    assert found is not None, person.page.url
    return found.group(1)


def test_two_who_want_one_ticket(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    ann, bob = reviewer("ann"), reviewer("bob")
    for person in (ann, bob):
        person.open_ticket(ticket_id)
        expect(person.button("claim")).to_be_visible()
    for person in (ann, bob):
        person.page.keyboard.press("c")
    people = {"ann": ann, "bob": bob}
    first = holder_of(installation, ticket_id)
    other = "bob" if first == "ann" else "ann"
    people[other].expect_banner(f"{first} has the ticket already. Take the next one.")
    people[first].expect_ready()


def test_two_who_claim_the_next_get_different_ones(
    reviewer: NewReviewer, new_ticket: NewTicket
) -> None:
    wanted = {new_ticket(priority=50), new_ticket(priority=50)}
    ann, bob = reviewer("ann"), reviewer("bob")
    for person in (ann, bob):
        expect(person.page.get_by_role("button", name="Claim the next")).to_be_visible()
    for person in (ann, bob):
        person.page.keyboard.press("n")
    for person in (ann, bob):
        person.expect_ready()
    assert {ticket_at(ann), ticket_at(bob)} == wanted


def test_a_lease_that_ends_in_mid_edit_keeps_the_edit_and_says_so(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    ann = reviewer("ann")
    ann.claim(ticket_id)
    ann.drag(ELBOW, (-10, 8))
    ann.expect_preview()
    end_leases(installation)
    ann.drag("LeftLowerLeg", (4, 10))
    ann.expect_banner("Your claim has run out. .*4 changes are kept in this tab")
    ann.page.keyboard.press("c")
    ann.expect_ready()
    ann.expect_edits(4)
    ann.expect_preview()
    ann.page.keyboard.press("a")
    ann.expect_decided()
    assert ticket_of(installation, ticket_id).decision == DecisionKind.CORRECT


def test_a_ticket_that_somebody_else_has_by_then_is_not_decided(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    ann, bob = reviewer("ann"), reviewer("bob")
    ann.claim(ticket_id)
    ann.drag(ELBOW, (-10, 8))
    ann.expect_preview()
    end_leases(installation)
    bob.claim(ticket_id)
    ann.page.keyboard.press("a")
    ann.expect_banner("somebody else has the ticket now")
    found = ticket_of(installation, ticket_id)
    assert (found.state, found.claimed_by) == (TicketState.CLAIMED, "bob")


def test_one_key_decides_and_one_takes_it_back(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    first, second = new_ticket(priority=90), new_ticket(priority=80)
    ann = reviewer("ann")
    expect(ann.page.get_by_role("button", name="Claim the next")).to_be_visible()
    ann.page.keyboard.press("n")
    ann.expect_ticket(first)
    ann.expect_ready()
    ann.page.keyboard.press("a")
    ann.expect_ticket(second)
    ann.expect_ready()
    assert ticket_of(installation, first).decision == DecisionKind.APPROVE
    expect(ann.page.locator(".toast")).to_contain_text("approved")
    ann.page.keyboard.press("u")
    ann.expect_ticket(first)
    ann.expect_ready()
    assert ticket_of(installation, first).claimed_by == "ann"
    assert ticket_of(installation, second).state == TicketState.OPEN
    ann.page.keyboard.press("r")
    ann.page.keyboard.press("4")
    ann.expect_ticket(second)
    assert ticket_of(installation, first).decision == DecisionKind.REJECT


def test_hold_skip_and_escalate(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    held, skipped, escalated = (new_ticket(priority=p) for p in (190, 180, 170))
    ann = reviewer("ann")
    ann.claim(held)
    ann.page.keyboard.press("h")
    ann.page.keyboard.press("2")
    expect(ann.page.get_by_text("Please say why")).to_be_visible()
    ann.page.get_by_label("Note").fill("asked the artist")
    ann.page.get_by_role("button", name="for four hours").click()
    ann.expect_ticket(skipped)
    ann.expect_ready()
    ann.page.keyboard.press("k")
    ann.page.get_by_label("Why?").fill("a tail")
    ann.page.keyboard.press("Enter")
    ann.expect_ticket(escalated)
    ann.expect_ready()
    ann.page.keyboard.press("e")
    ann.page.get_by_label("Why?").fill("two heads")
    ann.page.keyboard.press("Enter")
    ann.expect_gone(escalated)
    assert ticket_of(installation, held).hold_reason == "asked the artist"
    assert ticket_of(installation, skipped).skipped_by == {"ann"}
    assert ticket_of(installation, escalated).escalation_reason == "two heads"
    liz = reviewer("liz")
    liz.claim(escalated)
    expect(liz.page.get_by_text("Escalated: two heads")).to_be_visible()


def test_filters_live_in_the_address(reviewer: NewReviewer, new_ticket: NewTicket) -> None:
    new_ticket("toy_robot", creator="zoe", batch="autumn")
    new_ticket("goblin", creator="carol", batch="autumn")
    ann = reviewer("ann")
    ann.page.goto(f"{ann.url}/?creator=zoe&batch=autumn")
    expect(ann.page.get_by_text("toy_robot.glb")).to_be_visible()
    expect(ann.page.get_by_text("goblin.glb")).to_have_count(0)
    ann.page.get_by_label("Reason says").fill("no such reason")
    ann.page.keyboard.press("Enter")
    expect(ann.page.get_by_text("No ticket fits these filters")).to_be_visible()
    expect(ann.page).to_have_url(re.compile("reason=no\\+such\\+reason|reason=no%20such%20reason"))
    ann.page.reload()
    expect(ann.page.get_by_text("No ticket fits these filters")).to_be_visible()
