"""Who an identity token speaks of."""

from __future__ import annotations

import pytest

from review_ui.presenters.identity import verified_address


@pytest.mark.parametrize(
    ("claims", "person"),
    [
        ({"email": " Ann@Example.org "}, "ann@example.org"),
        ({"email": "a@b.c", "email_verified": True}, "a@b.c"),
        ({"email": "a@b.c", "email_verified": "true"}, "a@b.c"),
        ({"email": "a@b.c", "email_verified": False}, None),
        ({"email": "a@b.c", "email_verified": "false"}, None),
        ({"email": "a@b.c", "email_verified": None}, None),
        ({"email": ""}, None),
        ({"email": ["a@b.c"]}, None),
        ({"sub": "ann"}, None),
    ],
)
def test_only_a_verified_address_is_a_person(claims: dict[str, object], person: str | None) -> None:
    assert verified_address(claims) == person
