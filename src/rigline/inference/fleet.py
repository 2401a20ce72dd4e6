"""The endpoints of a gateway and what is known of each, kept by probes and by every request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from rigline.engine.stage import Arrays
from rigline.errors import ContractViolation, RiglineError, ServiceUnavailable
from rigline.inference.metrics import GatewayMetrics
from rigline.inference.routing import (
    EndpointKind,
    EndpointState,
    ServedVersion,
    choose,
    is_hopeless,
    others_alive,
    version_to_ask,
)

LOG: Final = logging.getLogger(__name__)
LOOK_AGAIN_S: Final = 0.25
"""A circuit half opens with time alone, so those who wait look again now and then."""

Clock = Callable[[], float]
Outcome = Literal["ok", "unavailable", "refused", "broken"]


class ModelEndpoint(Protocol):
    """Somewhere that models answer. Safe for many threads."""

    def serving(self, timeout_s: float) -> frozenset[ServedVersion]:
        """What it is ready to answer for; ``ServiceUnavailable`` when it is not,
        ``ContractViolation`` when it must not be asked."""
        ...

    def infer(
        self, version: ServedVersion, inputs: Arrays, timeout_s: float, request_id: str
    ) -> dict[str, npt.NDArray[np.float32]]:
        """The outputs by name; ``ServiceUnavailable`` when another endpoint may do better."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True)
class Member:
    """An endpoint of a fleet, under a name of its own."""

    name: str
    kind: EndpointKind
    limit: int
    endpoint: ModelEndpoint


class Fleet:
    """The states of all endpoints under one lock, and the wait for one that is free.

    ``clock`` gives seconds and only goes forward. Probes run in the background once started, which
    ``on_start`` hears of.
    """

    def __init__(
        self, members: Sequence[Member], clock: Clock, metrics: GatewayMetrics,
        probe_every_s: float, probe_timeout_s: float, on_start: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self._members: Mapping[str, Member] = {m.name: m for m in members}
        self._clock, self._metrics, self._on_start = clock, metrics, on_start
        self._probe_every_s, self._probe_timeout_s = probe_every_s, probe_timeout_s
        self._changed = threading.Condition()
        self._starting = threading.Lock()
        self._states = {m.name: EndpointState(m.name, m.kind, m.limit) for m in members}
        self._reasons = dict.fromkeys(self._states, "not asked yet")
        self._known: dict[str, ServedVersion] = {}
        self._stop = threading.Event()
        self._prober: threading.Thread | None = None

    def states(self) -> tuple[EndpointState, ...]:
        """All endpoints as they are known right now."""
        with self._changed:
            return tuple(self._states.values())

    def reasons(self) -> dict[str, str]:
        """Why each endpoint that is not ready is not; empty for one that is."""
        with self._changed:
            return dict(self._reasons)

    def start(self) -> None:
        """Ask every endpoint once, and go on asking in the background. Later calls do nothing.

        Raises ``ContractViolation`` when an endpoint serves what the code does not expect.
        """
        with self._starting:
            if self._prober is not None:
                return
            violations = [e for e in self.probe() if isinstance(e, ContractViolation)]
            if violations:
                raise violations[0]
            self._on_start()
            self._prober = threading.Thread(target=self._probe_on, name="probes", daemon=True)
            self._prober.start()

    def close(self) -> None:
        """Stop asking and close all connections."""
        self._stop.set()
        if self._prober is not None:
            self._prober.join()
        for member in self._members.values():
            member.endpoint.close()

    def probe(self) -> list[RiglineError]:
        """Ask every endpoint, all at the same time, what it serves; what went wrong."""
        with ThreadPoolExecutor(max(len(self._members), 1), "probe") as pool:
            found = list(pool.map(self._probe_one, self._members.values()))
        return [error for error in found if error is not None]

    def version_to_ask(self, model: str, deadline: float) -> ServedVersion:
        """The version that new work asks for; the last one known while no endpoint is ready.

        Raises ``ServiceUnavailable`` when none is known by the deadline.
        """
        with self._changed:
            while True:
                version = version_to_ask(tuple(self._states.values()), model)
                version = version or self._known.get(model)
                if version is not None:
                    self._known[model] = version
                    return version
                self._wait(deadline, f"serves the model {model}")

    def acquire(
        self, version: ServedVersion, tried: Collection[str], deadline: float
    ) -> tuple[Member, bool]:
        """An endpoint that will take a request now, with a place of it taken, and if it spilled.

        Waits while all are full or away. Those that were tried come again when no other is alive.
        Raises ``ServiceUnavailable`` at the deadline, and at once when no endpoint serves this
        version any more.
        """
        with self._changed:
            while True:
                states, now_s = tuple(self._states.values()), self._clock()
                if is_hopeless(states, version):
                    raise ServiceUnavailable(
                        f"No inference server serves {version.model} {version.id} any more.",
                        remedy="Another version was loaded; the stage has to run again.",
                        model=version.model,
                    )
                avoided = tried if others_alive(states, version, now_s, tried) else ()
                route = choose(states, version, now_s, avoided)
                if route is not None:
                    state = self._states[route.endpoint]
                    self._set(
                        replace(
                            state,
                            pending=state.pending + 1,
                            sent=state.sent + 1,
                            circuit=state.circuit.sent(now_s),
                        )
                    )
                    return self._members[route.endpoint], route.spilled
                self._wait(deadline, f"took a request for {version.model}")

    def release(self, name: str, outcome: Outcome) -> EndpointState:
        """Give a place back and remember what became of the request."""
        with self._changed:
            state = self._states[name]
            circuit = (
                state.circuit.failed(self._clock())
                if outcome == "unavailable"
                else state.circuit.succeeded()
            )
            state = replace(state, pending=state.pending - 1, circuit=circuit)
            self._set(state)
            self._changed.notify_all()
            return state

    def _probe_on(self) -> None:
        while not self._stop.wait(self._probe_every_s):
            self.probe()

    def _probe_one(self, member: Member) -> RiglineError | None:
        try:
            serves, error = member.endpoint.serving(self._probe_timeout_s), None
        except RiglineError as caught:
            serves, error = frozenset[ServedVersion](), caught
        with self._changed:
            state = self._states[member.name]
            ready = error is None
            if ready != state.ready:
                LOG.log(
                    logging.INFO if ready else logging.WARNING,
                    "inference endpoint %s is %s", member.name, "ready" if ready else error,
                )  # fmt: skip
            fresh = ready and not state.ready  # it was away: what failed then says nothing now
            self._set(
                replace(
                    state,
                    ready=ready,
                    serves=serves,
                    circuit=state.circuit.succeeded() if fresh else state.circuit,
                )
            )
            self._reasons[member.name] = "" if error is None else error.message
            self._changed.notify_all()
        return error

    def _set(self, state: EndpointState) -> None:
        self._states[state.name] = state
        self._metrics.seen(state, self._clock())

    def _wait(self, deadline: float, what: str) -> None:
        """Wait for a change; ``ServiceUnavailable`` when the deadline has come."""
        left_s = deadline - self._clock()
        if left_s <= 0:
            why = "; ".join(f"{name}: {said}" for name, said in self._reasons.items() if said)
            raise ServiceUnavailable(
                f"No inference server {what} in time. {why or 'All are busy.'}",
                remedy="rigline doctor shows the state of each.",
                endpoints=sorted(self._states),
            )
        self._changed.wait(min(left_s, LOOK_AGAIN_S))
