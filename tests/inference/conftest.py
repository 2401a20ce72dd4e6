from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rigline.errors import InvalidInput
from rigline.inference.repository import shipped_repository
from rigline.inference.server.environment import ServerEnvironment, make_environment
from rigline.inference.server.process import Ports, ServerPlan, TritonServer
from rigline.settings import load_settings

StartServer = Callable[..., TritonServer]


@pytest.fixture(scope="session")
def triton_environment() -> ServerEnvironment:
    """Triton's environment, where ``rigline serve`` has it; made when it is not there yet."""
    try:
        return make_environment(load_settings().triton_home)
    except InvalidInput as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def triton_server(
    triton_environment: ServerEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    """A server of the shipped models that no test stops or changes."""
    log = tmp_path_factory.mktemp("triton") / "server.log"
    server = TritonServer(triton_environment, ServerPlan(shipped_repository(), log, Ports.free()))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start_server(triton_environment: ServerEnvironment, tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers that a test may kill; what is left of them is stopped after it."""
    with ExitStack() as stack:

        def start(repository: Path | None = None, ports: Ports | None = None) -> TritonServer:
            ports = ports or Ports.free()
            plan = ServerPlan(
                repository or shipped_repository(), tmp_path / f"triton-{ports.grpc}.log", ports
            )
            server = TritonServer(triton_environment, plan)
            stack.callback(server.kill)
            server.start()
            return server

        yield start


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the shipped repository, to be changed."""
    return shutil.copytree(shipped_repository(), tmp_path / "models_repo")
