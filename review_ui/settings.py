"""Settings of the app, one ``RIGLINE_UI_`` variable for each."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rigline.desk.signing import MIN_SECRET
from rigline.errors import InvalidInput


class UiSettings(BaseSettings):
    """How the app is reached and who may sign in."""

    model_config = SettingsConfigDict(
        env_prefix="RIGLINE_UI_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    address: str = Field(default="127.0.0.1", description="Where the app listens.")
    port: Annotated[int, Field(ge=1, le=65535)] = 8501
    login: Literal["oidc", "development"] = Field(
        default="oidc",
        description="oidc, or development: anybody is whom they say, on this machine alone.",
    )
    secret: SecretStr = Field(
        default_factory=lambda: SecretStr(secrets.token_urlsafe(32)),
        description="Signs addresses and cookies; the same for all processes of one app.",
    )
    oidc_issuer: str | None = Field(default=None, description="Address of the OIDC provider.")
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    url: str | None = Field(default=None, description="Address by which browsers reach the app.")
    session_hours: Annotated[int, Field(ge=1, le=24 * 30)] = Field(
        default=12, description="After so long people sign in again."
    )
    flow_run_url: str | None = Field(
        default=None, description="Address of a job's flow runs, with {job} for the job's id."
    )
    preview_workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Processes that compute previews."
    )

    @property
    def public_url(self) -> str:
        """The app's address as browsers see it."""
        host = "localhost" if self.address in ("127.0.0.1", "::1") else self.address
        return (self.url or f"http://{host}:{self.port}").rstrip("/")


def load_ui_settings(**chosen: Any) -> UiSettings:
    """The settings of the environment, with some chosen otherwise.

    Raises ``InvalidInput`` that names what is wrong or missing: values that cannot be, a short
    secret, a development login that others could reach, OIDC without its provider.
    """
    try:
        settings = UiSettings(**{k: v for k, v in chosen.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"RIGLINE_UI_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise InvalidInput(f"The settings of the app cannot be used: {wrong}.") from error
    if len(settings.secret.get_secret_value()) < MIN_SECRET:
        raise InvalidInput(
            "RIGLINE_UI_SECRET is too short.", remedy=f"Use {MIN_SECRET} random characters or more."
        )
    if settings.login == "development" and not is_loopback(settings.address):
        raise InvalidInput(
            f"The development login is for this machine alone, not for {settings.address}.",
            remedy="Use RIGLINE_UI_LOGIN=oidc, or RIGLINE_UI_ADDRESS=127.0.0.1.",
        )
    needed = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
    missing = [name for name in needed if getattr(settings, name) is None]
    if settings.login == "oidc" and missing:
        names = ", ".join(f"RIGLINE_UI_{name.upper()}" for name in missing)
        raise InvalidInput(
            f"Signing in by OIDC needs {names}.",
            remedy="Set them, or RIGLINE_UI_LOGIN=development to try the app on this machine.",
        )
    return settings


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
