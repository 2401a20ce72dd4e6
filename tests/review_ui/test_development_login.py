"""The development sign-in: a cookie that only this app makes, for pages of this app."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from review_ui.development_login import (
    COOKIE,
    PATH,
    development_routes,
    person_of,
    redirecting_middleware,
)
from rigline.desk.signing import Signer

SIGNER = Signer(b"0123456789abcdef")
PAGE = {"accept": "text/html"}


@pytest.fixture
def browser() -> TestClient:
    routes = [
        *development_routes(SIGNER),
        Route("/{path:path}", lambda _: PlainTextResponse("app")),
    ]
    app = Starlette(routes=routes, middleware=[redirecting_middleware(SIGNER)])
    return TestClient(app, base_url="http://localhost:8501", follow_redirects=False)


def test_whoever_has_not_signed_in_is_sent_to_sign_in(browser: TestClient) -> None:
    answer = browser.get("/ticket?id=t1", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{PATH}?next=%2Fticket%3Fid%3Dt1"
    answer = browser.post(answer.headers["location"], data={"person": "ann"})
    assert answer.headers["location"] == "/ticket?id=t1"
    assert person_of(SIGNER, browser.cookies[COOKIE]) == "ann"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert browser.get("/ticket?id=t1", headers=PAGE).text == "app"


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_nobody_is_sent_elsewhere(browser: TestClient, there: str) -> None:
    answer = browser.post(PATH, params={"next": there}, data={"person": "ann"})
    assert answer.headers["location"] == "/"


def test_another_page_signs_nobody_in(browser: TestClient) -> None:
    answer = browser.post(PATH, data={"person": "ann"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert COOKIE not in browser.cookies


@pytest.mark.parametrize("cookie", [None, "", "ann", "YW5u.AAAA", SIGNER.mark("other", "ann")])
def test_a_cookie_of_another_is_nobody(cookie: str | None) -> None:
    assert person_of(SIGNER, cookie) is None


def test_a_name_is_needed_and_markup_is_text(browser: TestClient) -> None:
    assert browser.post(PATH, data={"person": "  "}).headers["location"].startswith(PATH)
    answer = browser.get(PATH, params={"next": '/"><script>'}, headers=PAGE)
    assert "<script>" not in answer.text


def test_signing_out(browser: TestClient) -> None:
    browser.post(PATH, data={"person": "ann"})
    browser.get(f"{PATH}/leave")
    assert browser.get("/", headers=PAGE).status_code == 303
