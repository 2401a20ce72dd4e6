"""Passes: what was signed comes back, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigline.desk.signing import Pass, Signer
from rigline.errors import InvalidInput
from tests.support.tickets import NOW, SECOND

SIGNER = Signer(b"0123456789abcdef")
PASS = Pass("a" * 64, "t1", "ann", NOW + 60 * SECOND)


def test_a_pass_comes_back_until_its_end() -> None:
    signed = SIGNER.sign(PASS)
    assert SIGNER.read(signed, NOW) == PASS
    with pytest.raises(InvalidInput, match="no longer"):
        SIGNER.read(signed, NOW + 60 * SECOND)


@given(st.text(max_size=80))
def test_no_text_of_another_is_read(text: str) -> None:
    with pytest.raises(InvalidInput):
        SIGNER.read(text, NOW)
    assert SIGNER.unmark("login", text) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_pass_is_refused(place: int, change: int) -> None:
    signed = bytearray(SIGNER.sign(PASS).encode())
    signed[place % len(signed)] ^= change
    with pytest.raises(InvalidInput):
        SIGNER.read(signed.decode("latin-1"), NOW)


def test_another_secret_another_signature() -> None:
    other = Signer(b"another secret, as long")
    with pytest.raises(InvalidInput):
        other.read(SIGNER.sign(PASS), NOW)
    with pytest.raises(InvalidInput, match="RIGLINE_UI_SECRET"):
        Signer(b"short")


def test_a_mark_serves_one_purpose_and_is_no_pass() -> None:
    marked = SIGNER.mark("login", "änn <b>")
    assert SIGNER.unmark("login", marked) == "änn <b>"
    assert SIGNER.unmark("other", marked) is None
    with pytest.raises(InvalidInput):
        SIGNER.read(marked, NOW)
    assert SIGNER.unmark("login", SIGNER.sign(replace(PASS, small=True))) is None
