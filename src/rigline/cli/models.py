"""``rigline models``: the model repository, and the servers that serve it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rigline.backends import open_servers
from rigline.cli.console import ExitCode, fail
from rigline.errors import RiglineError
from rigline.inference.contracts import STAGE_MODELS, contract_of
from rigline.inference.repository import shipped_repository
from rigline.inference.triton_config import Batching, Deployment, configure, outdated
from rigline.settings import load_settings

models = typer.Typer(help="The model repository: RIGLINE_MODELS.", no_args_is_help=True)
Repository = Annotated[
    Path | None,
    typer.Argument(help="The repository; by default that of the settings.", show_default=False),
]


@models.command("configure")
def configure_command(
    repository: Repository = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if something is outdated.")
    ] = False,
    instances: Annotated[int, typer.Option(min=1, help="Instances of each model.")] = 1,
    batching: Annotated[
        bool, typer.Option("--batching/--no-batching", help="Let the server batch requests.")
    ] = True,
    max_delay_us: Annotated[
        int, typer.Option(min=0, help="How long a request may wait for others, in microseconds.")
    ] = 0,
) -> None:
    """Write Triton's configurations: config.pbtxt for NVIDIA's image, configs/wheel.pbtxt for
    `rigline serve`. Run it after a version of a model was added, removed or replaced."""
    deployment = Deployment(Batching(batching, max_delay_us), instances)
    try:
        folder = repository or load_settings().models or shipped_repository()
        paths = outdated(folder, deployment) if check else configure(folder, deployment)
    except RiglineError as error:
        fail(error)
    for path in paths:
        typer.echo(f"{path}: {'outdated' if check else 'written'}")
    if not paths:
        typer.echo(f"{folder}: up to date")
    if check and paths:
        raise typer.Exit(int(ExitCode.FAILED))


@models.command("load")
def load_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="By default those of the stages.", show_default=False),
    ] = None,
    limit_s: Annotated[float, typer.Option(min=1, help="Time limit for one model.")] = 120.0,
) -> None:
    """Let the servers of RIGLINE_ENDPOINTS take up the newest versions, one server after the other.

    Put the new version into their repository and run `rigline models configure` on it first. They
    go on serving the version before it; those who ask move to the new one when every server has it.
    """
    try:
        servers = open_servers(load_settings())
        for name in names or STAGE_MODELS:
            contract_of(name)
            for server in servers:
                server.load(name, limit_s)
                found = [v.id for v in server.serving(limit_s) if v.model == name]
                typer.echo(f"{server.target}: {name} {', '.join(sorted(found))}")
    except RiglineError as error:
        fail(error)
