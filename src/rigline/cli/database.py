"""``rigline db``: the tables of the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rigline.bootstrap import open_ledger
from rigline.cli.console import ExitCode, fail
from rigline.errors import RiglineError
from rigline.settings import load_settings

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger
    from rigline.db.migration import Revision

database = typer.Typer(help="The ledger's database: RIGLINE_DATABASE.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@database.command("upgrade")
def upgrade(as_json: AsJson = False) -> None:
    """Bring the tables to what this Rigline needs; what is in them stays."""
    _show(*_asked(lambda ledger: ledger.upgrade()), as_json=as_json)


@database.command("status")
def status(as_json: AsJson = False) -> None:
    """Say where the ledger is and whether its tables are up to date (exit code 0) or not (1)."""
    name, revision = _asked(lambda ledger: ledger.revision())
    _show(name, revision, as_json=as_json)
    if not revision.up_to_date:
        raise typer.Exit(int(ExitCode.FAILED))


def _asked(question: Callable[[Ledger], Revision]) -> tuple[str, Revision]:
    """The ledger's name and its answer."""
    try:
        ledger = open_ledger(load_settings())
        return ledger.name, question(ledger)
    except RiglineError as error:
        fail(error)


def _show(name: str, revision: Revision, *, as_json: bool) -> None:
    if as_json:
        shown = {
            "database": name,
            "revision": revision.current,
            "head": revision.head,
            "up_to_date": revision.up_to_date,
        }
        typer.echo(json.dumps(shown, indent=2))
        return
    if revision.up_to_date:
        said = "up to date"
    elif not revision.known:
        said = f"revision {revision.current}, of a later Rigline"
    else:
        said = f"revision {revision.current or 'none'}, {revision.head} is needed"
    typer.echo(f"{name}: {said}")
