"""The command ``rigline``."""

from __future__ import annotations

import typer

from rigline.cli.batch import batch
from rigline.cli.cache import cache
from rigline.cli.database import database
from rigline.cli.doctor import doctor
from rigline.cli.evaluate import evaluate_command
from rigline.cli.jobs import jobs
from rigline.cli.models import models
from rigline.cli.people import people
from rigline.cli.policy import policy
from rigline.cli.review import review
from rigline.cli.schema import schema
from rigline.cli.serve import serve
from rigline.cli.setup import setup
from rigline.cli.up import down, status, up
from rigline.cli.validate import validate

app = typer.Typer(
    help="Raw humanoid meshes in, avatars ready to animate and to dress out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("setup")(setup)
app.command("validate")(validate)
app.command("eval")(evaluate_command)
app.command("schema")(schema)
app.command("up")(up)
app.command("down")(down)
app.command("status")(status)
app.command("cache")(cache)
app.command("serve")(serve)
app.command("doctor")(doctor)
app.add_typer(database, name="db")
app.add_typer(policy)
app.add_typer(jobs, name="jobs")
app.add_typer(models, name="models")
app.add_typer(batch, name="batch")
app.add_typer(review, name="review")
app.add_typer(people, name="people")


def _show_version(wanted: bool) -> None:
    if wanted:
        from rigline import __version__

        typer.echo(f"rigline {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", callback=_show_version, is_eager=True
    ),
) -> None:
    pass


def main() -> None:
    """Entry point of the console script."""
    app()
