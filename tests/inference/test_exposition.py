"""What the gateways of several processes count, fetched over HTTP as Prometheus does."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rigline.backends import open_gateway
from rigline.errors import InvalidInput
from rigline.inference.exposition import parse_ports
from rigline.inference.server.process import QUIET_PORTS, Ports, TritonServer
from rigline.settings import load_settings
from tests.support.servers import free_port

ORIENTATION = "avatar_orientation"
WORKER = """
import logging, sys
from rigline.bootstrap import open_services
from tests.support.model_inputs import orientation_inputs
logging.basicConfig(level=logging.INFO)
models = open_services().models
for _ in range(int(sys.argv[1])):
    models.infer("avatar_orientation", orientation_inputs(1))
print("asked", flush=True)
sys.stdin.read()
"""
"""A process that asks the models so often, and lives until its input ends."""


def test_ports_are_read_alone_and_as_a_range() -> None:
    assert parse_ports(" 9400 ") == range(9400, 9401)
    assert parse_ports("9400 - 9402") == range(9400, 9403)
    assert not parse_ports("")
    for wrong in ("0", "65536", "9402-9400", "9400-", "-9400", "9400-9401-9402", "many", "٩"):
        with pytest.raises(InvalidInput, match="neither a port nor a range"):
            parse_ports(wrong)
        with pytest.raises(InvalidInput, match="RIGLINE_METRICS_PORT"):
            load_settings(metrics_port=wrong)


def two_ports() -> range:
    """Two ports side by side that nobody has right now."""
    for _ in range(100):
        first = Ports.free().http
        if first + 1 in QUIET_PORTS and _is_free(first + 1):
            return range(first, first + 2)
    pytest.fail("no two ports side by side are free")


def _is_free(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)
    return False


def counted(port: int) -> dict[str, float]:
    """The requests by outcome that the process at a port tells of."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        told = answer.read().decode()
    return {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == "rigline_inference_requests_total"
        and sample.labels["model"] == ORIENTATION
    }


@contextmanager
def worker(times: int, settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(times)], env={**os.environ, **settings}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "asked\n":
            pytest.fail(process.communicate()[1])
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.server
def test_every_process_serves_its_counters_on_a_port_of_the_range(
    triton_server: TritonServer,
) -> None:
    ports = two_ports()
    settings = {
        "RIGLINE_BACKEND": "triton",
        "RIGLINE_ENDPOINTS": f"onprem://{triton_server.plan.grpc}",
        "RIGLINE_METRICS_PORT": f"{ports[0]}-{ports[-1]}",
    }
    with ExitStack() as stack:
        for times in (1, 2):
            stack.enter_context(worker(times, settings))
        assert counted(ports[0]) == {"ok": 1.0}
        assert counted(ports[1]) == {"ok": 2.0}

        third = stack.enter_context(worker(1, settings))
        _, said = third.communicate(timeout=60)
        assert third.returncode == 0
        assert f"RIGLINE_METRICS_PORT={ports[0]}-{ports[1]}" in said
        assert "in use" in said


def test_a_gateway_that_asks_nothing_takes_no_port() -> None:
    port = free_port()
    gateway = open_gateway(
        load_settings(endpoints=f"onprem://127.0.0.1:{free_port()}", metrics_port=str(port))
    )
    try:
        gateway.probe()
        assert _is_free(port)
    finally:
        gateway.close()
