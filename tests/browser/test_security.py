"""What a browser cannot do, whatever it sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from rigline.desk.artifacts import Artifacts
from rigline.desk.signing import Signer
from rigline.desk.ticket_page import ticket_page
from rigline.review.access import PersonRole
from rigline.review.ticket import TicketState
from tests.browser.conftest import NewReviewer
from tests.support.browsers import Reviewer
from tests.support.review_app import SAMPLES, SECRET, Installation, now

pytestmark = [pytest.mark.browser, pytest.mark.server]
NewTicket = Callable[..., str]
HACK = "<img src=x onerror='window.hacked=1'>"
SCRIPT = "<script>window.hacked=1</script>"


def artifact_address(installation: Installation, person: str, ticket_id: str, stage: str) -> str:
    """An address as the app signs it."""
    signer = Signer(SECRET.encode())
    artifacts = Artifacts(installation.ledger, installation.services.store, signer, now)
    page = ticket_page(installation.ledger, "liz", ticket_id, now())
    return f"/artifacts/{artifacts.sign(person, ticket_id, page.runs[stage].sha256)}"


def status(person: Reviewer, path: str) -> int:
    return person.page.request.get(f"{person.url}{path}").status


def test_an_artifact_is_for_the_holder_of_its_ticket_alone(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    ann, bob = reviewer("ann"), reviewer("bob")
    ann.claim(ticket_id)
    path = artifact_address(installation, "ann", ticket_id, "assemble")
    answer = ann.page.request.get(f"{ann.url}{path}")
    assert (answer.status, answer.headers["content-type"]) == (200, "model/gltf-binary")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert status(bob, artifact_address(installation, "bob", ticket_id, "assemble")) == 403
    assert status(bob, path[:-4] + "AAAA") == 403
    assert status(bob, "/artifacts/nonsense") == 403
    ann.button("inbox").click()
    with installation.ledger.transaction() as work:
        work.people.revoke("ann", PersonRole.REVIEWER, now())
    assert status(ann, path) == 403
    with installation.ledger.transaction() as work:
        work.people.grant("ann", PersonRole.REVIEWER, "root", now())


def test_a_lost_role_ends_in_the_middle_of_a_ticket(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation
) -> None:
    ticket_id = new_ticket()
    with installation.ledger.transaction() as work:
        work.people.grant("tim", PersonRole.REVIEWER, "root", now())
    tim = reviewer("tim")
    tim.claim(ticket_id)
    with installation.ledger.transaction() as work:
        work.people.revoke("tim", PersonRole.REVIEWER, now())
    tim.page.keyboard.press("a")
    expect(tim.page.get_by_text("tim has no role").first).to_be_visible()
    with installation.ledger.reading() as work:
        assert work.tickets.get(ticket_id).state == TicketState.CLAIMED
    tim.page.goto(tim.url)
    expect(tim.page.get_by_text("No role yet")).to_be_visible()


def test_viewers_see_and_decide_nothing(reviewer: NewReviewer, new_ticket: NewTicket) -> None:
    ticket_id = new_ticket(creator="visible")
    vic = reviewer("vic")
    expect(vic.page.get_by_text("Inbox").first).to_be_visible()
    expect(vic.page.get_by_role("button", name="Claim the next")).to_have_count(0)
    vic.open_ticket(ticket_id)
    expect(vic.page.get_by_text("Claim the ticket to open the avatar")).to_be_visible()
    expect(vic.button("claim")).to_have_count(0)
    vic.page.keyboard.press("c")
    vic.expect_banner("vic has no role that permits this")


def test_foreign_text_is_text(
    reviewer: NewReviewer, new_ticket: NewTicket, installation: Installation, tmp_path: Path
) -> None:
    ticket_id = new_ticket(
        SAMPLES / "plate_knight.glb", name=f"{HACK}.glb", creator=f"**{SCRIPT}** :red[x]",
        batch=f"{HACK} $x$", priority=300,
    )  # fmt: skip
    ann = reviewer("ann")
    expect(ann.page.get_by_text(f"{HACK}.glb")).to_be_visible()
    expect(ann.page.get_by_text(f"**{SCRIPT}** :red[x]").first).to_be_visible()
    ann.claim(ticket_id)
    expect(ann.editor.get_by_text(f"{HACK}.glb")).to_be_visible()
    ann.page.keyboard.press("e")
    ann.page.get_by_label("Why?").fill(f"{HACK} {SCRIPT}")
    ann.page.keyboard.press("Enter")
    ann.expect_gone(ticket_id)
    liz = reviewer("liz")
    liz.open_ticket(ticket_id)
    expect(liz.page.get_by_text(f"Escalated: {HACK} {SCRIPT}")).to_be_visible()
    liz.button("job").click()
    expect(liz.page.get_by_text(f"{HACK}.glb").first).to_be_visible()
    for person in (ann, liz):
        assert person.page.evaluate("window.hacked") is None


def test_nobody_is_anybody_without_signing_in(browser: object, app: str) -> None:
    stranger = Reviewer.at(browser, app)  # type: ignore[arg-type]
    stranger.page.context.add_cookies(
        [{"name": "rigline_development", "value": "YW5u.AAAA", "url": app}]
    )
    stranger.page.goto(f"{app}/ticket?id=t1")
    expect(stranger.page.get_by_label("Who are you?")).to_be_visible()
    stranger.leave()
