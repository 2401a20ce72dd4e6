"""Chromium, and a reviewer at it: what a person does with mouse and keyboard."""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip
WAIT_MS: Final = 30_000
expect.set_options(timeout=WAIT_MS)
SIZE: Final = {"width": 1280, "height": 720}


def chromium_path() -> str | None:
    """Where Chromium is, if it is there."""
    named = os.environ.get("RIGLINE_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, drawing in software."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Reviewer:
    """A person at a browser of their own."""

    page: Page
    url: str
    complaints: list[str]

    @classmethod
    def at(cls, browser: Browser, url: str, scheme: str = "light") -> Reviewer:
        """A new person, who has not signed in."""
        context = browser.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(WAIT_MS)
        complaints: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return cls(page, url, complaints)

    def sign_in(self, person: str, path: str = "/") -> None:
        """Sign in by the development form, on the way to a page."""
        self.page.goto(f"{self.url}{path}")
        self.page.get_by_label("Who are you?").fill(person)
        self.page.get_by_role("button", name="Sign in").click()

    def open_ticket(self, ticket_id: str) -> None:
        """Open the page of a ticket and wait until the editor is there."""
        self.page.goto(f"{self.url}/ticket?id={ticket_id}")
        self.expect_ticket(ticket_id)

    def expect_ticket(self, ticket_id: str) -> None:
        """Wait until the editor has that ticket."""
        expect(self.editor).to_have_attribute("data-ticket", ticket_id, timeout=WAIT_MS)

    def claim(self, ticket_id: str) -> None:
        """Open a ticket and claim it; ready to work on afterwards."""
        self.open_ticket(ticket_id)
        self.page.keyboard.press("c")
        self.expect_ready()

    def expect_ready(self) -> None:
        """Wait until the avatar is shown and can be decided about."""
        expect(self.editor).to_have_attribute("data-ready", "true", timeout=WAIT_MS)
        expect(self.button("approve")).to_be_enabled(timeout=WAIT_MS)

    @property
    def editor(self) -> Locator:
        return self.page.locator(".editor")

    def button(self, action: str) -> Locator:
        """A button of the editor by what it does."""
        return self.page.locator(f'[data-action="{action}"]')

    def place_of(self, mark: str) -> tuple[float, float]:
        """Where the middle of a joint's or an attachment's mark is, in pixels of the window."""
        kind = "attachment" if mark.endswith("_Att") else "joint"
        box = self.page.locator(f'[data-{kind}="{mark}"] .dot').bounding_box()
        assert box is not None, f"{mark} is not shown"
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def expect_at(self, mark: str, place: tuple[float, float], within: float = 1.0) -> None:
        """Wait until a mark is shown there; marks follow an edit in the next frame drawn."""
        self.expect_that(lambda: math.dist(self.place_of(mark), place) <= within * math.sqrt(2))

    def expect_that(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what is drawn."""
        end = time.monotonic() + WAIT_MS / 1000
        while not holds():
            assert time.monotonic() < end, "What is drawn did not become as expected"
            self.page.wait_for_timeout(50)

    def drag(self, mark: str, by: tuple[float, float]) -> tuple[float, float]:
        """Drag a mark by so many pixels; where it was let go."""
        x, y = self.place_of(mark)
        self.drag_from((x, y), by)
        return x + by[0], y + by[1]

    def drag_from(self, start: tuple[float, float], by: tuple[float, float]) -> None:
        """Press, move in a few steps, let go."""
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2, steps=3)
        mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
        mouse.up()

    def expect_preview(self) -> None:
        """Wait until the skin of the latest edits is shown."""
        expect(self.editor.locator(".status")).to_contain_text("Preview ready", timeout=WAIT_MS)

    def expect_decided(self) -> None:
        """Wait until the decision is made, and can be taken back."""
        undo = self.page.get_by_role("button", name="Undo")
        expect(undo.filter(has_not_text="Ctrl").first).to_be_visible(timeout=WAIT_MS)

    def expect_gone(self, ticket_id: str) -> None:
        """Wait until the editor has that ticket no more."""
        shown = self.page.locator(f'.editor[data-ticket="{ticket_id}"]')
        expect(shown).to_have_count(0, timeout=WAIT_MS)

    def expect_edits(self, count: int) -> None:
        """Wait until so many things are changed."""
        expect(self.editor).to_have_attribute("data-edits", str(count), timeout=WAIT_MS)

    def expect_banner(self, text: str) -> None:
        """Wait for a banner that says this."""
        expect(self.page.locator(".banner")).to_contain_text(re.compile(text), timeout=WAIT_MS)

    def leave(self) -> None:
        """Close the browser window; nothing may have gone wrong in it."""
        self.page.context.close()
        assert not self.complaints, self.complaints
