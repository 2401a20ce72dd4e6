from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigline.inference.circuit import (
    CLOSED,
    FAILURES_TO_OPEN,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Circuit,
    CircuitState,
)


def opened(at_s: float = 0.0) -> Circuit:
    circuit = CLOSED
    for _ in range(FAILURES_TO_OPEN):
        circuit = circuit.failed(at_s)
    return circuit


def test_a_few_failures_change_nothing_and_an_answer_forgives_them() -> None:
    circuit = CLOSED
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit = circuit.failed(0.0)
    assert circuit.state(0.0) is CircuitState.CLOSED
    assert circuit.succeeded() == CLOSED


def test_failures_in_a_row_open_it_for_a_while() -> None:
    circuit = opened(at_s=10.0)
    assert circuit.state(10.0) is CircuitState.OPEN
    assert not circuit.allows(10.0 + FIRST_PAUSE_S - 0.01)
    assert circuit.state(10.0 + FIRST_PAUSE_S) is CircuitState.HALF_OPEN


def test_half_open_lets_one_request_through() -> None:
    circuit, later = opened(), FIRST_PAUSE_S
    assert circuit.allows(later)
    trial = circuit.sent(later)
    assert not trial.allows(later)
    assert trial.succeeded() == CLOSED
    again = trial.failed(later)
    assert again.state(later) is CircuitState.OPEN
    assert again.state(later + 2 * FIRST_PAUSE_S) is CircuitState.HALF_OPEN
    assert again.allows(later + 2 * FIRST_PAUSE_S)


def test_failures_of_requests_sent_before_it_opened_do_not_lengthen_the_pause() -> None:
    assert opened().failed(0.5 * FIRST_PAUSE_S) == opened()


@given(trials=st.integers(0, 40))
def test_the_pause_grows_and_stays_bounded(trials: int) -> None:
    circuit, now_s, last_s = opened(), 0.0, 0.0
    for _ in range(trials):
        assert circuit.open_until_s is not None
        pause_s = circuit.open_until_s - now_s
        assert last_s <= pause_s + 1e-6
        assert pause_s <= LONGEST_PAUSE_S + 1e-6
        now_s, last_s = circuit.open_until_s, pause_s
        circuit = circuit.sent(now_s).failed(now_s)


@given(st.lists(st.sampled_from(["sent", "ok", "failed"]), max_size=30), st.floats(0, 100))
def test_whatever_happened_an_answer_closes_it(events: list[str], step_s: float) -> None:
    circuit, now_s = CLOSED, 0.0
    for event in events:
        now_s += step_s
        if event == "sent":
            circuit = circuit.sent(now_s)
        else:
            circuit = circuit.succeeded() if event == "ok" else circuit.failed(now_s)
    assert circuit.succeeded().state(now_s) is CircuitState.CLOSED
    assert circuit.succeeded().allows(now_s)


@pytest.mark.parametrize("now_s", [0.0, 5.0])
def test_a_closed_circuit_allows_everything(now_s: float) -> None:
    assert CLOSED.sent(now_s) == CLOSED
    assert CLOSED.allows(now_s)
