"""The web server: Streamlit's own, with the route of artifacts and the development sign-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from streamlit.starlette import App

from review_ui.development_login import development_routes, redirecting_middleware
from review_ui.office import Office
from review_ui.settings import UiSettings
from rigline.errors import ContractViolation, InvalidInput, ReviewConflict, RiglineError

SCRIPT: Final = Path(__file__).with_name("app.py")
CACHE_S: Final = 300


def build_app(office: Office) -> App:
    """The app as ASGI; it lets the office go when it stops."""

    @asynccontextmanager
    async def lifespan(_: App) -> AsyncIterator[dict[str, Any]]:
        yield {}
        office.close()

    routes = [Route("/artifacts/{signed}", artifact_endpoint(office), methods=["GET"])]
    middleware = []
    if office.ui.login == "development":
        routes += development_routes(office.signer)
        middleware.append(redirecting_middleware(office.signer))
    return App(
        SCRIPT, routes=routes, middleware=middleware, lifespan=lifespan,
        secrets=oidc_secrets(office.ui),
    )  # fmt: skip


def oidc_secrets(ui: UiSettings) -> dict[str, Any]:
    """What ``st.login`` wants to know of the provider; nothing for the development sign-in."""
    if ui.login != "oidc":
        return {}
    issuer = (ui.oidc_issuer or "").rstrip("/")
    return {
        "auth": {
            "redirect_uri": f"{ui.public_url}/oauth2callback",
            "cookie_secret": ui.secret.get_secret_value(),
            "client_id": ui.oidc_client_id,
            "client_secret": ui.oidc_client_secret.get_secret_value()
            if ui.oidc_client_secret
            else "",
            # Streamlit's own default, select_account, is refused by providers that do not offer it.
            "client_kwargs": {"scope": "openid email profile", "prompt": "login"},
            "server_metadata_url": f"{issuer}/.well-known/openid-configuration",
        }
    }


def artifact_endpoint(office: Office) -> Any:
    """Answers a signed address with its artifact, or says why not."""

    async def endpoint(request: Request) -> Response:
        signed = request.path_params["signed"]
        try:
            found = await anyio.to_thread.run_sync(office.artifacts.fetch, signed)
        except RiglineError as error:
            return PlainTextResponse(str(error), status_of(error), headers=_guarded("no-store"))
        return Response(
            found.data, media_type=found.media_type, headers=_guarded(f"private, max-age={CACHE_S}")
        )

    return endpoint


def status_of(error: RiglineError) -> int:
    """The HTTP status that fits an error."""
    if isinstance(error, InvalidInput | ReviewConflict):
        return 403
    return 404 if isinstance(error, ContractViolation) else 503


def _guarded(cache: str) -> dict[str, str]:
    """Headers with which a browser shows bytes and never runs them."""
    return {
        "Cache-Control": cache,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
