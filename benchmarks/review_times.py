"""How long a reviewer waits: opening a ticket, a preview, a decision among twenty reviewers.

    python -m benchmarks.review_times [--repeat 5]

Opening and previews are measured in Chromium, which draws in software, from the click to what it
shows; decisions in one process with twenty threads on PostgreSQL, as the app makes them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import Browser

from rigline.desk.reviewing import Desk
from rigline.review.access import PersonRole
from rigline.review.decision import Approval
from tests.support.bodies import box_body
from tests.support.browsers import Reviewer, chromium
from tests.support.glb_files import textured_glb
from tests.support.ledgers import PostgresServer, add_job, opened
from tests.support.review_app import Installation, install, now, review_app
from tests.support.tickets import open_ticket

REVIEWERS = 20
DECISIONS_EACH = 15
LARGE, MIDDLE = 17, 13
"""Segments of a box body: 52,020 triangles, and 15,210 vertices."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        installation = install(folder / "app")
        with review_app(installation) as url, chromium() as browser:
            show("click to interactive ticket, s", opening(installation, url, browser, repeat))
            show("joint dropped to new skin shown, s", previews(installation, url, browser, repeat))
        installation.ledger.close()
        show("decision among 20 reviewers, s", decisions(folder / "postgres"))


def opening(installation: Installation, url: str, browser: Browser, repeat: int) -> Sequence[float]:
    """From the click on Claim in the inbox until the avatar is shown; a new browser each time."""
    path = body_file(installation, LARGE)
    seconds = []
    for number in range(repeat):
        installation.add_ticket(path, batch=f"open-{number}", priority=100 + number)
        ann = Reviewer.at(browser, url)
        ann.sign_in("ann")
        button = ann.page.get_by_role("button", name="Claim", exact=True).first
        button.wait_for()
        ann.page.wait_for_timeout(1500)  # people do not click in the very moment a page is there
        started = time.perf_counter()
        button.click()
        ann.expect_ready()
        seconds.append(time.perf_counter() - started)
        ann.page.keyboard.press("a")
        ann.expect_decided()
        ann.leave()
    return seconds


def previews(
    installation: Installation, url: str, browser: Browser, repeat: int
) -> Sequence[float]:
    """From the mouse button's release until the new skin is shown, one reviewer, warm."""
    ticket_id = installation.add_ticket(body_file(installation, MIDDLE), batch="preview")
    ann = Reviewer.at(browser, url)
    ann.sign_in("ann")
    ann.claim(ticket_id)
    seconds = []
    for number in range(repeat + 1):
        ann.drag("LeftLowerArm", (-3.0 - number % 3, 4.0 - 3 * (number % 2)))
        started = time.perf_counter()
        ann.page.wait_for_function(BUSY, polling=20)
        ann.expect_preview()
        seconds.append(time.perf_counter() - started)
    ann.leave()
    return seconds[1:]


BUSY = """() => [...document.querySelectorAll('*')].some((e) =>
  e.shadowRoot?.querySelector('.status')?.textContent.startsWith('Computing'))"""


def body_file(installation: Installation, segments: int) -> Path:
    """A textured body with so many quads a side."""
    body = box_body(segments)
    print(f"body of {len(body.faces):,} triangles, {len(body.vertices):,} vertices")
    path = installation.folder / f"body-{segments}.glb"
    path.write_bytes(textured_glb(body))
    return path


def decisions(folder: Path) -> Sequence[float]:
    """Claim and approve, twenty people at once; the time of each approval."""
    server = PostgresServer(folder)
    seconds: list[float] = []
    try:
        with opened(server.new_database()) as ledger:
            with ledger.transaction() as work:
                for number in range(REVIEWERS * DECISIONS_EACH):
                    add_job(work, f"j{number}")
                    work.tickets.add(open_ticket(number))
                for number in range(REVIEWERS):
                    work.people.grant(f"r{number}", PersonRole.REVIEWER, "root", now())
            desk = Desk(ledger, now)
            together = threading.Barrier(REVIEWERS)

            def review(person: str) -> None:
                together.wait()
                for number in range(DECISIONS_EACH):
                    ticket = desk.claim_next(person)
                    assert ticket is not None
                    started = time.perf_counter()
                    token, name = ticket.fencing_token, f"{person}-{number}"
                    desk.decide(person, ticket.id, token, name, Approval())
                    seconds.append(time.perf_counter() - started)

            people = [threading.Thread(target=review, args=(f"r{n}",)) for n in range(REVIEWERS)]
            for person in people:
                person.start()
            for person in people:
                person.join()
    finally:
        server.stop()
    return seconds


def show(what: str, seconds: Sequence[float]) -> None:
    p95 = float(np.percentile(seconds, 95))
    print(
        f"{what}: median {median(seconds):.3f}, p95 {p95:.3f}, best {min(seconds):.3f}, "
        f"of {len(seconds)}"
    )


if __name__ == "__main__":
    main()
