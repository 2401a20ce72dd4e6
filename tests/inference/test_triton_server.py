"""A real Triton from its wheel: how it starts, what it refuses, that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rigline.cli import app
from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable
from rigline.inference.contracts import CONTRACTS, STAGE_MODELS
from rigline.inference.fleet import Member
from rigline.inference.gateway import Gateway
from rigline.inference.repository import find_model, shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.inference.server.environment import ServerEnvironment, make_environment
from rigline.inference.server.process import Ports, ServerPlan, TritonServer
from rigline.inference.triton import TritonEndpoint
from rigline.inference.triton_config import WHEEL_CONFIG, Server, config_path, configure
from tests.inference.conftest import StartServer
from tests.support.model_inputs import orientation_inputs
from tests.support.model_versions import add_version, repository_of, with_wider_joints
from tests.support.servers import free_port

pytestmark = pytest.mark.server
ORIENTATION = "avatar_orientation"


def test_the_environment_is_made_once(triton_environment: ServerEnvironment) -> None:
    said: list[str] = []
    again = make_environment(triton_environment.folder.parent, said.append)
    assert (again, said) == (triton_environment, [])


def test_stopping_leaves_no_process_and_no_shared_memory(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(repository_of(tmp_path / "models", ORIENTATION))
    group = server.pid
    assert group is not None
    maps = Path(f"/proc/{group}/maps").read_text()
    regions = {Path(found) for found in re.findall(r"/dev/shm/\S+$", maps, re.MULTILINE)}
    assert regions
    assert all(region.exists() for region in regions)
    server.stop()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    assert not any(region.exists() for region in regions)


def test_a_port_that_is_taken_is_named(
    triton_environment: ServerEnvironment, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = Ports(free_port(), taken.getsockname()[1], free_port())
        server = TritonServer(
            triton_environment, ServerPlan(shipped_repository(), tmp_path / "log", ports)
        )
        with pytest.raises(InvalidInput, match=f"127.0.0.1:{ports.grpc}") as caught:
            server.start()
    assert "--grpc-port" in caught.value.remedy


def test_a_server_that_is_not_ready_in_time_is_stopped(
    triton_environment: ServerEnvironment, tmp_path: Path
) -> None:
    plan = ServerPlan(shipped_repository(), tmp_path / "log", Ports.free())
    server = TritonServer(triton_environment, plan)
    with pytest.raises(ServiceUnavailable, match=r"not ready within 0\.01 s"):
        server.start(ready_limit_s=0.01)
    assert server.pid is None


def test_a_configuration_that_is_not_of_the_file_stops_the_server_and_names_both(
    triton_environment: ServerEnvironment, tmp_path: Path
) -> None:
    repository = repository_of(tmp_path / "models", "avatar_rigging")
    config = config_path(repository, "avatar_rigging", Server.WHEEL)
    config.write_text(config.read_text().replace("dims: [ 15, 3 ]", "dims: [ 15, 4 ]"))
    plan = ServerPlan(repository, tmp_path / "log", Ports.free())
    with pytest.raises(ServiceUnavailable) as caught:
        TritonServer(triton_environment, plan).start()
    for part in ("avatar_rigging", "joints", "[15, 3]", "[15, 4]"):
        assert part in caught.value.message


def test_weights_that_are_not_the_configured_ones_stop_the_server(
    triton_environment: ServerEnvironment, tmp_path: Path
) -> None:
    repository = repository_of(tmp_path / "models", ORIENTATION)
    with find_model(repository, ORIENTATION).path.open("ab") as file:
        file.write(b"\0")
    plan = ServerPlan(repository, tmp_path / "log", Ports.free())
    with pytest.raises(ServiceUnavailable, match="rigline models configure"):
        TritonServer(triton_environment, plan).start()


def test_a_model_of_another_shape_is_refused_before_it_is_asked(
    start_server: StartServer, tmp_path: Path
) -> None:
    repository = with_wider_joints(repository_of(tmp_path / "models", ORIENTATION))
    target = start_server(repository).plan.grpc
    gateway = Gateway([Member(target, EndpointKind.ONPREM, 4, TritonEndpoint(target))])
    try:
        with pytest.raises(ContractViolation) as caught:
            gateway.version(ORIENTATION)
    finally:
        gateway.close()
    for part in ("avatar_rigging", target, "joints", "[-1, 15, 4]", "[-1, 15, 3]"):
        assert part in caught.value.message


def test_a_load_that_fails_leaves_the_server_with_what_it_had(
    start_server: StartServer, tmp_path: Path
) -> None:
    repository = repository_of(tmp_path / "models", ORIENTATION)
    server = start_server(repository)
    config = config_path(repository, ORIENTATION, Server.WHEEL)
    text = config.read_text().replace("sha256:1", "sha256:one")
    config.write_text(text)
    endpoint = TritonEndpoint(server.plan.grpc)
    try:
        with pytest.raises(InvalidInput, match="rigline models configure"):
            endpoint.load(ORIENTATION, 30.0)
        assert [v.id for v in endpoint.serving(5.0)] == [find_model(repository, ORIENTATION).id]
    finally:
        endpoint.close()


def test_the_command_loads_a_good_version_and_a_broken_one_takes_nothing_away(
    start_server: StartServer, tmp_path: Path, installation: pytest.MonkeyPatch
) -> None:
    repository = repository_of(tmp_path / "models", ORIENTATION)
    plan = start_server(repository).plan
    target = plan.grpc
    installation.setenv("RIGLINE_ENDPOINTS", f"onprem://{target}")
    gateway = Gateway([Member(target, EndpointKind.ONPREM, 4, TritonEndpoint(target))])
    try:
        gateway.start()
        first = gateway.version(ORIENTATION)
        add_version(repository, ORIENTATION, 2)
        second = find_model(repository, ORIENTATION).id

        loaded = CliRunner().invoke(app, ["models", "load", ORIENTATION])
        assert (loaded.exit_code, loaded.output.strip()) == (
            0, f"{target}: {ORIENTATION} {first}, {second}"
        )  # fmt: skip
        gateway.probe()
        assert gateway.version(ORIENTATION) == second
        assert "yaw" in gateway.infer(ORIENTATION, orientation_inputs(1))

        broken = repository / ORIENTATION / "3" / "model.onnx"
        broken.parent.mkdir()
        broken.write_bytes(b"no network")
        configure(repository)
        refused = CliRunner().invoke(app, ["models", "load", ORIENTATION])
        said = " ".join(refused.output.split())
        assert refused.exit_code == 2
        assert f"{target} cannot load the model {ORIENTATION}" in said
        assert "version 3" in said
        assert "remove the new version" in said

        gateway.probe()
        assert gateway.reasons() == {target: ""}
        assert gateway.version(ORIENTATION) == second
        assert "yaw" in gateway.infer(ORIENTATION, orientation_inputs(1))
        with urllib.request.urlopen(f"{plan.http}/v2/health/ready") as ready:
            assert ready.status == 200

        shutil.rmtree(broken.parent)
        configure(repository)
        mended = CliRunner().invoke(app, ["models", "load", ORIENTATION])
        assert (mended.exit_code, mended.output) == (0, loaded.output)
    finally:
        gateway.close()


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    ports = Ports.free()
    command = [
        sys.executable, "-c", "from rigline.cli import main; main()", "serve",
        "--models", str(repository_of(tmp_path / "models", ORIENTATION)),
        "--http-port", str(ports.http), "--grpc-port", str(ports.grpc),
        "--metrics-port", str(ports.metrics),
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().split() for _ in range(4)]
            assert lines[0] == ["gRPC", f"127.0.0.1:{ports.grpc}"]
            where = dict(lines)
            with urllib.request.urlopen(where["metrics"]) as metrics:
                assert b"nv_inference_request_success" in metrics.read()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert f"RIGLINE_ENDPOINTS=onprem://127.0.0.1:{ports.grpc}" in said
    assert "stopped" in said


def test_the_command_says_what_a_repository_lacks(tmp_path: Path) -> None:
    repository = repository_of(tmp_path / "models", ORIENTATION)
    config_path(repository, ORIENTATION, Server.WHEEL).unlink()
    result = CliRunner().invoke(app, ["serve", "--models", str(repository)])
    assert result.exit_code == 2
    assert f"{WHEEL_CONFIG}.pbtxt is missing" in result.output
    assert "rigline models configure" in result.output


def findings(*arguments: str, code: int) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert result.exit_code == code, result.output
    return {found["name"]: found for found in json.loads(result.stdout)}


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    return monkeypatch


def test_the_doctor_finds_a_plain_installation_well(installation: pytest.MonkeyPatch) -> None:
    found = findings(code=0)
    assert {f["health"] for f in found.values()} == {"ok", "unused"}
    assert found["ledger"]["health"] == "unused"
    for model in STAGE_MODELS:
        assert find_model(shipped_repository(), model).id in found[f"model {model}"]["said"]


def test_the_doctor_shows_every_server(
    triton_server: TritonServer, installation: pytest.MonkeyPatch
) -> None:
    alive, dead = triton_server.plan.grpc, f"127.0.0.1:{free_port()}"
    installation.setenv("RIGLINE_BACKEND", "triton")
    installation.setenv("RIGLINE_ENDPOINTS", f"onprem://{alive}?limit=7,cloud://{dead}")
    found = findings(code=1)
    here, there = found[f"onprem {alive}"], found[f"cloud {dead}"]
    assert (here["health"], here["details"]["limit"], here["details"]["ready"]) == ("ok", 7, True)
    assert here["details"]["circuit"] == "closed"
    assert here["details"]["serves"] == {
        m: find_model(shipped_repository(), m).id for m in CONTRACTS
    }
    assert (there["health"], there["details"]["ready"]) == ("failed", False)
    assert "UNAVAILABLE" in there["said"]
    assert found["inference"]["said"] == "1 of 2 endpoints are ready"

    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert f"cloud {dead}" in result.output


def test_the_doctor_names_a_damaged_store(installation: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    installation.setenv("RIGLINE_POLICY", str(tmp_path / "nowhere.toml"))
    assert findings(code=1)["policy"]["health"] == "failed"


def test_inputs_travel_whole(triton_server: TritonServer) -> None:
    """What one request holds has no part in what another gets back."""
    endpoint = TritonEndpoint(triton_server.plan.grpc)
    try:
        (version,) = [v for v in endpoint.serving(5.0) if v.model == ORIENTATION]
        first, second = orientation_inputs(1), orientation_inputs(2)
        alone = endpoint.infer(version, first, 30.0, "one")["yaw"]
        both = endpoint.infer(version, second, 30.0, "two")["yaw"]
        assert both.shape == (2, 2)
        assert both[0] == pytest.approx(alone[0], abs=1e-4)
    finally:
        endpoint.close()
