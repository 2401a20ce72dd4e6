"""``rigline serve``: a Triton server on this machine, from the wheel, without a container."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from rigline.cli.console import fail, messages, results
from rigline.errors import InvalidInput, RiglineError, ServiceUnavailable
from rigline.inference.repository import shipped_repository
from rigline.inference.server.environment import ServerEnvironment, make_environment
from rigline.inference.server.process import READY_LIMIT_S, Ports, ServerPlan, TritonServer
from rigline.inference.triton_config import missing_for_wheel
from rigline.settings import Settings, load_settings

DEFAULTS = Ports()


def serve(
    models: Annotated[
        Path | None,
        typer.Option(help="Model repository; by default that of the settings.", show_default=False),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There is no access control.")
    ] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(min=1, max=65535)] = DEFAULTS.http,
    grpc_port: Annotated[int, typer.Option(min=1, max=65535)] = DEFAULTS.grpc,
    metrics_port: Annotated[int, typer.Option(min=1, max=65535)] = DEFAULTS.metrics,
    ready_limit_s: Annotated[
        float, typer.Option(min=1, help="Give up when the models are not ready by then.")
    ] = READY_LIMIT_S,
) -> None:
    """Serve the models with NVIDIA Triton, on the CPU of this machine.

    The first run makes Triton's own Python environment under RIGLINE_TRITON_HOME. Stop the server
    with Ctrl-C. Exit code 1 when it could not be started or ended by itself.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = load_settings()
        repository = _repository(models, settings)
        with messages().status("starting Triton") as status:

            def report(said: str) -> None:
                status.update(said)
                messages().print(f"{said} …", markup=False)

            environment = make_environment(settings.triton_home, report)
            log = settings.triton_home / "log" / f"triton-{grpc_port}.log"
            plan = ServerPlan(repository, log, Ports(http_port, grpc_port, metrics_port), host)
            status.update("waiting for the models")
            server = _started(environment, plan, ready_limit_s)
        _run(server)
    except KeyboardInterrupt:
        messages().print("stopped")
    except RiglineError as error:
        fail(error)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _repository(models: Path | None, settings: Settings) -> Path:
    repository = models or settings.models or shipped_repository()
    missing = missing_for_wheel(repository)
    if missing:
        raise InvalidInput(
            f"{missing[0]} is missing.", remedy=f"Run rigline models configure {repository}."
        )
    return repository


def _started(environment: ServerEnvironment, plan: ServerPlan, limit_s: float) -> TritonServer:
    server = TritonServer(environment, plan)
    server.start(limit_s)
    return server


def _run(server: TritonServer) -> None:
    """Say where the server is, and stay until it ends or is to be stopped."""
    plan = server.plan
    try:
        messages().print(
            f"Use it with RIGLINE_BACKEND=triton RIGLINE_ENDPOINTS=onprem://{plan.grpc}",
            markup=False,
        )
        for name, where in (
            ("gRPC", plan.grpc), ("HTTP", plan.http), ("metrics", plan.metrics), ("log", plan.log)
        ):  # fmt: skip
            results().print(f"{name:8} {where}", markup=False)
        code = server.wait()
    finally:
        messages().print("stopping Triton …")
        server.stop()
    raise ServiceUnavailable(f"Triton ended by itself with code {code}; see {plan.log}.")
