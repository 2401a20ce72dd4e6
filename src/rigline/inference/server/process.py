"""A running Triton: started on a model repository, waited for, stopped with all it started."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.inference.server.environment import ServerEnvironment
from rigline.inference.triton_config import WHEEL_BACKEND, WHEEL_CONFIG

READY_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 15.0
POLL_S: Final = 0.05
LOG_TAIL: Final = 3000
QUIET_PORTS: Final = range(15_000, 32_000)
_REGION: Final = re.compile(r"/dev/shm/triton_\S+")


@dataclass(frozen=True)
class Ports:
    """Where a server listens on its host."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002

    @staticmethod
    def free() -> Ports:
        """Three ports that nobody has right now.

        They lie below those that the system gives to connections, which might take one before the
        server does, or while it is away.
        """
        found: list[int] = []
        while len(found) < 3:
            port = secrets.choice(QUIET_PORTS)
            if port not in found and _bind_fault("127.0.0.1", port) is None:
                found.append(port)
        return Ports(*found)


@dataclass(frozen=True)
class ServerPlan:
    """What is served and where. ``log`` receives all that the server says; ``arguments`` are more
    of Triton's own."""

    repository: Path
    log: Path
    ports: Ports = Ports()
    host: str = "127.0.0.1"
    arguments: tuple[str, ...] = ()

    @property
    def grpc(self) -> str:
        """Address for the Open Inference Protocol over gRPC."""
        return f"{self.host}:{self.ports.grpc}"

    @property
    def http(self) -> str:
        """Address for the Open Inference Protocol over HTTP."""
        return f"http://{self.host}:{self.ports.http}"

    @property
    def metrics(self) -> str:
        """Address of the server's own Prometheus metrics."""
        return f"http://{self.host}:{self.ports.metrics}/metrics"


class TritonServer:
    """A server process. ``start`` it, use it, ``stop`` it; or kill it, as a failing machine would.

    Stopping leaves no process and no shared memory behind.
    """

    def __init__(self, environment: ServerEnvironment, plan: ServerPlan) -> None:
        self.plan = plan
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._regions: set[Path] = set()

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, ready_limit_s: float = READY_LIMIT_S) -> None:
        """Start the server and return when all its models answer.

        Raises ``InvalidInput`` for ports that are taken, ``ServiceUnavailable`` with the end of
        the log when the server ends or is not ready in time: it is stopped then.
        """
        self._check_ports()
        self._folder = Path(tempfile.mkdtemp(prefix="rigline-triton-"))
        self.plan.log.parent.mkdir(parents=True, exist_ok=True)
        with self.plan.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(_backends(self._environment, self._folder)),
                env=self._environment.variables(), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait_until_ready(ready_limit_s)
        except BaseException:
            self.kill()
            raise
        self._note_regions()

    def wait(self) -> int:
        """Return the exit code when the server has ended."""
        if self._process is None:
            return 0
        return self._process.wait()

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Let requests in flight finish, then end the server; kill it when that takes too long."""
        if self._process is not None and self._process.poll() is None:
            self._note_regions()
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(limit_s)
        self.kill()

    def kill(self) -> None:
        """End the server at once, as a machine that fails does."""
        if self._process is not None:
            self._note_regions()
            with suppress(ProcessLookupError):  # the group, for its stubs outlive the server
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for region in self._regions:
            region.unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _note_regions(self) -> None:
        """Remember the shared memory of the server, which nobody frees when it is killed."""
        with suppress(OSError):
            maps = Path(f"/proc/{self.pid}/maps").read_text()
            self._regions |= {Path(found) for found in _REGION.findall(maps)}

    def _check_ports(self) -> None:
        ports = self.plan.ports
        for name in ("http", "grpc", "metrics"):
            port = getattr(ports, name)
            fault = _bind_fault(self.plan.host, port)
            if fault is not None:
                raise InvalidInput(
                    f"The server cannot listen on {self.plan.host}:{port}: {fault.strerror}.",
                    remedy=f"Choose another with --{name}-port.",
                ) from fault

    def _command(self, backends: Path) -> list[str]:
        plan, ports = self.plan, self.plan.ports
        assert self._folder is not None
        return [
            str(self._environment.triton / "bin" / "tritonserver"),
            f"--model-repository={plan.repository.resolve()}",
            f"--backend-directory={backends}",
            f"--model-config-name={WHEEL_CONFIG}",
            "--model-control-mode=explicit", "--load-model=*",
            "--disable-auto-complete-config", "--strict-readiness=false",
            f"--http-address={plan.host}", f"--http-port={ports.http}",
            f"--grpc-address={plan.host}", f"--grpc-port={ports.grpc}",
            f"--metrics-address={plan.host}", f"--metrics-port={ports.metrics}",
            "--allow-gpu-metrics=false", f"--exit-timeout-secs={int(STOP_LIMIT_S / 2)}",
            *plan.arguments,
        ]  # fmt: skip

    def _wait_until_ready(self, limit_s: float) -> None:
        assert self._process is not None
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise self._failure("Triton ended before it was ready")
            if _answers(f"{self.plan.http}/v2/health/ready") and _answers(self.plan.metrics):
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_S)
        raise self._failure(f"Triton was not ready within {limit_s:g} s")

    def _failure(self, what: str) -> ServiceUnavailable:
        said = self.plan.log.read_text("utf-8", errors="replace").splitlines()
        told = "\n".join(line for line in said if _is_complaint(line))[-LOG_TAIL:]
        return ServiceUnavailable(f"{what}. It said:\n{told}", log=str(self.plan.log))


@contextmanager
def running_server(
    environment: ServerEnvironment, plan: ServerPlan, ready_limit_s: float = READY_LIMIT_S
) -> Iterator[TritonServer]:
    """A server that is ready, stopped at the end."""
    server = TritonServer(environment, plan)
    server.start(ready_limit_s)
    try:
        yield server
    finally:
        server.stop()


def _bind_fault(host: str, port: int) -> OSError | None:
    """Why nobody can listen there now, or nothing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def _backends(environment: ServerEnvironment, folder: Path) -> Path:
    """A backend folder: the wheel's python backend with its stub, and our own on top of it."""
    backends = folder / "backends"
    python, ours = backends / "python", backends / WHEEL_BACKEND
    for made in (python, ours):
        made.mkdir(parents=True)
    # Copies: the server refuses what a link would lead out of its backend folder.
    for path in (*(environment.triton / "backends" / "python").iterdir(), environment.stub):
        shutil.copy(path, python)
    source = resources.files("rigline.inference.server") / "onnx_backend.py"
    (ours / "model.py").write_bytes(source.read_bytes())
    return backends


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _is_complaint(line: str) -> bool:
    """Whether a line of the log may say why: no progress, no table, nothing about a GPU."""
    return not line.startswith(("I", "|", "+")) and not any(
        word in line for word in ("CUDA", "Cuda", "NVML", "DCGM")
    )
