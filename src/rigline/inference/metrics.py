"""What the gateway counts, as Prometheus metrics where ``prometheus-client`` is installed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from rigline.inference.circuit import CircuitState
from rigline.inference.routing import EndpointState

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CIRCUIT_VALUE: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


class GatewayMetrics(Protocol):
    """What the gateway tells."""

    def answered(self, endpoint: EndpointState, model: str, outcome: str, seconds: float) -> None:
        """A request to an endpoint ended: ``ok``, ``unavailable``, ``refused`` or ``broken``."""
        ...

    def retried(self, model: str) -> None:
        """A request that failed is sent again."""
        ...

    def spilled(self, endpoint: EndpointState, model: str) -> None:
        """A request went to a kind of endpoint that is not the preferred one."""
        ...

    def waited(self, pipeline: str, seconds: float) -> None:
        """A request of a pipeline waited for its turn."""
        ...

    def seen(self, endpoint: EndpointState, now_s: float) -> None:
        """The state of an endpoint changed."""
        ...


class NoMetrics:
    """Counts nothing."""

    def answered(self, endpoint: EndpointState, model: str, outcome: str, seconds: float) -> None:
        pass

    def retried(self, model: str) -> None:
        pass

    def spilled(self, endpoint: EndpointState, model: str) -> None:
        pass

    def waited(self, pipeline: str, seconds: float) -> None:
        pass

    def seen(self, endpoint: EndpointState, now_s: float) -> None:
        pass


class PrometheusMetrics:
    """Counts in a registry of the library ``prometheus-client``; by default its global one."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        to: Any = {"registry": registry or REGISTRY}
        place = ("endpoint", "kind")
        self._requests = Counter(
            "rigline_inference_requests", "Requests sent to an endpoint, by outcome.",
            (*place, "model", "outcome"), **to,
        )  # fmt: skip
        self._seconds = Histogram(
            "rigline_inference_seconds", "Time from a request to its answer.",
            (*place, "model"), buckets=BUCKETS_S, **to,
        )  # fmt: skip
        self._retries = Counter(
            "rigline_inference_retries", "Requests sent again after one failed.", ("model",), **to
        )
        self._spills = Counter(
            "rigline_inference_spills", "Requests that a full or missing endpoint passed on.",
            (*place, "model"), **to,
        )  # fmt: skip
        self._waits = Histogram(
            "rigline_inference_wait_seconds", "Time that requests waited for their turn.",
            ("pipeline",), buckets=BUCKETS_S, **to,
        )  # fmt: skip
        self._pending = Gauge(
            "rigline_inference_pending", "Requests under way at an endpoint.", place, **to
        )
        self._ready = Gauge(
            "rigline_inference_ready", "Whether an endpoint is ready (1) or not (0).", place, **to
        )
        self._circuit = Gauge(
            "rigline_inference_circuit", "Circuit of an endpoint: 0 closed, 1 half open, 2 open.",
            place, **to,
        )  # fmt: skip

    def answered(self, endpoint: EndpointState, model: str, outcome: str, seconds: float) -> None:
        self._requests.labels(endpoint.name, endpoint.kind, model, outcome).inc()
        self._seconds.labels(endpoint.name, endpoint.kind, model).observe(seconds)

    def retried(self, model: str) -> None:
        self._retries.labels(model).inc()

    def spilled(self, endpoint: EndpointState, model: str) -> None:
        self._spills.labels(endpoint.name, endpoint.kind, model).inc()

    def waited(self, pipeline: str, seconds: float) -> None:
        self._waits.labels(pipeline).observe(seconds)

    def seen(self, endpoint: EndpointState, now_s: float) -> None:
        place = (endpoint.name, str(endpoint.kind))
        self._pending.labels(*place).set(endpoint.pending)
        self._ready.labels(*place).set(int(endpoint.ready))
        self._circuit.labels(*place).set(CIRCUIT_VALUE[endpoint.circuit.state(now_s)])


@lru_cache(maxsize=1)
def process_metrics() -> GatewayMetrics:
    """The metrics of this process, made once: the global registry takes a name only once."""
    try:
        return PrometheusMetrics()
    except ModuleNotFoundError:
        return NoMetrics()
