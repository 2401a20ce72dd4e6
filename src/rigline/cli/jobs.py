"""``rigline jobs``: files become jobs, jobs run, and one sees what became of them."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from rigline.bootstrap import open_services, pipeline_named
from rigline.cli.console import ExitCode, fail, messages, results, shown
from rigline.cli.job_tables import (
    job_json,
    job_table,
    run_json,
    run_table,
    ticket_json,
    ticket_table,
)
from rigline.cli.ledger_session import AsJson, clock, opened_ledger
from rigline.cli.marketplace_choice import (
    AtlasChoice,
    BodyTypeChoice,
    CageTemplateChoice,
    PresetChoice,
    ProportionsChoice,
    marketplace_options,
)
from rigline.delivery import read_asset, write_files
from rigline.engine.job import WITH_ERROR, Job, JobState
from rigline.errors import ContractViolation, InvalidInput, ReviewConflict
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP

jobs = typer.Typer(
    help="Jobs in the ledger: submit files, run them, see what became of them.",
    no_args_is_help=True,
)
Batch = Annotated[str | None, typer.Option(help="Only jobs of this batch.")]
States = Annotated[list[JobState] | None, typer.Option("--state", help="May be repeated.")]


@jobs.command("submit")
def submit_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="What setup takes.")],
    creator: Annotated[str | None, typer.Option(help="Whose files; by default yours.")] = None,
    batch: Annotated[str | None, typer.Option(help="The batch that the jobs belong to.")] = None,
    priority: Annotated[int, typer.Option(min=-1000, max=1000, help="Larger goes first.")] = 0,
    pipeline: Annotated[
        str, typer.Option(help="What to do with the files; RIGLINE_PIPELINES adds others.")
    ] = AVATAR_AUTO_SETUP.name,
    preset: PresetChoice = "development",
    body_type: BodyTypeChoice = None,
    proportions: ProportionsChoice = None,
    cage_template: CageTemplateChoice = None,
    atlas: AtlasChoice = None,
    as_json: AsJson = False,
) -> None:
    """Queue a job for each file. The same file again is the same job, also if it was cancelled.

    Exit code: 0 when every file is a job, 1 when some could not be read, 2 when the command is
    wrong.
    """
    with opened_ledger() as ledger:
        from rigline.jobs.submission import submit

        services, done, failed = open_services(), list[Job](), False
        options = marketplace_options(services, body_type, proportions, atlas, cage_template)
        wanted = pipeline_named(services, pipeline, preset, options)
        for path in files:
            try:
                data = read_asset(path, services.settings.max_bytes)
            except InvalidInput as error:
                failed = True
                messages().print(f"{shown(path)}: {error}", style="red", markup=False)
                continue
            name, whose = shown(path.name), creator or user_name()
            done.append(
                submit(
                    ledger, services, data, name,
                    creator=whose, batch=batch, priority=priority, now=clock(), pipeline=wanted,
                )
            )  # fmt: skip
        _show(done, as_json)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


@jobs.command("run")
def run_command(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Jobs.")] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="All that wait: queued, parked, corrected, or without their worker."
        ),
    ] = False,
    batch: Annotated[str | None, typer.Option(help="With --all: only this batch.")] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also what another worker seems to have.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run jobs in this process, one after the other.

    Exit code: 0 when all ended published, rejected or in review, 1 when some failed, were parked,
    are cancelled or another worker's, 2 when the command is wrong.
    """
    if every == bool(ids) or (batch is not None and not every):
        fail("Name jobs, or give --all; --batch goes with --all.")
    with opened_ledger() as ledger:
        from rigline.db.jobs import JobFilter
        from rigline.jobs.execution import run
        from rigline.jobs.recovery import waiting
        from rigline.jobs.resumption import due_decisions, resume

        services = open_services()
        steps: list[tuple[str, Callable[[], Job]]] = []
        if every:
            ids = [job.id for job in waiting(ledger, clock(), JobFilter(batch=batch))]
            steps = [
                (decision_id, partial(resume, ledger, services, decision_id, clock))
                for decision_id in (due_decisions(ledger, clock()) if batch is None else ())
            ]
        steps += [
            (job_id, partial(run, ledger, services, job_id, clock, take_over=take_over))
            for job_id in ids or []
        ]
        done, away = _run_all(steps, quiet=as_json)
        _show(done, as_json)
    bad = away or any(job.state in WITH_ERROR for job in done)
    raise typer.Exit(int(ExitCode.FAILED if bad else ExitCode.OK))


@jobs.command("list")
def list_command(
    state: States = None,
    batch: Batch = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with opened_ledger() as ledger:
        from rigline.db.jobs import JobFilter

        with ledger.reading() as work:
            found = work.jobs.list(JobFilter(states=tuple(state or ()), batch=batch), limit=limit)
        _show(found, as_json)


@jobs.command("show")
def show_command(
    job_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False
) -> None:
    """Show a job with its stages and its ticket."""
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            job, runs = work.jobs.get(job_id), work.jobs.runs(job_id)
            asset, tickets = work.jobs.asset(job.asset_sha256), work.tickets.find(job_id=job_id)
        if as_json:
            _print_json(
                {
                    **job_json(job),
                    "asset": asset.name,
                    "stages": [run_json(run) for run in runs],
                    "tickets": [ticket_json(ticket) for ticket in tickets],
                }
            )
            return
        results().print(f"{asset.name}, {asset.bytes:,} bytes", markup=False)
        for table, rows in (
            (job_table([job]), [job]), (run_table(runs), runs), (ticket_table(tickets), tickets),
        ):  # fmt: skip
            if rows:
                results().print(table)


@jobs.command("write")
def write_command(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Jobs.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")] = Path(),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also where a file is there already.")
    ] = False,
) -> None:
    """Write what jobs have made: the avatar, its report and its picture.

    Nothing is computed. Exit code: 0 when all was written, 1 when some job has no results yet, 2
    when the command is wrong.
    """
    failed = False
    with opened_ledger() as ledger:
        from rigline.jobs.results import results_of

        services = open_services()
        for job_id in ids:
            try:
                finished = results_of(ledger, services, job_id)
            except ReviewConflict as error:
                failed = True
                messages().print(f"{job_id}: {error}", style="red", markup=False)
                continue
            files = services.kinds[finished.pipeline.name].files(finished)
            stem = Path(finished.asset.name).stem
            there = [out / f"{stem}.{end}" for end in files if (out / f"{stem}.{end}").exists()]
            if there and not overwrite:
                fail(f"{there[0]} is there already; --overwrite replaces it.")
            for path in write_files(files, out, stem):
                results().print(shown(path), markup=False)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


@jobs.command("replay")
def replay_command(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Jobs.")] = None,
    state: States = None,
    batch: Batch = None,
    creator: Annotated[str | None, typer.Option(help="Only jobs of this creator.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put failed and parked jobs back to queued: those named, or those that fit the filter."""
    filtered = bool(state) or batch is not None or creator is not None
    if bool(ids) == filtered:
        fail("Name jobs, or give --state, --batch or --creator.")
    with opened_ledger() as ledger:
        from rigline.db.jobs import JobFilter
        from rigline.jobs.recovery import replay, replay_job

        if ids:
            back = [replay_job(ledger, job_id, clock()) for job_id in ids]
        else:
            which = JobFilter(states=tuple(state or ()), batch=batch, creator=creator)
            back = replay(ledger, which, clock())
        _show(back, as_json)


@jobs.command("cancel")
def cancel_command(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Jobs.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the job.")] = "",
    who: Annotated[
        str | None,
        typer.Option("--as", envvar="RIGLINE_REVIEWER", metavar="NAME", help="By default you."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs that have not come to their end; submitting the file again queues it anew.

    The ticket of a job in review is withdrawn. A worker stops after the stage that it is at. Exit
    code: 0 when all are cancelled, 1 when some had ended before, 2 when the command is wrong.
    """
    done, failed = list[Job](), False
    with opened_ledger() as ledger:
        from rigline.jobs.cancellation import cancel

        name = who or user_name("--as")
        with ledger.reading() as work:  # a slip of the pen cancels nothing
            for job_id in ids:
                work.jobs.get(job_id)
        for job_id in ids:
            try:
                done.append(cancel(ledger, job_id, name, clock(), reason))
            except ReviewConflict as error:
                failed = True
                messages().print(f"{job_id}: {error}", style="red", markup=False)
        _show(done, as_json)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


def _run_all(
    steps: Sequence[tuple[str, Callable[[], Job]]], *, quiet: bool
) -> tuple[list[Job], bool]:
    """The jobs as they are afterwards, and whether some were another worker's."""
    done: list[Job] = []
    away = False
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages(), transient=True, disable=quiet) as progress:
        task = progress.add_task("running", total=len(steps))
        for number, (name, step) in enumerate(steps, 1):
            progress.update(task, description=f"{number}/{len(steps)} {name}")
            try:
                done.append(step())
            except (ReviewConflict, ContractViolation) as error:  # which must not stop the others
                away = True
                messages().print(f"{name}: {error}", style="red", markup=False)
            progress.advance(task)
    return done, away


def user_name(option: str = "--creator") -> str:
    """The name of whoever runs the command; ``InvalidInput`` when the system knows none, for which
    the remedy is ``option``."""
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # a process of a user without a name
        raise InvalidInput("Nobody knows your name.", remedy=f"Give {option}.") from error


def _show(found: Sequence[Job], as_json: bool) -> None:
    if as_json:
        _print_json([job_json(job) for job in found])
    elif found:
        results().print(job_table(found))
    else:
        results().print("no jobs")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
