"""``rigline people``: who may do what in the review app."""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from rigline.cli.console import ExitCode, messages, results
from rigline.cli.ledger_session import AsJson, clock, opened_ledger
from rigline.review.access import PersonRole

if TYPE_CHECKING:
    from rigline.db.people import Grant

people = typer.Typer(help="People of the review app and their roles.", no_args_is_help=True)
Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="As they sign in: their e-mail address, usually.")
]
Role = Annotated[PersonRole, typer.Argument(help="What they may do.")]


@people.command("list")
def list_command(
    everything: Annotated[bool, typer.Option("--all", help="What is over, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List who has which role until when."""
    with opened_ledger() as ledger, ledger.reading() as work:
        found = work.people.grants(None if everything else clock())
    if as_json:
        typer.echo(json.dumps([_grant_json(grant) for grant in found], indent=2))
    elif found:
        results().print(_grant_table(found))
    else:
        results().print("nobody has a role; rigline people grant PERSON reviewer")


@people.command("grant")
def grant_command(
    person: Person,
    role: Role,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="It ends by itself after so many days.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who gives it; by default your user.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a person a role."""
    now = clock()
    ends = now + timedelta(days=days) if days is not None else None
    with opened_ledger() as ledger:
        with ledger.transaction() as work:
            given = work.people.grant(person, role, by or getpass.getuser(), now, ends)
        _show(given, as_json)


@people.command("revoke")
def revoke_command(person: Person, role: Role) -> None:
    """Take a role away; it is gone with the person's next click. Exit code 1: they had it not."""
    with opened_ledger() as ledger:
        with ledger.transaction() as work:
            had = work.people.revoke(person, role, clock())
        if not had:
            messages().print(f"rigline: {person} is no {role}.", markup=False)
            raise typer.Exit(int(ExitCode.FAILED))


def _show(grant: Grant, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_grant_json(grant), indent=2))
    else:
        results().print(_grant_table([grant]))


def _grant_json(grant: Grant) -> dict[str, Any]:
    return {
        "person": grant.person,
        "role": str(grant.role),
        "granted_by": grant.granted_by,
        "granted_at": grant.granted_at.isoformat(),
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        "revoked_at": grant.revoked_at.isoformat() if grant.revoked_at else None,
    }


def _grant_table(grants: Any) -> Table:
    from rich.markup import escape

    table = Table(box=None)
    for column in ("person", "role", "given by", "since", "until"):
        table.add_column(column)
    for grant in grants:
        until = grant.revoked_at or grant.expires_at
        table.add_row(
            escape(grant.person), str(grant.role), escape(grant.granted_by),
            f"{grant.granted_at:%Y-%m-%d %H:%M}", f"{until:%Y-%m-%d %H:%M}" if until else "",
        )  # fmt: skip
    return table
