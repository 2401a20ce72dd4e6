"""Who an identity token speaks of."""

from __future__ import annotations

from collections.abc import Mapping


def verified_address(claims: Mapping[str, object]) -> str | None:
    """The e-mail address in lower case; None where the provider has not verified it.

    A provider that says nothing of verification vouches for its addresses.
    """
    email = claims.get("email")
    if isinstance(email, str) and claims.get("email_verified", True) in (True, "true"):
        return email.strip().lower()[:200] or None
    return None
