"""Screenshots of every page of the review app, light and dark, over the sample characters.

    python -m benchmarks.review_pictures --out docs/pictures

Needs Chromium and the editor (make ui chromium). People, decisions and dates are made up for the
pictures; jobs, doubts and previews are real.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect

from rigline.bootstrap import load_policy
from rigline.desk.reviewing import Desk
from rigline.jobs.conclusion import ticket_id_of
from rigline.jobs.execution import run
from rigline.jobs.resumption import carry_out_due
from rigline.jobs.submission import submit
from rigline.review.decision import Approval, Decision, RejectCode, Rejection
from rigline.review.ticket import UNDO_WINDOW, TicketState
from tests.support.browsers import Reviewer, chromium
from tests.support.review_app import SAMPLES, Installation, install, now, review_app

COLOURS = 160
DAYS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        installation = install(Path(folder))
        fill(installation)
        with review_app(installation) as url, chromium() as browser:
            for scheme in ("light", "dark"):
                for page in (sign_in_page, inbox_and_ticket, job_and_dashboard, empty_states):
                    page(
                        browser, url, scheme, lambda name, s=scheme: out / f"review_{name}_{s}.png"
                    )
        installation.ledger.close()


def fill(installation: Installation) -> None:
    """Tickets of all samples, and a past in which three people decided about some."""
    draw = random.Random(5)
    samples = sorted(SAMPLES.glob("*.glb"))
    for day in range(DAYS, 0, -1):
        start = now() - timedelta(days=day)
        for sample in draw.sample(samples, 3):
            ticket = ticket_id_of(
                add(installation, sample, f"day {day}", start, audited=day % 2 == 0)
            )
            who = draw.choice(("ann", "bob"))
            decide(installation, ticket, who, start, draw.gauss(9, 2), opinion(draw, 0.75))
            if draw.random() < 0.4:
                again = start + timedelta(hours=1)
                Desk(installation.ledger, lambda t=again: t).reopen("liz", ticket, "a second look")
                decide(installation, ticket, "liz", again, 7.0, opinion(draw, 0.8))
    for number, sample in enumerate(samples):
        creator, batch = (("carol", "spring"), ("dave", "autumn"), ("erin", None))[number % 3]
        age = (timedelta(minutes=20), timedelta(hours=5), timedelta(days=2))[number % 3]
        add_waiting(installation, sample, creator, batch, now() - age, number % 4)


def add(installation: Installation, sample: Path, batch: str, at: datetime, audited: bool) -> str:
    """A job of the past; audited ones were accepted and drawn."""
    services = installation.services
    if audited:
        lenient = load_policy().model_copy(
            update={"name": "lenient", "review_below": 0.0, "audit_rate": 1.0, "rules": ()}
        )
        services = replace(services, policy=lenient)
    job = submit(
        installation.ledger, services, sample.read_bytes(), sample.name, creator="carol", now=at,
        batch=batch,
    )  # fmt: skip
    run(installation.ledger, services, job.id, lambda: at)
    return job.id


def add_waiting(
    installation: Installation, sample: Path, creator: str, batch: str | None, at: datetime,
    priority: int,
) -> None:  # fmt: skip
    job = submit(
        installation.ledger, installation.services, sample.read_bytes(), sample.name,
        creator=creator, now=at, batch=batch, priority=priority,
    )  # fmt: skip
    run(installation.ledger, installation.services, job.id, lambda: at)


def opinion(draw: random.Random, approving: float) -> Decision:
    if draw.random() < approving:
        return Approval()
    return Rejection(draw.choice((RejectCode.BROKEN_MESH, RejectCode.UNUSABLE_POSE)))


def decide(
    installation: Installation, ticket_id: str, who: str, at: datetime, seconds: float,
    decision: Decision,
) -> None:  # fmt: skip
    """Claim at a moment of the past, and decide so much later."""
    with installation.ledger.reading() as work:
        if work.tickets.get(ticket_id).state != TicketState.OPEN:
            return
    token = Desk(installation.ledger, lambda: at).claim(who, ticket_id).fencing_token
    later = at + timedelta(seconds=max(2.0, seconds))
    Desk(installation.ledger, lambda: later).decide(
        who, ticket_id, token, f"{ticket_id}-{who}-{at:%d%H}", decision
    )
    carry_out_due(installation.ledger, later + UNDO_WINDOW)


def sign_in_page(browser: Browser, url: str, scheme: str, path: Callable[[str], Path]) -> None:
    person = Reviewer.at(browser, url, scheme)
    person.page.goto(url)
    keep(person, path("sign_in"))
    person.leave()


def inbox_and_ticket(browser: Browser, url: str, scheme: str, path: Callable[[str], Path]) -> None:
    ann = Reviewer.at(browser, url, scheme)
    ann.sign_in("ann")
    expect(ann.page.get_by_role("button", name="Claim", exact=True).first).to_be_visible()
    keep(ann, path("inbox"))
    ann.page.keyboard.press("n")
    ann.expect_ready()
    keep(ann, path("ticket"))
    ann.drag("LeftLowerArm", (-12, 10))
    ann.expect_preview()
    ann.page.keyboard.press("w")
    keep(ann, path("weights"))
    for key in ("p", "b", "Space"):
        ann.page.keyboard.press(key)
    expect(ann.page.locator(".caption")).to_contain_text("knees")
    keep(ann, path("poses"))
    for key in ("Space", "b", "t", "y"):
        ann.page.keyboard.press(key)
    expect(ann.editor).to_have_attribute("data-busy", "false")
    keep(ann, path("cage"))
    ann.page.keyboard.press("?")
    expect(ann.page.get_by_role("heading", name="Keys")).to_be_visible()
    keep(ann, path("keys"))
    ann.page.keyboard.press("Escape")
    ann.page.keyboard.press("r")
    expect(ann.page.get_by_role("heading", name="Reject: why?")).to_be_visible()
    keep(ann, path("reject"))
    ann.page.keyboard.press("Escape")
    ann.leave()


def job_and_dashboard(browser: Browser, url: str, scheme: str, path: Callable[[str], Path]) -> None:
    liz = Reviewer.at(browser, url, scheme)
    liz.sign_in("liz", "/?tab=claimed")
    liz.page.get_by_role("button", name="Open", exact=True).last.click()
    liz.button("job").click()
    expect(liz.page.get_by_text("Stages", exact=True)).to_be_visible()
    keep(liz, path("job"))
    liz.page.get_by_role("link", name="Dashboard").click()
    expect(liz.page.get_by_text("Confidence against acceptance")).to_be_visible()
    keep(liz, path("dashboard"))
    liz.leave()


def empty_states(browser: Browser, url: str, scheme: str, path: Callable[[str], Path]) -> None:
    vic = Reviewer.at(browser, url, scheme)
    vic.sign_in("vic", "/?creator=nobody")
    expect(vic.page.get_by_text("No ticket fits these filters")).to_be_visible()
    keep(vic, path("empty"))
    vic.leave()
    stranger = Reviewer.at(browser, url, scheme)
    stranger.sign_in("zoe@example.org")
    expect(stranger.page.get_by_text("No role yet")).to_be_visible()
    keep(stranger, path("no_role"))
    stranger.leave()


def keep(person: Reviewer, path: Path) -> None:
    """Write what the browser shows, once it has come to rest, in few colours."""
    person.page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(person.page.screenshot())) as shot:
        shot.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
