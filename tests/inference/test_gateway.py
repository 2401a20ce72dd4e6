"""The gateway over endpoints that a test directs; real servers fail in ``test_faults.py``."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from rigline.engine.stage import StageContext, models_for_run
from rigline.errors import ContractViolation, InvalidInput, RiglineError, ServiceUnavailable
from rigline.inference.contracts import STAGE_MODELS
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.fleet import Member
from rigline.inference.gateway import AT_ONCE, EmbeddedEndpoint, Gateway, GatewayLimits
from rigline.inference.metrics import PrometheusMetrics
from rigline.inference.repository import shipped_repository
from rigline.inference.routing import EndpointKind, ServedVersion
from tests.support.model_inputs import orientation_inputs

MODEL = "avatar_orientation"
ONE = ServedVersion(MODEL, 1, "1-aaaa")
TWO = ServedVersion(MODEL, 2, "2-bbbb")
INPUTS = orientation_inputs(1)
ONPREM, CLOUD, EMBEDDED = EndpointKind
NEVER_S = 1000.0


class Puppet:
    """An endpoint that does what the test says: ``says`` makes each answer or raises."""

    def __init__(self, *serves: ServedVersion, says: Callable[[], Any] = dict) -> None:
        self.serves = frozenset(serves or {ONE})
        self.says = says
        self.asked: list[ServedVersion] = []
        self.timeouts: list[float] = []
        self.ids: list[str] = []
        self.closed = False
        self.fault: RiglineError | None = None

    def serving(self, timeout_s: float) -> frozenset[ServedVersion]:
        if self.fault is not None:
            raise self.fault
        return self.serves

    def infer(
        self, version: ServedVersion, inputs: Any, timeout_s: float, request_id: str
    ) -> dict[str, Any]:
        self.asked.append(version)
        self.timeouts.append(timeout_s)
        self.ids.append(request_id)
        return self.says()

    def close(self) -> None:
        self.closed = True


def away() -> Any:
    raise ServiceUnavailable("gone")


@contextmanager
def gateway_of(*members: Member, **chosen: Any) -> Iterator[Gateway]:
    metrics = chosen.pop("metrics", None)
    limits = GatewayLimits(**{"deadline_s": 5.0, "probe_every_s": NEVER_S, **chosen})
    gateway = Gateway(members, limits, metrics=metrics)
    try:
        yield gateway
    finally:
        gateway.close()


def onprem(name: str, endpoint: Any, limit: int = 4) -> Member:
    return Member(name, ONPREM, limit, endpoint)


def test_what_is_transient_is_tried_on_another_endpoint() -> None:
    bad, good = Puppet(says=away), Puppet()
    with gateway_of(onprem("a", bad), onprem("b", good)) as gateway:
        assert gateway.infer(MODEL, INPUTS) == {}
    assert (len(bad.asked), len(good.asked)) == (1, 1)
    assert bad.ids == good.ids  # one request, wherever its traces are found
    assert good.closed


@pytest.mark.parametrize("error", [InvalidInput, ContractViolation])
def test_what_is_permanent_is_tried_once(error: type[RiglineError]) -> None:
    def refuse() -> Any:
        raise error("no")

    bad, good = Puppet(says=refuse), Puppet()
    with gateway_of(onprem("a", bad), onprem("b", good)) as gateway:
        with pytest.raises(error, match="no"):
            gateway.infer(MODEL, INPUTS)
        assert not good.asked
        assert gateway.states()[0].pending == 0
        assert gateway.infer(MODEL, INPUTS) == {}  # the next one goes elsewhere


def test_bad_inputs_reach_no_endpoint() -> None:
    puppet = Puppet()
    refused = pytest.raises(InvalidInput, match="refused its inputs")
    with gateway_of(onprem("a", puppet)) as gateway, refused:
        gateway.infer(MODEL, {})
    assert not puppet.asked


def test_a_lone_endpoint_is_asked_again_until_it_answers() -> None:
    answers = iter([away, away, dict])
    puppet = Puppet(says=lambda: next(answers)())
    with gateway_of(onprem("a", puppet)) as gateway:
        assert gateway.infer(MODEL, INPUTS) == {}
    assert len(puppet.asked) == 3


def test_the_deadline_bounds_a_request_and_its_error_names_the_endpoints() -> None:
    member = onprem("a", Puppet(says=away))
    late = pytest.raises(ServiceUnavailable)
    with gateway_of(member, deadline_s=0.3) as gateway, late as caught:
        gateway.of_pipeline("avatar-auto-setup").infer(MODEL, INPUTS)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.fields["endpoints"] == ["a"]
    assert error.fields["request"].startswith("avatar-auto-setup-")


def test_an_attempt_gets_no_more_time_than_is_left() -> None:
    puppet = Puppet()
    with gateway_of(onprem("a", puppet), deadline_s=0.5, attempt_s=60.0) as gateway:
        gateway.infer(MODEL, INPUTS)
    assert 0 < puppet.timeouts[0] <= 0.5


def test_a_wrong_model_is_refused_at_the_start_and_again_until_it_is_put_right() -> None:
    wrong, right = Puppet(), Puppet()
    wrong.fault = ContractViolation("The model avatar_rigging has another shape.")
    with gateway_of(onprem("a", right), onprem("b", wrong)) as gateway:
        for _ in range(2):
            with pytest.raises(ContractViolation, match="avatar_rigging"):
                gateway.infer(MODEL, INPUTS)
        assert not right.asked
        wrong.fault = None
        gateway.infer(MODEL, INPUTS)


def test_a_model_that_turns_wrong_later_takes_its_endpoint_out() -> None:
    first, second = Puppet(), Puppet()
    with gateway_of(onprem("a", first), onprem("b", second)) as gateway:
        gateway.start()
        first.fault = ContractViolation("The model avatar_rigging has another shape.")
        gateway.probe()
        gateway.infer(MODEL, INPUTS)
        assert not first.asked
        assert "another shape" in gateway.reasons()["a"]


def test_an_endpoint_that_was_away_comes_back_with_a_probe() -> None:
    puppet = Puppet()
    puppet.fault = ServiceUnavailable("starting")
    with gateway_of(onprem("a", puppet), start_s=0.05) as gateway:
        with pytest.raises(ServiceUnavailable, match="starting"):
            gateway.version(MODEL)
        puppet.fault = None
        gateway.probe()
        assert gateway.version(MODEL) == ONE.id


def test_a_version_once_known_is_told_while_all_are_away() -> None:
    puppet = Puppet()
    with gateway_of(onprem("a", puppet)) as gateway:
        assert gateway.version(MODEL) == ONE.id
        puppet.fault = ServiceUnavailable("gone")
        gateway.probe()
        assert gateway.version(MODEL) == ONE.id


def test_a_run_of_a_stage_sees_one_version_whatever_is_loaded_meanwhile() -> None:
    puppet = Puppet(ONE)
    with gateway_of(onprem("a", puppet)) as gateway:
        run = models_for_run(gateway, "avatar-auto-setup")
        assert run.version(MODEL) == ONE.id
        puppet.serves = frozenset({ONE, TWO})
        gateway.probe()
        run.infer(MODEL, INPUTS)
        assert run.version(MODEL) == ONE.id
        assert gateway.version(MODEL) == TWO.id
        gateway.infer(MODEL, INPUTS)
    assert puppet.asked == [ONE, TWO]


class Echo(Puppet):
    """Answers with what it was asked, when the hall lets it."""

    def infer(
        self, version: ServedVersion, inputs: Any, timeout_s: float, request_id: str
    ) -> dict[str, Any]:
        super().infer(version, inputs, timeout_s, request_id)
        return {"first": inputs["features"][0, 0, 0]}


def test_questions_of_one_run_are_under_way_together_and_answered_in_order() -> None:
    hall = Hall()
    echo = Echo(says=hall)
    questions = [{**INPUTS, "features": np.full((1, 512, 6), number)} for number in range(7)]
    with gateway_of(onprem("a", echo, limit=16), deadline_s=30.0) as gateway:
        ctx = StageContext(gateway.of_pipeline("p"))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(ctx.infer_all, MODEL, questions)
            hall.expect(AT_ONCE)
            hall.door.set()
            assert [answer["first"] for answer in future.result()] == list(range(7))
        assert ctx.infer_all(MODEL, []) == []
        with pytest.raises(InvalidInput):
            ctx.infer_all(MODEL, [questions[0], {}])
    assert hall.most == AT_ONCE


def test_a_version_that_nobody_serves_any_more_fails_at_once_as_transient() -> None:
    puppet = Puppet(ONE)
    with gateway_of(onprem("a", puppet), deadline_s=NEVER_S) as gateway:
        run = gateway.of_pipeline("p")
        run.version(MODEL)
        puppet.serves = frozenset({TWO})
        gateway.probe()
        with pytest.raises(ServiceUnavailable, match="any more"):
            run.infer(MODEL, INPUTS)


class Hall:
    """Answers wait here until the test opens the door; ``most`` were in it at once."""

    def __init__(self) -> None:
        self.door = threading.Event()
        self.entered = threading.Semaphore(0)
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> dict[str, Any]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.door.wait(20)
        with self._lock:
            self.inside -= 1
        return {}

    def expect(self, count: int) -> None:
        """Return when so many have come in."""
        for _ in range(count):
            assert self.entered.acquire(timeout=20)


def test_load_spills_to_the_cloud_and_then_waits_for_a_place() -> None:
    here, there = Hall(), Hall()
    near, far = Puppet(says=here), Puppet(says=there)
    registry = CollectorRegistry()
    members = onprem("near", near, limit=2), Member("far", CLOUD, 1, far)
    with gateway_of(*members, metrics=PrometheusMetrics(registry), deadline_s=30.0) as gateway:
        gateway.start()
        with ThreadPoolExecutor(6) as pool:
            futures = [pool.submit(gateway.infer, MODEL, INPUTS) for _ in range(6)]
            here.expect(2)
            there.expect(1)
            assert [s.pending for s in gateway.states()] == [2, 1]
            here.door.set()
            there.door.set()
            assert [f.result() for f in futures] == [{}] * 6
        assert [s.pending for s in gateway.states()] == [0, 0]
    assert (here.most, there.most) == (2, 1)
    spilled = registry.get_sample_value(
        "rigline_inference_spills_total", {"endpoint": "far", "kind": "cloud", "model": MODEL}
    )
    assert spilled == len(far.asked) >= 1


def test_a_pipeline_has_no_more_calls_under_way_than_its_limit() -> None:
    hall = Hall()
    limits = {"deadline_s": 30.0, "pipelines": {"greedy": 2}}
    with gateway_of(onprem("a", Puppet(says=hall), limit=16), **limits) as gateway:
        gateway.start()
        with ThreadPoolExecutor(8) as pool:
            greedy = [
                pool.submit(gateway.of_pipeline("greedy").infer, MODEL, INPUTS) for _ in range(5)
            ]
            hall.expect(2)
            other = pool.submit(gateway.of_pipeline("other").infer, MODEL, INPUTS)
            hall.expect(1)  # the other pipeline gets through, and of the greedy one no third
            assert hall.inside == 3
            hall.door.set()
            for future in (*greedy, other):
                future.result()
    assert hall.most == 3


def test_a_pipeline_at_its_limit_gives_up_at_the_deadline() -> None:
    hall = Hall()
    limits = {"deadline_s": 0.2, "pipelines": {"greedy": 1}}
    with gateway_of(onprem("a", Puppet(says=hall)), **limits) as gateway:
        gateway.start()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(gateway.of_pipeline("greedy").infer, MODEL, INPUTS)
            hall.expect(1)
            with pytest.raises(ServiceUnavailable, match="greedy has 1 calls under way"):
                gateway.of_pipeline("greedy").infer(MODEL, INPUTS)
            hall.door.set()
            first.result()


def test_the_embedded_models_are_the_last_resort() -> None:
    models = EmbeddedModels(shipped_repository())
    here = EmbeddedEndpoint(models)
    server = Puppet(*here.serving(1.0))
    with gateway_of(onprem("a", server), Member("embedded", EMBEDDED, 4, here)) as gateway:
        assert gateway.infer(MODEL, INPUTS) == {}  # the server answers while it can
        server.says = away
        answer = gateway.infer(MODEL, INPUTS)
        assert np.array_equal(answer["yaw"], models.infer(MODEL, INPUTS)["yaw"])
        assert {m: gateway.version(m) for m in STAGE_MODELS} == {
            m: models.version(m) for m in STAGE_MODELS
        }


def test_other_weights_in_this_process_are_no_resort() -> None:
    here = EmbeddedEndpoint(EmbeddedModels(shipped_repository()))
    server = Puppet(ONE, says=away)
    members = onprem("a", server), Member("embedded", EMBEDDED, 4, here)
    with gateway_of(*members, deadline_s=0.3) as gateway, pytest.raises(ServiceUnavailable):
        gateway.infer(MODEL, INPUTS)


def test_requests_outcomes_and_states_are_counted() -> None:
    registry = CollectorRegistry()

    def count(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"rigline_inference_{name}", labels)

    bad, good = Puppet(says=away), Puppet()
    metrics = PrometheusMetrics(registry)
    with gateway_of(onprem("a", bad), onprem("b", good), metrics=metrics) as gateway:
        for _ in range(4):
            gateway.infer(MODEL, INPUTS)
    a, b = ({"endpoint": name, "kind": "onprem"} for name in "ab")
    assert count("requests_total", **a, model=MODEL, outcome="unavailable") == 3
    assert count("requests_total", **b, model=MODEL, outcome="ok") == 4
    assert count("retries_total", model=MODEL) == 3
    assert count("seconds_count", **b, model=MODEL) == 4
    assert (count("circuit", **a), count("circuit", **b)) == (2, 0)
    assert (count("ready", **a), count("pending", **a)) == (1, 0)


def test_many_threads_lose_no_count() -> None:
    members = [onprem(name, Puppet(), limit=3) for name in "abc"]
    with gateway_of(*members) as gateway:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: gateway.infer(MODEL, INPUTS), range(300)))
        states = gateway.states()
    assert [s.pending for s in states] == [0, 0, 0]
    assert sum(s.sent for s in states) == 300
    assert min(s.sent for s in states) > 50
