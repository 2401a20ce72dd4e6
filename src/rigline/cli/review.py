"""``rigline review``: the queue of jobs that need a person."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from rigline.cli.console import ExitCode, messages, results
from rigline.cli.job_tables import ticket_json, ticket_table
from rigline.cli.ledger_session import AsJson, clock, opened_ledger
from rigline.review import queue
from rigline.review.decision import Approval, Decision, RejectCode, Rejection
from rigline.review.ticket import UNDECIDED, UNDO_WINDOW, Actor, Ticket, TicketState

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger

review = typer.Typer(
    help="Tickets: the jobs that need a person, and what people decide.", no_args_is_help=True
)
TicketId = Annotated[str, typer.Argument(metavar="TICKET")]
Reviewer = Annotated[
    str, typer.Option("--as", envvar="RIGLINE_REVIEWER", metavar="NAME", help="Who you are.")
]
Note = Annotated[str, typer.Option(help="A note that is kept with the decision.")]


@review.command("list")
def list_command(
    state: Annotated[
        list[TicketState] | None,
        typer.Option(help="May be repeated; by default all that nobody has decided."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List tickets in the order of the queue."""
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            found = work.tickets.find(state or UNDECIDED, limit=limit)
        if as_json:
            typer.echo(json.dumps([ticket_json(ticket) for ticket in found], indent=2))
        elif found:
            results().print(ticket_table(found))
        else:
            results().print("no tickets")


@review.command("show")
def show_command(ticket_id: TicketId, as_json: AsJson = False) -> None:
    """Show a ticket with all its reasons."""
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            ticket = work.tickets.get(ticket_id)
        _show(ticket, as_json)


@review.command("claim")
def claim_command(
    reviewer: Reviewer,
    ticket_id: Annotated[
        str | None, typer.Argument(metavar="[TICKET]", help="By default the next.")
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="How long it is yours.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Take a ticket, or the next one. Exit code 1 when there is none, or somebody has it."""
    lease = timedelta(minutes=minutes)
    with opened_ledger() as ledger:
        actor = Actor(reviewer)
        with ledger.transaction() as work:
            if ticket_id is None:
                ticket = queue.claim_next(work.tickets, actor, clock(), lease)
            else:
                ticket = queue.claim(work.tickets, ticket_id, actor, clock(), lease)
        if ticket is None:
            messages().print("rigline: No ticket waits for you.")
            raise typer.Exit(int(ExitCode.FAILED))
        _show(ticket, as_json)


@review.command("approve")
def approve_command(
    ticket_id: TicketId, reviewer: Reviewer, note: Note = "", as_json: AsJson = False
) -> None:
    """Publish the job of a ticket that you have claimed."""
    _decide(ticket_id, reviewer, lambda: Approval(note), as_json)


@review.command("reject")
def reject_command(
    ticket_id: TicketId,
    reviewer: Reviewer,
    code: Annotated[RejectCode, typer.Option(help="Why; other needs a note.")],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Reject the job of a ticket that you have claimed."""
    _decide(ticket_id, reviewer, lambda: Rejection(code, note), as_json)


@review.command("release")
def release_command(ticket_id: TicketId, reviewer: Reviewer, as_json: AsJson = False) -> None:
    """Give a ticket back that you have claimed."""
    with opened_ledger() as ledger:
        with ledger.transaction() as work:
            token = work.tickets.get(ticket_id).fencing_token
            ticket = queue.release(work.tickets, ticket_id, Actor(reviewer), token, clock())
        _show(ticket, as_json)


def _decide(ticket_id: str, reviewer: str, decision: Callable[[], Decision], as_json: bool) -> None:
    with opened_ledger() as ledger:
        ticket = _decided(ledger, ticket_id, Actor(reviewer), decision())
        _show(ticket, as_json)
        if not as_json:
            messages().print(
                f"The decision takes effect in {UNDO_WINDOW.total_seconds():.0f} s, with the next "
                "command of rigline jobs or rigline review."
            )


def _decided(ledger: Ledger, ticket_id: str, actor: Actor, decision: Decision) -> Ticket:
    from rigline.db.reviewing import decide

    with ledger.reading() as work:
        token = work.tickets.get(ticket_id).fencing_token
    return decide(
        ledger, ticket_id, actor, token, clock(), decision_id=uuid.uuid4().hex, decision=decision
    )


def _show(ticket: Ticket, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(ticket_json(ticket), indent=2))
        return
    results().print(ticket_table([ticket]))
    _print_lines(ticket.reasons[1:])


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        results().print(line, markup=False)
