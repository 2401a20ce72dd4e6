"""Errors cross process boundaries whole, and only one of them is worth another try."""

from __future__ import annotations

import pickle

import pytest

from rigline.errors import (
    ContractViolation,
    InvalidInput,
    ReviewConflict,
    RiglineError,
    ServiceUnavailable,
    is_transient,
)

KINDS = (InvalidInput, ContractViolation, ServiceUnavailable, ReviewConflict, RiglineError)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(kind: type[RiglineError], protocol: int) -> None:
    error = kind("It broke.", remedy="Mend it.", stage="rig", shape=(3, 4))
    error.fields["added"] = "later"
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is kind
    assert (back.message, back.remedy) == ("It broke.", "Mend it.")
    assert back.fields == {"stage": "rig", "shape": (3, 4), "added": "later"}
    assert str(back) == str(error)


def test_the_text_is_the_message_and_what_to_do() -> None:
    assert str(InvalidInput("No faces.", remedy="Export them.")) == "No faces. Export them."
    assert str(InvalidInput("No faces.")) == "No faces."


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_unavailable_service_is_worth_another_try(kind: type[RiglineError]) -> None:
    assert is_transient(kind("x")) == (kind is ServiceUnavailable)


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), ConnectionError(), MemoryError()])
def test_errors_that_are_not_our_own_are_not_transient(error: Exception) -> None:
    assert not is_transient(error)
