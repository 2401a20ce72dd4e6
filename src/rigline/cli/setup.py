"""``rigline setup``: files in, avatars out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from rigline.bootstrap import Services, avatar_pipeline, open_services, set_up_avatar
from rigline.cli.console import ExitCode, fail, messages, results, shown
from rigline.cli.marketplace_choice import (
    AtlasChoice,
    BodyTypeChoice,
    CageTemplateChoice,
    PresetChoice,
    ProportionsChoice,
    marketplace_options,
)
from rigline.delivery import OutputFiles, files_of, read_asset, write_outcome
from rigline.engine.stage_run import StageRun
from rigline.errors import InvalidInput, RiglineError
from rigline.formats.isolation import warm_reader
from rigline.pipelines.marketplace_options import MarketplaceOptions
from rigline.pipelines.report import Report
from rigline.settings import load_settings

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
        entry: dict[str, Any] = {"input": shown(self.source), "seconds": round(self.seconds, 3)}
        if self.report is None or self.files is None:
            return {**entry, "ok": False, "error": self.error}
        return {
            **entry,
            "ok": True,
            "avatar": shown(self.files.avatar),
            "report": shown(self.files.report),
            "preview": shown(self.files.preview),
            "verdict": self.report.verdict,
            "confidence": self.report.confidence,
            "reasons": self.report.reasons,
            "warnings": self.report.warnings,
        }


def setup(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT", help="GLB, VRM, glTF (embedded), FBX, OBJ, PLY or STL files."
        ),
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
    preset: PresetChoice = "development",
    body_type: BodyTypeChoice = None,
    proportions: ProportionsChoice = None,
    cage_template: CageTemplateChoice = None,
    atlas: AtlasChoice = None,
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
    input failed or a service is away, 2 when the command is wrong.
    """
    try:
        plan = [(path, files_of(path, out, output)) for path in inputs]
        _check_plan(plan, out, output)
        services = open_services(load_settings(**({"backend": backend} if backend else {})))
        if services.settings.isolate_readers:
            warm_reader()
        options = marketplace_options(services, body_type, proportions, atlas, cage_template)
        avatar_pipeline(services.settings, preset, options)
    except RiglineError as error:
        fail(error)
    done = _set_up_all(services, plan, preset, options, quiet=as_json)
    if as_json:
        typer.echo(json.dumps([result.to_json() for result in done], indent=2))
    else:
        _print_table(done)
    failed = any(result.report is None for result in done)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


def set_up_file(
    services: Services,
    source: Path,
    files: OutputFiles,
    preset: str,
    on_stage: Callable[[StageRun], None] = lambda run: None,
    options: MarketplaceOptions | None = None,
) -> SetupResult:
    """Set up one file and write what came of it. Errors become part of the result."""
    started = time.perf_counter()
    try:
        data = read_asset(source, services.settings.max_bytes)
        outcome = set_up_avatar(services, data, source.name, preset, on_stage, options)
        write_outcome(outcome, files)
    except RiglineError as error:
        return SetupResult(source, time.perf_counter() - started, error=str(error))
    except Exception as error:  # a fault of ours in one file must not stop the others
        message = f"{type(error).__name__}: {error}. Please report this with the file."
        return SetupResult(source, time.perf_counter() - started, error=message)
    return SetupResult(source, time.perf_counter() - started, files, outcome.report)


def _check_plan(
    plan: Sequence[tuple[Path, OutputFiles]], out: Path | None, output: Path | None
) -> None:
    if out is not None and output is not None:
        raise InvalidInput("--out and --output exclude each other.", remedy="Give one of them.")
    if output is not None and len(plan) > 1:
        raise InvalidInput("--output names one file for many inputs.", remedy="Use --out DIR.")
    if output is not None and output.suffix.lower() != ".glb":
        raise InvalidInput(
            f"Avatars are GLB files, not {output.name!r}.", remedy="Use -o NAME.glb."
        )
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is not a folder.", remedy="Name a folder with --out.")
    sources = {source.resolve() for source, _ in plan}
    seen: dict[Path, Path] = {}
    for source, files in plan:
        other = seen.setdefault(files.avatar.resolve(), source)
        if other is not source:
            raise InvalidInput(
                f"{other} and {source} would both become {files.avatar}.",
                remedy="Run them apart, into different folders.",
            )
        for path in (files.avatar, files.report, files.preview):
            if path.resolve() in sources:
                raise InvalidInput(
                    f"{path} is an input, and {source} would overwrite it.",
                    remedy="Leave it out, or write elsewhere with --out DIR.",
                )


def _set_up_all(
    services: Services,
    plan: Sequence[tuple[Path, OutputFiles]],
    preset: str,
    options: MarketplaceOptions | None,
    quiet: bool,
) -> list[SetupResult]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    done: list[SetupResult] = []
    steps = len(avatar_pipeline(services.settings, preset).stages)
    with Progress(*columns, console=messages(), transient=True, disable=quiet) as progress:
        task = progress.add_task("setting up", total=len(plan) * steps)
        for number, (source, files) in enumerate(plan, 1):
            name = f"{number}/{len(plan)} {shown(source.name)}"
            progress.update(task, description=name)

            def advance(run: StageRun, name: str = name) -> None:
                progress.update(task, advance=1, description=f"{name}: {run.stage} done")

            done.append(set_up_file(services, source, files, preset, advance, options))
            progress.update(task, completed=number * steps)
            if done[-1].report is None and not quiet:
                messages().print(f"{shown(source)}: {done[-1].error}", style="red", markup=False)
    return done


def _print_table(done: Sequence[SetupResult]) -> None:
    table = Table("input", "verdict", "confidence", "seconds", "avatar", box=None, pad_edge=False)
    for result in done:
        name, seconds = Text(shown(result.source.name)), f"{result.seconds:.1f}"
        if result.report is None or result.files is None:
            table.add_row(name, Text("failed", "red"), "", seconds, "")
            continue
        verdict = Text(result.report.verdict, VERDICT_STYLES[result.report.verdict])
        confidence = f"{result.report.confidence:.2f}"
        table.add_row(name, verdict, confidence, seconds, Text(shown(result.files.avatar)))
    results().print(table)
    for result in done:
        for line in (*result.report.reasons, *result.report.warnings) if result.report else ():
            results().print(f"{shown(result.source.name)}: {line}", markup=False)
