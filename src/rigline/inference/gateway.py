"""The inference gateway: the models of many servers as one, which outlives each of them.

A request goes to the endpoint that :mod:`rigline.inference.routing` chooses. Only what is transient
is tried again, on another endpoint, until the deadline. Asking is safe to repeat: models keep no
state.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from rigline.engine.stage import Arrays, Models
from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable
from rigline.inference.contracts import STAGE_MODELS, contract_of
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.fleet import Clock, Fleet, Member, Outcome
from rigline.inference.metrics import GatewayMetrics, NoMetrics
from rigline.inference.routing import EndpointState, ServedVersion

AT_ONCE: Final = 4
"""Questions of one run of a stage that are under way at once."""

Outputs = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class GatewayLimits:
    """What a gateway grants.

    ``deadline_s`` bounds a call with all its attempts and waits, ``attempt_s`` one attempt, and
    ``start_s`` the wait for a first server; ``pipelines`` how many calls of a pipeline may be under
    way at once.
    """

    deadline_s: float = 60.0
    attempt_s: float = 20.0
    start_s: float = 5.0
    probe_every_s: float = 2.0
    probe_timeout_s: float = 3.0
    pipelines: Mapping[str, int] = field(default_factory=dict)


class Gateway:
    """All endpoints as one backend. Safe for many threads.

    Connects when first asked, which ``on_start`` hears of, and refuses to start, with
    ``ContractViolation``, when a server has another model than the code expects.
    """

    def __init__(
        self, members: Sequence[Member], limits: GatewayLimits = GatewayLimits(),
        clock: Clock = time.monotonic, metrics: GatewayMetrics | None = None,
        on_start: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self._limits, self._clock = limits, clock
        self._metrics = metrics or NoMetrics()
        self._fleet = Fleet(
            members, clock, self._metrics, limits.probe_every_s, limits.probe_timeout_s, on_start
        )
        self._turns = {
            name: threading.BoundedSemaphore(count) for name, count in limits.pipelines.items()
        }

    def infer(self, model: str, inputs: Arrays) -> Outputs:
        """The outputs of a model by name, from the version that new work asks for.

        Raises ``InvalidInput`` for inputs that do not fit it, ``ServiceUnavailable`` when no
        endpoint answers within the deadline.
        """
        return self.of_pipeline("").infer(model, inputs)

    def version(self, model: str) -> str:
        """The version that new work asks for: its number and the beginning of its sha256."""
        return self.version_to_ask(model).id

    def version_to_ask(self, model: str) -> ServedVersion:
        """The version of a model that new work asks for. Raises as ``infer`` does."""
        contract_of(model)
        self._fleet.start()
        patience_s = min(self._limits.deadline_s, self._limits.start_s)
        return self._fleet.version_to_ask(model, self._clock() + patience_s)

    def of_pipeline(self, pipeline: str) -> Models:
        """The models for one run of a stage: counted as the pipeline's, and of one version each,
        whatever is loaded meanwhile."""
        return _PipelineModels(self, pipeline)

    def ask(self, version: ServedVersion, inputs: Arrays, pipeline: str = "") -> Outputs:
        """The outputs of one version of a model. Raises as ``infer`` does."""
        fitted = contract_of(version.model).fit(inputs)
        self._fleet.start()
        started = self._clock()
        deadline = started + self._limits.deadline_s
        with self._turn(pipeline, deadline):
            return self._ask_until(deadline, version, fitted, pipeline)

    def start(self) -> None:
        """Ask every endpoint what it serves. Raises ``ContractViolation`` for a wrong model."""
        self._fleet.start()

    def states(self) -> tuple[EndpointState, ...]:
        """All endpoints as they are known."""
        return self._fleet.states()

    def reasons(self) -> dict[str, str]:
        """Why each endpoint that is not ready is not."""
        return self._fleet.reasons()

    def probe(self) -> None:
        """Look at every endpoint now, and not when the next probe is due."""
        self._fleet.probe()

    def close(self) -> None:
        """Stop the probes and close all connections."""
        self._fleet.close()

    def _ask_until(
        self, deadline: float, version: ServedVersion, fitted: Arrays, pipeline: str
    ) -> Outputs:
        request_id = f"{pipeline or 'rigline'}-{uuid.uuid4().hex[:16]}"
        tried: set[str] = set()
        while True:
            try:
                member, spilled = self._fleet.acquire(version, tried, deadline)
            except ServiceUnavailable as error:
                error.fields["request"] = request_id
                raise
            try:
                return self._attempt(member, spilled, deadline, version, fitted, request_id)
            except ServiceUnavailable:
                tried.add(member.name)
                self._metrics.retried(version.model)

    def _attempt(
        self, member: Member, spilled: bool, deadline: float, version: ServedVersion,
        fitted: Arrays, request_id: str,
    ) -> Outputs:  # fmt: skip
        """Ask one endpoint, whose place is taken, and give the place back."""
        started = self._clock()
        timeout_s = min(self._limits.attempt_s, max(deadline - started, 0.001))
        outcome: Outcome = "broken"
        try:
            answer = member.endpoint.infer(version, fitted, timeout_s, request_id)
            outcome = "ok"
            return answer
        except ServiceUnavailable:
            outcome = "unavailable"
            raise
        except InvalidInput:
            outcome = "refused"
            raise
        except ContractViolation as error:
            error.fields.setdefault("request", request_id)
            raise
        finally:
            state = self._fleet.release(member.name, outcome)
            seconds = self._clock() - started
            self._metrics.answered(state, version.model, outcome, seconds)
            if spilled:
                self._metrics.spilled(state, version.model)

    @contextmanager
    def _turn(self, pipeline: str, deadline: float) -> Iterator[None]:
        """One of the places of a pipeline, if it has a limit."""
        turns, started = self._turns.get(pipeline), self._clock()
        if turns is None:
            yield
            return
        if not turns.acquire(timeout=max(deadline - started, 0.0)):
            raise ServiceUnavailable(
                f"The pipeline {pipeline} has {self._limits.pipelines[pipeline]} calls under way, "
                "and none ended in time.",
                remedy="Raise its limit in RIGLINE_PIPELINE_LIMITS, or run less at once.",
                pipeline=pipeline,
            )
        self._metrics.waited(pipeline, self._clock() - started)
        try:
            yield
        finally:
            turns.release()


class _PipelineModels:
    """A pipeline's view of a gateway: versions stay as they were first told."""

    def __init__(self, gateway: Gateway, pipeline: str) -> None:
        self._gateway, self._pipeline = gateway, pipeline
        self._pins: dict[str, ServedVersion] = {}

    def infer(self, model: str, inputs: Arrays) -> Outputs:
        """As ``Gateway.infer``, from the pinned version."""
        return self._gateway.ask(self._pinned(model), inputs, self._pipeline)

    def infer_all(self, model: str, questions: Sequence[Arrays]) -> list[Outputs]:
        """The answers in order, a few of them asked at the same time: a server may batch them, and
        computes one while another travels."""
        if len(questions) < 2:
            return [self.infer(model, inputs) for inputs in questions]
        self._pinned(model)
        with ThreadPoolExecutor(min(len(questions), AT_ONCE), "infer") as pool:
            return list(pool.map(lambda inputs: self.infer(model, inputs), questions))

    def version(self, model: str) -> str:
        """The pinned version."""
        return self._pinned(model).id

    def _pinned(self, model: str) -> ServedVersion:
        if model not in self._pins:
            self._pins[model] = self._gateway.version_to_ask(model)
        return self._pins[model]


class EmbeddedEndpoint:
    """This process as an endpoint: the last resort."""

    def __init__(self, models: EmbeddedModels) -> None:
        self._models = models

    def serving(self, timeout_s: float) -> frozenset[ServedVersion]:
        """The newest version of each model that stages ask."""
        versions = {name: self._models.version(name) for name in STAGE_MODELS}
        return frozenset(
            ServedVersion(name, int(version.partition("-")[0]), version)
            for name, version in versions.items()
        )

    def infer(
        self, version: ServedVersion, inputs: Arrays, timeout_s: float, request_id: str
    ) -> Outputs:
        """As ``EmbeddedModels.infer``; takes as long as it takes."""
        return self._models.infer(version.model, inputs)

    def close(self) -> None:
        """Nothing to close."""
