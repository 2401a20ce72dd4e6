"""A circuit breaker as a value: closed, open until a time, half open for one trial.

After Nygard, *Release It!*: an endpoint that keeps failing is left alone for a while, which grows
with every trial that fails, so that callers lose no time and the endpoint gets its peace.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FAILURES_TO_OPEN: Final = 3
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0


class CircuitState(StrEnum):
    """Whether an endpoint may be asked: yes, once, no."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True)
class Circuit:
    """What became of the last requests. Times are seconds of any clock that only goes forward.

    ``trial`` says that the one request of a half-open circuit is under way.
    """

    failures: int = 0
    pauses: int = 0
    open_until_s: float | None = None
    trial: bool = False

    def state(self, now_s: float) -> CircuitState:
        """The state at a time."""
        if self.open_until_s is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now_s < self.open_until_s else CircuitState.HALF_OPEN

    def allows(self, now_s: float) -> bool:
        """Whether a request may be sent."""
        state = self.state(now_s)
        return state is CircuitState.CLOSED or (state is CircuitState.HALF_OPEN and not self.trial)

    def sent(self, now_s: float) -> Circuit:
        """A request was sent; in a half-open circuit it is the trial."""
        return replace(self, trial=self.state(now_s) is CircuitState.HALF_OPEN)

    def succeeded(self) -> Circuit:
        """A request was answered."""
        return Circuit()

    def failed(self, now_s: float) -> Circuit:
        """A request was not answered. While the circuit is open that says nothing new."""
        state = self.state(now_s)
        if state is CircuitState.OPEN:
            return self
        if state is CircuitState.CLOSED and self.failures + 1 < FAILURES_TO_OPEN:
            return replace(self, failures=self.failures + 1)
        pause_s = min(FIRST_PAUSE_S * 2**self.pauses, LONGEST_PAUSE_S)
        return Circuit(self.failures + 1, self.pauses + 1, now_s + pause_s)


CLOSED: Final = Circuit()
"""Where every endpoint begins."""
