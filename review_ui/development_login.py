"""Signing in without a provider, for trying the app on one's own machine.

The settings refuse it on an address that others can reach, and every page shows a banner.
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rigline.desk.signing import Signer

COOKIE: Final = "rigline_development"
PURPOSE: Final = "development-login"
PATH: Final = "/development-login"

_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Sign in · Rigline review</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-content: center;
  background: light-dark(#f4f5f7, #12161d); color: light-dark(#1d2530, #e7ebf1); }}
main {{ width: min(360px, 88vw); padding: 28px; border-radius: 12px;
  background: light-dark(#fff, #1b212b); border: 1px solid light-dark(#d9dde3, #323b48); }}
h1 {{ margin: 0 0 4px; font-size: 22px; }}
p {{ margin: 0 0 18px; color: light-dark(#596372, #a3adba); font-size: 14px; }}
input, button {{ width: 100%; box-sizing: border-box; padding: 10px 12px; font: inherit;
  border-radius: 8px; border: 1px solid light-dark(#b9c0ca, #475263);
  background: transparent; color: inherit; }}
button {{ margin-top: 12px; background: #0b63c5; border-color: #0b63c5; color: #fff;
  font-weight: 600; cursor: pointer; }}
</style>
<main><h1>Rigline review</h1>
<p>Development sign-in: anybody is whom they say. Only this machine reaches it.</p>
<form method="post" action="{action}"><input name="person" aria-label="Who are you?" maxlength="200"
 placeholder="Who are you? ann@example.org" required autofocus autocomplete="username">
<button>Sign in</button></form></main></html>"""


def person_of(signer: Signer, cookie: str | None) -> str | None:
    """Who the cookie says; None for none, or for one that was not made here."""
    return signer.unmark(PURPOSE, cookie) if cookie else None


def development_routes(signer: Signer) -> list[Route]:
    """The sign-in page, and the way out."""

    async def page(request: Request) -> Response:
        action = f"{PATH}?next={quote(_local(request.query_params.get('next')), safe='')}"
        if request.method == "GET":
            return HTMLResponse(_PAGE.format(action=escape(action)))
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return Response("This form was sent by another page.", 403)
        fields = parse_qs((await request.body()).decode("utf-8", "replace"))
        person = fields.get("person", [""])[0].strip()[:200]
        if not person:
            return RedirectResponse(action, 303)
        answer = RedirectResponse(_local(request.query_params.get("next")), 303)
        answer.set_cookie(COOKIE, signer.mark(PURPOSE, person), httponly=True, samesite="strict")
        return answer

    async def leave(_: Request) -> Response:
        answer = RedirectResponse(PATH, 303)
        answer.delete_cookie(COOKIE)
        return answer

    return [
        Route(PATH, page, methods=["GET", "POST"]),
        Route(f"{PATH}/leave", leave, methods=["GET"]),
    ]


def redirecting_middleware(signer: Signer) -> Middleware:
    """Sends whoever opens a page without having signed in to the sign-in page."""
    return Middleware(_Redirecting, signer=signer)


class _Redirecting:
    def __init__(self, app: ASGIApp, signer: Signer) -> None:
        self._app, self._signer = app, signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_page(scope):
            request = Request(scope)
            if person_of(self._signer, request.cookies.get(COOKIE)) is None:
                query = f"?{request.url.query}" if request.url.query else ""
                there = quote(f"{request.url.path}{query}", safe="")
                await RedirectResponse(f"{PATH}?next={there}", 303)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_page(scope: Scope) -> bool:
    path = str(scope["path"])
    accepts = dict(scope["headers"]).get(b"accept", b"")
    return scope["method"] == "GET" and b"text/html" in accepts and not path.startswith(PATH)


def _local(path: str | None) -> str:
    """A path of this app; the first page instead of an address elsewhere."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    return path
