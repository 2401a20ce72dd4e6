"""``rigline setup``: files in, avatars out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rigline.bootstrap import Services, avatar_pipeline, open_services, set_up_avatar
from rigline.cli.console import ExitCode, fail, messages, results
from rigline.delivery import OutputFiles, files_of, write_outcome
from rigline.errors import InvalidInput, RiglineError
from rigline.pipelines.report import Report
from rigline.settings import Backend, Settings

VERDICT_STYLES = {"accept": "green", "review": "yellow", "reject": "red"}


@dataclass(frozen=True)
class SetupResult:
    """What became of one input: a report, or an error."""

    source: Path
    seconds: float
    files: OutputFiles | None = None
    report: Report | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """One entry of ``--json``."""
        entry: dict[str, Any] = {"input": str(self.source), "seconds": round(self.seconds, 3)}
        if self.report is None or self.files is None:
            return {**entry, "ok": False, "error": self.error}
        return {
            **entry,
            "ok": True,
            "avatar": str(self.files.avatar),
            "report": str(self.files.report),
            "preview": str(self.files.preview),
            "verdict": self.report.verdict,
            "confidence": self.report.confidence,
            "reasons": self.report.reasons,
            "warnings": self.report.warnings,
        }


def setup(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="GLB, glTF (embedded) or OBJ files.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder for the results; by default beside each input."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The avatar's file; for a single input."
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="development (keeps the input's geometry) or marketplace.")
    ] = "development",
    backend: Annotated[
        str | None, typer.Option(help="Where the models run: embedded or triton.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON array instead of a table.")
    ] = False,
) -> None:
    """Turn raw humanoid meshes into rigged, skinned, caged avatars.

    Writes STEM.avatar.glb, STEM.report.json and STEM.preview.png for each input. A bad file stops
    no other. Exit code: 0 when every input gave an avatar (one that needs review too), 1 when some
    input failed, 2 when the command is wrong.
    """
    try:
        plan = [(path, files_of(path, out, output)) for path in inputs]
        _check_plan(plan, out, output)
        services = open_services(_settings(backend))
        avatar_pipeline(services.settings, preset)
    except RiglineError as error:
        fail(error)
    done = _set_up_all(services, plan, preset, quiet=as_json)
    if as_json:
        typer.echo(json.dumps([result.to_json() for result in done], indent=2))
    else:
        _print_table(done)
    failed = any(result.report is None for result in done)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


def set_up_file(services: Services, source: Path, files: OutputFiles, preset: str) -> SetupResult:
    """Set up one file and write what came of it. Errors become part of the result."""
    started = time.perf_counter()
    try:
        outcome = set_up_avatar(services, _read(source, services), source.name, preset)
        write_outcome(outcome, files)
    except RiglineError as error:
        return SetupResult(source, time.perf_counter() - started, error=str(error))
    except OSError as error:
        return SetupResult(source, time.perf_counter() - started, error=f"{error}.")
    return SetupResult(source, time.perf_counter() - started, files, outcome.report)


def _settings(backend: str | None) -> Settings:
    try:
        return Settings() if backend is None else Settings(backend=_known_backend(backend))
    except ValueError as error:
        raise InvalidInput(f"The settings cannot be used: {error}") from error


def _known_backend(name: str) -> Backend:
    if name in get_args(Backend):
        return cast(Backend, name)
    raise InvalidInput(f"There is no backend {name!r}.", remedy="Use embedded or triton.")


def _check_plan(
    plan: Sequence[tuple[Path, OutputFiles]], out: Path | None, output: Path | None
) -> None:
    if out is not None and output is not None:
        raise InvalidInput("--out and --output exclude each other.", remedy="Give one of them.")
    if output is not None and len(plan) > 1:
        raise InvalidInput("--output names one file for many inputs.", remedy="Use --out DIR.")
    if output is not None and output.suffix != ".glb":
        raise InvalidInput(
            f"Avatars are GLB files, not {output.name!r}.", remedy="Use -o NAME.glb."
        )
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is not a folder.", remedy="Name a folder with --out.")
    seen: dict[Path, Path] = {}
    for source, files in plan:
        other = seen.setdefault(files.avatar.resolve(), source)
        if other is not source:
            raise InvalidInput(
                f"{other} and {source} would both become {files.avatar}.",
                remedy="Run them apart, into different folders.",
            )
        if source.resolve() == files.avatar.resolve():
            raise InvalidInput(f"{source} would be overwritten.", remedy="Name another output.")


def _read(source: Path, services: Services) -> bytes:
    if source.is_dir():
        raise InvalidInput(f"{source} is a folder.", remedy="Name the files in it.")
    if not source.exists():
        raise InvalidInput(f"There is no file {source}.", remedy="Check the path.")
    size, limit = source.stat().st_size, services.settings.max_bytes
    if size > limit:
        raise InvalidInput(
            f"{source.name} has {size:,} bytes; at most {limit:,} are read.",
            remedy="Reduce its meshes and textures, or raise RIGLINE_MAX_BYTES.",
        )
    return source.read_bytes()


def _set_up_all(
    services: Services, plan: Sequence[tuple[Path, OutputFiles]], preset: str, quiet: bool
) -> list[SetupResult]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    done = []
    shown = len(plan) > 1 and not quiet
    with Progress(*columns, console=messages(), transient=True, disable=not shown) as progress:
        task = progress.add_task("setting up", total=len(plan))
        for source, files in plan:
            progress.update(task, description=source.name)
            done.append(set_up_file(services, source, files, preset))
            progress.advance(task)
            if done[-1].report is None:
                messages().print(f"{source}: {done[-1].error}", style="red", markup=False)
    return done


def _print_table(done: Sequence[SetupResult]) -> None:
    table = Table("input", "verdict", "confidence", "seconds", "avatar", box=None, pad_edge=False)
    for result in done:
        if result.report is None or result.files is None:
            table.add_row(result.source.name, "[red]failed[/]", "", f"{result.seconds:.1f}", "")
            continue
        verdict = result.report.verdict
        table.add_row(
            result.source.name,
            f"[{VERDICT_STYLES[verdict]}]{verdict}[/]",
            f"{result.report.confidence:.2f}",
            f"{result.seconds:.1f}",
            str(result.files.avatar),
        )
    results().print(table)
    for result in done:
        for reason in result.report.reasons if result.report else ():
            results().print(f"{result.source.name}: {reason}", markup=False)
