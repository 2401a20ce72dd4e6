"""Signed passes to one artifact: who may fetch what, in the name of which ticket, until when."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rigline.errors import InvalidInput

PASS_TIME: Final = timedelta(minutes=5)
"""The least that a pass is good for; at most it is twice that."""
MIN_SECRET: Final = 16
"""Bytes of a secret that nobody guesses."""


@dataclass(frozen=True)
class Pass:
    """What a signature vouches for. ``small`` asks for a thumbnail of a picture."""

    sha256: str
    ticket_id: str
    person: str
    expires_at: datetime
    small: bool = False


class Signer:
    """Signs passes with HMAC-SHA256 under one secret, and reads them back.

    Raises ``InvalidInput`` for a secret that is too short.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET:
            raise InvalidInput(
                f"The secret for signatures has {len(secret)} bytes.",
                remedy=f"It needs {MIN_SECRET}; set RIGLINE_UI_SECRET to random characters.",
            )
        self._secret = secret

    def sign(self, given: Pass) -> str:
        """The pass as text for an address: base64url of its JSON, a dot, and the signature."""
        fields = asdict(given) | {"expires_at": int(given.expires_at.timestamp())}
        body = _encoded(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())
        return f"{body}.{_encoded(self._mac(body))}"

    def read(self, text: str, now: datetime) -> Pass:
        """The pass; ``InvalidInput`` for one that is forged, damaged or over."""
        body, _, signature = text.partition(".")
        if not _same(self._mac(body), signature):
            raise InvalidInput(
                "This address was not made by Rigline.", remedy="Load the page anew."
            )
        fields = json.loads(_decoded(body))
        fields["expires_at"] = datetime.fromtimestamp(fields["expires_at"], UTC)
        found = Pass(**fields)
        if found.expires_at <= now:
            raise InvalidInput("This address is no longer valid.", remedy="Load the page anew.")
        return found

    def mark(self, purpose: str, text: str) -> str:
        """``text`` with a signature for one purpose, to be read back by ``unmark``."""
        body = _encoded(text.encode())
        return f"{body}.{_encoded(self._mac(f'{purpose}:{body}'))}"

    def unmark(self, purpose: str, marked: str) -> str | None:
        """The text, or None when it was not marked here for that purpose."""
        body, _, signature = marked.partition(".")
        if not _same(self._mac(f"{purpose}:{body}"), signature):
            return None
        return _decoded(body).decode()

    def _mac(self, body: str) -> bytes:
        return hmac.new(self._secret, body.encode("utf-8", "replace"), hashlib.sha256).digest()


def _same(mac: bytes, signature: str) -> bool:
    return hmac.compare_digest(_encoded(mac).encode(), signature.encode("utf-8", "replace"))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
