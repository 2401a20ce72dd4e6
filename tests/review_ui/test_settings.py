"""Settings: who may reach the app, and how."""

from __future__ import annotations

import pytest

from review_ui.settings import is_loopback, load_ui_settings
from rigline.errors import InvalidInput

OIDC = {"oidc_issuer": "https://id.example.org", "oidc_client_id": "app", "oidc_client_secret": "s"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGIN", "SECRET", "ADDRESS", "PORT", "URL"):
        monkeypatch.delenv(f"RIGLINE_UI_{name}", raising=False)


def test_the_development_login_is_for_this_machine_alone() -> None:
    assert load_ui_settings(login="development").address == "127.0.0.1"
    for address in ("0.0.0.0", "192.168.1.4", "example.org", "::"):
        with pytest.raises(InvalidInput, match="this machine"):
            load_ui_settings(login="development", address=address)


def test_without_a_word_people_sign_in_by_oidc() -> None:
    with pytest.raises(InvalidInput, match="RIGLINE_UI_OIDC_ISSUER"):
        load_ui_settings()
    assert load_ui_settings(**OIDC, address="0.0.0.0").login == "oidc"


def test_values_that_cannot_be_are_named() -> None:
    with pytest.raises(InvalidInput, match="RIGLINE_UI_PORT"):
        load_ui_settings(login="development", port=0)
    with pytest.raises(InvalidInput, match="SECRET"):
        load_ui_settings(login="development", secret="short")


def test_a_secret_is_random_and_stays_out_of_messages() -> None:
    one, other = (load_ui_settings(login="development") for _ in range(2))
    assert one.secret.get_secret_value() != other.secret.get_secret_value()
    assert one.secret.get_secret_value() not in repr(one)


def test_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "10.0.0.1", "evil.localhost.example")))


def test_the_address_that_browsers_see() -> None:
    assert load_ui_settings(login="development", port=99).public_url == "http://localhost:99"
    chosen = load_ui_settings(**OIDC, url="https://review.example.org/")
    assert chosen.public_url == "https://review.example.org"
