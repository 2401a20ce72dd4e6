"""``rigline batch``: many files at once, on the cores of this machine or on a Ray cluster."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from rigline.bootstrap import open_services
from rigline.cli.batch_progress import shown_progress
from rigline.cli.batch_tables import (
    batch_json,
    batch_table,
    letter_json,
    letter_table,
)
from rigline.cli.console import ExitCode, fail, messages, results, shown
from rigline.cli.jobs import user_name
from rigline.cli.ledger_session import AsJson, clock, opened_ledger
from rigline.cli.marketplace_choice import (
    AtlasChoice,
    BodyTypeChoice,
    CageTemplateChoice,
    PresetChoice,
    ProportionsChoice,
    marketplace_options,
)
from rigline.engine.batch import Batch, BatchLimits, BatchState, FaultKind
from rigline.errors import InvalidInput

if TYPE_CHECKING:
    from rigline.batch.progress import Figures
    from rigline.db.ledger import Ledger

INTERRUPTED: Final = 130
"""Exit code of a command that was interrupted, as shells have it."""
LETTERS_SHOWN: Final = 20


class _RunByDefault(TyperGroup):
    """``rigline batch SOURCE`` is ``rigline batch run SOURCE``; a folder ``list`` is ``./list``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


batch = typer.Typer(
    cls=_RunByDefault,
    help="Many files at once. rigline batch SOURCE --dest DEST is short for rigline batch run.",
    no_args_is_help=True,
)
BatchId = Annotated[str, typer.Argument(metavar="ID", help="A batch; list shows them.")]


@batch.command("run")
def run_command(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A folder, s3://bucket/prefix, or a manifest: .csv .jsonl .ndjson .parquet."
        ),
    ] = None,
    dest: Annotated[str | None, typer.Option(help="A folder or s3://bucket/prefix.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with a batch that broke off.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be done, and do nothing.")
    ] = False,
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="Only files named so, such as '*.glb'; may be repeated."),
    ] = None,
    pipeline: Annotated[str, typer.Option(help="What to do with each.")] = "avatar-auto-setup",
    preset: PresetChoice = "development",
    body_type: BodyTypeChoice = None,
    proportions: ProportionsChoice = None,
    cage_template: CageTemplateChoice = None,
    atlas: AtlasChoice = None,
    creator: Annotated[str | None, typer.Option(help="Whose files; by default yours.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers; by default one for each CPU.")
    ] = None,
    inference_workers: Annotated[
        int | None,
        typer.Option(min=0, help="Workers for the models alone; by default one for each GPU."),
    ] = None,
    together: Annotated[
        int | None, typer.Option(min=1, help="Assets that share one call of a model.")
    ] = None,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts at one item.")
    ] = BatchLimits.attempts,
    stage_seconds: Annotated[
        float, typer.Option(min=0.1, help="The longest that one stage of one item may take.")
    ] = BatchLimits.stage_seconds,
    memory_mib: Annotated[
        int, typer.Option(min=64, help="The most memory that one worker's process may take.")
    ] = BatchLimits.memory_mib,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline over all files of a source; a file that cannot be used stops no other.

    With RAY_ADDRESS the workers are those of that cluster, else this machine's CPUs. Interrupted or
    killed at any point, --resume goes on from there and repeats no finished stage.

    Exit code: 0 when every file has its result, 1 when some were given up (rigline batch report) or
    something was away, 2 when the command is wrong, 130 when it was interrupted.
    """
    if (source is None) == (resume is None):
        fail("Name a SOURCE with --dest, or a batch with --resume.")
    if source is not None and dest is None:
        fail("Say where the results go: --dest.")
    limits = BatchLimits(attempts, stage_seconds, memory_mib)
    with opened_ledger() as ledger, _needing_extra():
        from rigline.batch.legs import Wanted
        from rigline.batch.run import Request, begin, check

        services, wanted = open_services(), Wanted(workers, inference_workers, together)
        if resume is not None:
            with ledger.reading() as work:
                one = work.batches.get(resume)
        else:
            assert source is not None
            assert dest is not None
            request = Request(
                source, dest, creator or user_name(), pipeline, tuple(pattern or ()), limit,
                limits, preset,
                marketplace_options(services, body_type, proportions, atlas, cage_template),
            )  # fmt: skip
            if dry_run:
                _show_plan(check(services, request), as_json)
                return
            one = begin(ledger, services, request, clock)
        if dry_run:
            fail("--dry-run goes with a SOURCE.")
        figures, interrupted = _drive(ledger, services, one, wanted, quiet=as_json)
        _show_end(ledger, one, figures, as_json)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(int(ExitCode.FAILED if figures.dead else ExitCode.OK))


@batch.command("list")
def list_command(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List batches, the newest first."""
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            found = [(b, _counted(work.batches.figures(b.id))) for b in work.batches.list(limit)]
        if as_json:
            _print_json([batch_json(one, figures) for one, figures in found])
        elif found:
            results().print(batch_table(found))
        else:
            results().print("no batches")


@batch.command("show")
def show_command(batch_id: BatchId, as_json: AsJson = False) -> None:
    """Show a batch, its figures, and the first of what was given up."""
    with opened_ledger() as ledger:
        one, figures = _found(ledger, batch_id)
        with ledger.reading() as work:
            letters = work.batches.dead_letters(batch_id, limit=LETTERS_SHOWN)
        if as_json:
            _print_json(
                {**batch_json(one, figures), "dead_letters": [letter_json(d) for d in letters]}
            )
            return
        results().print(batch_table([(one, figures)]))
        results().print(f"{shown(one.source)} → {shown(one.dest)}", markup=False)
        if one.said:
            results().print(f"stopped: {one.said}", markup=False)
        if letters:
            results().print(letter_table(letters))


@batch.command("report")
def report_command(
    batch_id: BatchId,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="A Parquet file of all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what became of a batch: what was given up and why, and with --out every item."""
    with opened_ledger() as ledger, _needing_extra():
        one, figures = _found(ledger, batch_id)
        with ledger.reading() as work:
            letters = [d for d in work.batches.dead_letters(batch_id) if not d.replayed_at]
        rows = None
        if out is not None:
            from rigline.batch.results import write_results

            rows = write_results(ledger, batch_id, out)
        if as_json:
            _print_json(
                {**batch_json(one, figures), "dead_letters": [letter_json(d) for d in letters]}
            )
            return
        results().print(batch_table([(one, figures)]))
        if letters:
            results().print(letter_table(letters))
        if rows is not None:
            results().print(f"{rows:,} items in {shown(out)}", markup=False)


@batch.command("replay")
def replay_command(
    batch_id: BatchId,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="NUMBER", help="Items; by default all.")
    ] = None,
    kind: Annotated[
        list[FaultKind] | None, typer.Option(help="Only what was given up so; may be repeated.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only what failed in this stage.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take back what was given up; it runs when the batch is next resumed."""
    with opened_ledger() as ledger:
        from rigline.batch.replay import replay

        back = replay(
            ledger, batch_id, clock(), numbers=numbers or (), kinds=kind or (), stage=stage
        )
        if as_json:
            _print_json([letter_json(letter) for letter in back])
        else:
            results().print(f"{len(back)} taken back; rigline batch --resume {batch_id} runs them")


def _drive(
    ledger: Ledger, services: Any, one: Batch, wanted: Any, *, quiet: bool
) -> tuple[Figures, bool]:
    """The figures at the end, and whether somebody interrupted the run."""
    from rigline.batch.run import cluster, drive

    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        if asked:  # the second time it is meant
            raise KeyboardInterrupt
        asked.append(number)

    if not quiet:
        messages().print(f"batch {one.id}; if it breaks off: rigline batch --resume {one.id}")
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        # Ray tells of workers that died on standard output, which is for results alone.
        with (
            redirect_stdout(sys.stderr),
            cluster(wanted.workers),
            shown_progress(quiet=quiet) as hear,
        ):
            figures = drive(ledger, services, one, clock, wanted, hear, lambda: bool(asked))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return figures, bool(asked)


def _found(ledger: Ledger, batch_id: str) -> tuple[Batch, Figures]:
    with ledger.reading() as work:
        return work.batches.get(batch_id), _counted(work.batches.figures(batch_id))


def _counted(counts: Any) -> Figures:
    from rigline.batch.progress import figures_of

    return figures_of(counts)


def _show_plan(plan: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(plan)
        return
    results().print(f"{plan['files']:,} files, {plan['unusable']:,} entries that name none")
    for name in plan["first"]:
        results().print(shown(name), markup=False)


def _show_end(ledger: Ledger, one: Batch, figures: Figures, as_json: bool) -> None:
    one, counted = _found(ledger, one.id)
    if as_json:
        _print_json(batch_json(one, counted))
        return
    results().print(batch_table([(one, counted)]))
    if one.state == BatchState.STOPPED:
        messages().print(f"stopped; rigline batch --resume {one.id} goes on", markup=False)
    if figures.dead:
        messages().print(f"rigline batch report {one.id} says why some were given up")


@contextmanager
def _needing_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "pyarrow"):
            raise
        raise InvalidInput(
            f"Batches need the library {error.name}.", remedy="Run pip install 'rigline[batch]'."
        ) from error


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
