"""``rigline review``: the queue of jobs that need a person."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rigline.bootstrap import open_services
from rigline.cli.console import ExitCode, messages, results, shown
from rigline.cli.job_tables import ticket_json, ticket_table
from rigline.cli.ledger_session import AsJson, clock, opened_ledger
from rigline.delivery import write_file
from rigline.errors import RiglineError
from rigline.review import queue
from rigline.review.access import actor_of
from rigline.review.decision import Approval, Corrections, Decision, RejectCode, Rejection
from rigline.review.ticket import UNDECIDED, UNDO_WINDOW, Actor, Role, Ticket, TicketState

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger, Work

review = typer.Typer(
    help="Tickets: the jobs that need a person, and what people decide.", no_args_is_help=True
)
TicketId = Annotated[str, typer.Argument(metavar="TICKET")]
Reviewer = Annotated[
    str, typer.Option("--as", envvar="RIGLINE_REVIEWER", metavar="NAME", help="Who you are.")
]
Note = Annotated[str, typer.Option(help="A note that is kept with the decision.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Minutes = Annotated[int, typer.Option(min=1, max=60, help="How long it is yours.")]
Change = Callable[["Work", Actor, int, datetime], Ticket]
"""What becomes of a ticket in a unit of work, for an actor who shows this token."""


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
        str | None, typer.Argument(metavar="TICKET", help="By default the next.")
    ] = None,
    minutes: Minutes = 30,
    as_json: AsJson = False,
) -> None:
    """Take a ticket, or the next one. Exit code 1 when there is none, or somebody has it."""
    lease = timedelta(minutes=minutes)
    with opened_ledger() as ledger:
        with ledger.transaction() as work:
            actor = _actor(work, reviewer)
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
    _decide(ticket_id, reviewer, lambda ledger: Approval(note), as_json)


@review.command("correct")
def correct_command(
    ticket_id: TicketId,
    reviewer: Reviewer,
    file: Annotated[
        Path, typer.Option(help="JSON with one correction, or a list of them: docs/correction.md.")
    ],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Run the job of a ticket that you have claimed again from what you corrected.

    The corrections are tried first: what does not fit is refused, and nothing is kept of it.
    """
    found = _read_json(file)
    documents = found if isinstance(found, list) else [found]

    def corrections(ledger: Ledger) -> Decision:
        from rigline.jobs.preview import parsed_corrections

        with ledger.reading() as work:
            job_id = work.tickets.get(ticket_id).job_id
        return Corrections(parsed_corrections(ledger, open_services(), job_id, documents), note)

    _decide(ticket_id, reviewer, corrections, as_json)


@review.command("reject")
def reject_command(
    ticket_id: TicketId,
    reviewer: Reviewer,
    code: Annotated[RejectCode, typer.Option(help="Why; other needs a note.")],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Reject the job of a ticket that you have claimed."""
    _decide(ticket_id, reviewer, lambda ledger: Rejection(code, note), as_json)


@review.command("undo")
def undo_command(
    ticket_id: TicketId, reviewer: Reviewer, minutes: Minutes = 30, as_json: AsJson = False
) -> None:
    """Take your decision back, within 30 s of it; the ticket is yours again."""
    from rigline.db.reviewing import take_back_decision

    lease = timedelta(minutes=minutes)
    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: take_back_decision(work, ticket_id, who, token, now, lease),
    )  # fmt: skip


@review.command("release")
def release_command(ticket_id: TicketId, reviewer: Reviewer, as_json: AsJson = False) -> None:
    """Give a ticket back that you have claimed."""
    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: queue.release(work.tickets, ticket_id, who, token, now),
    )  # fmt: skip


@review.command("hold")
def hold_command(
    ticket_id: TicketId,
    reviewer: Reviewer,
    reason: Reason,
    hours: Annotated[float, typer.Option(min=0.01, max=2160, help="For how long.")] = 24.0,
    as_json: AsJson = False,
) -> None:
    """Put a ticket that you have claimed away; afterwards you are asked first."""
    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: queue.hold(
            work.tickets, ticket_id, who, token, now, reason=reason,
            until=now + timedelta(hours=hours),
        ),
    )  # fmt: skip


@review.command("wake")
def wake_command(ticket_id: TicketId, reviewer: Reviewer, as_json: AsJson = False) -> None:
    """End a hold before its time; for a lead, and for who put the ticket on hold."""
    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: queue.wake(work.tickets, ticket_id, who, now),
    )  # fmt: skip


@review.command("skip")
def skip_command(
    ticket_id: TicketId, reviewer: Reviewer, reason: Reason, as_json: AsJson = False
) -> None:
    """Leave a ticket that you have claimed to others; you are never offered it again."""
    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: queue.skip(work.tickets, ticket_id, who, token, now, reason),
    )  # fmt: skip


@review.command("escalate")
def escalate_command(
    ticket_id: TicketId, reviewer: Reviewer, reason: Reason, as_json: AsJson = False
) -> None:
    """Leave a ticket that you have claimed to a lead."""
    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: queue.escalate(
            work.tickets, ticket_id, Actor(who.name), token, now, reason
        ),
    )  # fmt: skip


@review.command("reopen")
def reopen_command(
    ticket_id: TicketId, reviewer: Reviewer, reason: Reason, as_json: AsJson = False
) -> None:
    """Have a job that was decided about looked at again; for leads."""
    from rigline.db.reviewing import reopen

    _change(
        ticket_id, reviewer, as_json,
        lambda work, who, token, now: reopen(work, ticket_id, who, now, reason),
    )  # fmt: skip


@review.command("export")
def export_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder for each sample in it.")],
    days: Annotated[
        int | None, typer.Option(min=1, help="Only decisions of so many days; by default all.")
    ] = None,
) -> None:
    """Write the corrections that took effect as training samples.

    Each with the input, what the models gave, what the reviewer made of it, and who decided when.
    Exit code 1 when some could not be had.
    """
    failed = written = 0
    with opened_ledger() as ledger:
        from rigline.jobs.export import reviewed_samples

        since = clock() - timedelta(days=days) if days is not None else None
        for sample in reviewed_samples(ledger, open_services(), since):
            if isinstance(sample, RiglineError):
                failed += 1
                messages().print(f"{sample.fields.get('decision')}: {sample}", markup=False)
                continue
            for name, data in sample.files.items():
                write_file(out / sample.name / name, data)
            written += 1
    messages().print(f"{written} samples in {shown(out)}", markup=False)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


def _actor(work: Work, name: str) -> Actor:
    """The person with their role; where nobody has been given one, everybody is a lead."""
    if not work.people.grants(None):
        return Actor(name, Role.LEAD)
    return actor_of(name, work.people.roles(name, clock()))


def _change(ticket_id: str, reviewer: str, as_json: bool, change: Change) -> None:
    with opened_ledger() as ledger:
        with ledger.transaction() as work:
            token = work.tickets.get(ticket_id).fencing_token
            ticket = change(work, _actor(work, reviewer), token, clock())
        _show(ticket, as_json)


def _decide(
    ticket_id: str, reviewer: str, decision: Callable[[Ledger], Decision], as_json: bool
) -> None:
    with opened_ledger() as ledger:
        from rigline.db.reviewing import record_decision

        decided = decision(ledger)
        with ledger.transaction() as work:
            token = work.tickets.get(ticket_id).fencing_token
            ticket = record_decision(
                work, ticket_id, _actor(work, reviewer), token, clock(),
                decision_id=uuid.uuid4().hex, decision=decided,
            )  # fmt: skip
        _show(ticket, as_json)
        if not as_json:
            messages().print(
                f"The decision takes effect in {UNDO_WINDOW.total_seconds():.0f} s, by the "
                "maintenance flow or the next command of rigline jobs or rigline review; a "
                "correction by the flow review_resume or rigline jobs run --all."
            )


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{shown(file)} cannot be read as JSON: {error}") from error


def _show(ticket: Ticket, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(ticket_json(ticket), indent=2))
        return
    results().print(ticket_table([ticket]))
    _print_lines(ticket.reasons[1:])


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        results().print(line, markup=False)
