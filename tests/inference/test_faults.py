"""Real servers die, come back and change their models while they are asked; nothing is lost."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rigline.bootstrap import Services, open_services
from rigline.db.ledger import Ledger
from rigline.engine.job import JobState
from rigline.errors import ServiceUnavailable
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.fleet import Member
from rigline.inference.gateway import Gateway, GatewayLimits
from rigline.inference.repository import find_model, find_versions, shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.inference.server.process import TritonServer
from rigline.inference.triton import TritonEndpoint
from rigline.jobs.execution import run
from rigline.jobs.submission import submit
from rigline.settings import Settings
from tests.inference.conftest import StartServer
from tests.support.model_inputs import orientation_inputs, part_of
from tests.support.model_versions import add_version, repository_of

pytestmark = pytest.mark.server
ORIENTATION = "avatar_orientation"
SAMPLE = Path(__file__).resolve().parents[2] / "benchmarks/samples/boxhead_kid.glb"
CLIENTS = 6


@contextmanager
def gateway_to(*servers: TritonServer, **chosen: Any) -> Iterator[Gateway]:
    targets = [server.plan.grpc for server in servers]
    limits = GatewayLimits(**{"deadline_s": 60.0, "probe_every_s": 0.5, **chosen})
    gateway = Gateway(
        [Member(t, EndpointKind.ONPREM, 8, TritonEndpoint(t)) for t in targets], limits
    )
    try:
        yield gateway
    finally:
        gateway.close()


@dataclass
class Load:
    """Clients that ask one after the other until they are told to stop, each as a run of a stage.

    Every answer is kept with the version that it was promised from.
    """

    gateway: Gateway
    inputs: list[dict[str, Any]]
    answers: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    over: bool = False

    def client(self, number: int) -> None:
        while not self.over:
            item = number % len(self.inputs)
            models = self.gateway.of_pipeline("load")
            version = models.version(ORIENTATION)
            answer = models.infer(ORIENTATION, self.inputs[item])
            with self.changed:
                self.answers.append((version, item, answer))
                self.changed.notify_all()

    def wait_for(self, done: Callable[[list[Any]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: done(self.answers), timeout=60)

    def wait_for_more(self, count: int) -> None:
        start = len(self.answers)
        self.wait_for(lambda answers: len(answers) >= start + count)


@contextmanager
def under_load(gateway: Gateway) -> Iterator[Load]:
    """Clients asking all the while; an error of any of them is raised at the end."""
    three = orientation_inputs(3)
    load = Load(gateway, [part_of(three, item) for item in range(3)])
    with ThreadPoolExecutor(CLIENTS) as pool:
        futures = [pool.submit(load.client, number) for number in range(CLIENTS)]
        try:
            yield load
        finally:
            load.over = True
        for future in futures:
            future.result()


def assert_right(load: Load, repository: Path) -> None:
    """Every answer is that of the very version that was promised."""
    known: dict[tuple[str, int], dict[str, Any]] = {}
    for file in find_versions(repository, ORIENTATION):
        only = repository.parent / f"only-{file.version}" / ORIENTATION
        shutil.copytree(file.path.parent, only / str(file.version))
        models = EmbeddedModels(only.parent)
        for item, inputs in enumerate(load.inputs):
            known[file.id, item] = models.infer(ORIENTATION, inputs)
    for version, item, answer in load.answers:
        for name, array in known[version, item].items():
            assert np.allclose(answer[name], array, atol=1e-4), (version, item, name)


@pytest.fixture
def small_repository(tmp_path: Path) -> Path:
    return repository_of(tmp_path / "small", ORIENTATION)


def test_killing_one_of_three_servers_loses_no_request(
    start_server: StartServer, small_repository: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        servers = list(pool.map(start_server, [small_repository] * 3))
    victim = servers[1]
    with gateway_to(*servers) as gateway:
        with under_load(gateway) as load:
            load.wait_for_more(60)
            asked = {s.name: s.sent for s in gateway.states()}
            victim.kill()
            load.wait_for_more(120)
        assert min(asked.values()) > 0  # all three took part
        assert_right(load, small_repository)
        victim.start()
        gateway.probe()
        with under_load(gateway) as load:  # and it is asked again when it is back
            before = {s.name: s.sent for s in gateway.states()}[victim.plan.grpc]
            load.wait_for(
                lambda _: {s.name: s.sent for s in gateway.states()}[victim.plan.grpc] > before + 5
            )


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_servers_that_die_and_return_in_turn_lose_no_request(
    start_server: StartServer, small_repository: Path
) -> None:
    servers = [start_server(small_repository) for _ in range(3)]
    with gateway_to(*servers) as gateway, under_load(gateway) as load:
        for number in range(20):
            victim = servers[number % 3]
            load.wait_for_more(200)
            victim.kill()
            load.wait_for_more(200)
            victim.start()
    assert_right(load, small_repository)


def test_a_model_is_rolled_to_version_2_without_a_failed_request(
    start_server: StartServer, small_repository: Path
) -> None:
    servers = [start_server(small_repository) for _ in range(2)]
    endpoints = [TritonEndpoint(server.plan.grpc) for server in servers]
    old = find_model(small_repository, ORIENTATION)
    try:
        with gateway_to(*servers) as gateway, under_load(gateway) as load:
            load.wait_for_more(20)
            add_version(small_repository, ORIENTATION, 2)
            endpoints[0].load(ORIENTATION, 60.0)
            gateway.probe()
            assert gateway.version(ORIENTATION) == old.id  # not before all have it
            load.wait_for_more(20)
            endpoints[1].load(ORIENTATION, 60.0)
            gateway.probe()
            new = find_model(small_repository, ORIENTATION)
            assert new.version == 2
            assert gateway.version(ORIENTATION) == new.id
            load.wait_for(lambda answers: sum(a[0] == new.id for a in answers) > 20)
    finally:
        for endpoint in endpoints:
            endpoint.close()
    assert {version for version, _, _ in load.answers} == {old.id, new.id}
    assert_right(load, small_repository)


def services_of(server: TritonServer, folder: Path, patience_s: float) -> Services:
    return open_services(
        Settings(
            store=str(folder / "store"),
            backend="triton",
            endpoints=f"onprem://{server.plan.grpc}",
            inference_deadline_s=patience_s,
        )
    )


def now() -> datetime:
    return datetime.now(UTC)


def test_a_job_waits_for_dead_servers_and_finishes_when_one_returns(
    start_server: StartServer, sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    server = start_server()
    services, deadline_s = services_of(server, tmp_path, patience_s=0.5), 0.5
    gateway = services.models
    assert isinstance(gateway, Gateway)
    try:
        job = submit(
            sqlite_ledger, services, SAMPLE.read_bytes(), SAMPLE.name,
            creator="ann", batch="", now=now(),
        )  # fmt: skip
        known = {m: gateway.version(m) for m in ("avatar_orientation", "avatar_rigging")}
        server.kill()
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable, match="No inference server"):
            gateway.infer(ORIENTATION, orientation_inputs(1))
        assert time.monotonic() - started < 3 * deadline_s  # it does end; how exactly is no test's
        parked = run(sqlite_ledger, services, job.id, now)
        assert parked.state == JobState.PARKED
        assert "No inference server" in parked.error

        server.start()
        gateway.close()
        services = services_of(server, tmp_path, patience_s=30.0)
        gateway = services.models
        done = run(sqlite_ledger, services, job.id, now)
        assert done.state in (JobState.PUBLISHED, JobState.IN_REVIEW), done.error
        with sqlite_ledger.reading() as work:
            runs = {r.stage: r for r in work.jobs.runs(job.id)}
        embedded = EmbeddedModels(shipped_repository())
        assert known == {model: embedded.version(model) for model in known}
        assert services.store.record("rig", runs["rig"].key).models == {  # type: ignore[union-attr]
            "avatar_rigging": embedded.version("avatar_rigging")
        }
    finally:
        gateway.close()
