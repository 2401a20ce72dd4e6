"""``rigline validate``: anybody's avatars against the published character specification."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from rigline.avatar.cage_transfer import CageMeshes
from rigline.avatar.marketplace.rules import BodyType, CheckSettings, Preset, TextureLimit
from rigline.cli.console import ExitCode, fail, messages, results, shown
from rigline.cli.past_reports import request_of_report
from rigline.delivery import read_asset, write_file
from rigline.errors import ContractViolation, InvalidInput, RiglineError
from rigline.formats.isolation import warm_reader
from rigline.pipelines.cage_template_file import read_template
from rigline.settings import Settings, load_settings
from rigline.validation import FileVerdict, ValidationRequest, validate_file
from rigline.validation.page import html_page
from rigline.validation.rules_page import rules_page

STYLES = {"error": "red", "warning": "yellow", "info": "blue"}


def validate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Avatars: GLB, glTF (embedded), VRM, FBX."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON array instead of a table.")
    ] = False,
    as_html: Annotated[
        bool, typer.Option("--html", help="Write one HTML page with pictures of the places.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where JSON or HTML go, not to stdout."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="marketplace: all rules. development: one skinned mesh of any size.")
    ] = "marketplace",
    body_type: Annotated[
        str, typer.Option(help="Table of the largest sizes: normal, slender or classic.")
    ] = "normal",
    texture_limit: Annotated[
        str,
        typer.Option(
            help="Which document bounds textures: validation (1024 and 256) or body (2048)."
        ),
    ] = "validation",
    studs_per_unit: Annotated[
        float | None,
        typer.Option(
            help="Studs in one unit of the file; by default 1, and in the development preset as "
            "many as make the body 5 studs tall."
        ),
    ] = None,
    cage_template: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your copy of the official cage template: GLB, glTF, OBJ or FBX."
        ),
    ] = None,
    by_report: Annotated[
        bool,
        typer.Option(
            "--by-report",
            help="Judge each STEM.avatar.glb as STEM.report.json beside it says: its preset, body "
            "type, texture limit and cage template (from the artifact store).",
        ),
    ] = False,
    list_rules: Annotated[
        bool, typer.Option("--list-rules", help="Print the reference of all rules, as Markdown.")
    ] = False,
) -> None:
    """Check finished avatars, whoever made them, against the published character specification.

    Every rule is reported with measure, limit, place, remedy, document and date. Exit code: 0 when
    no file has errors (warnings do not count), 1 when some file has errors or cannot be read, or
    when a service is away, 2 when the command is wrong.
    """
    if list_rules:
        typer.echo(rules_page(), nl=False)
        return
    try:
        if not inputs:
            raise InvalidInput("There is nothing to check.", remedy="Name one file or more.")
        if as_json and as_html:
            raise InvalidInput("--json and --html exclude each other.", remedy="Give one of them.")
        if out is not None and not (as_json or as_html):
            raise InvalidInput("--out needs --json or --html.", remedy="Give one of them.")
        settings = load_settings()
        request = _request(preset, body_type, texture_limit, studs_per_unit, settings)
        if settings.isolate_readers:
            warm_reader()
        if cage_template is not None:
            request = replace(request, cage_template=_read_template(cage_template, request))
        verdicts = _judge(inputs, request, settings if by_report else None)
    except RiglineError as error:
        fail(error)
    if as_json:
        _write(json.dumps([verdict.to_json() for verdict in verdicts], indent=2) + "\n", out)
    elif as_html:
        _write(html_page(verdicts), out)
    else:
        for verdict in verdicts:
            _print(verdict)
    conformant = all(verdict.conformant for verdict in verdicts)
    raise typer.Exit(int(ExitCode.OK if conformant else ExitCode.FAILED))


def _request(
    preset: str,
    body_type: str,
    texture_limit: str,
    studs_per_unit: float | None,
    settings: Settings,
) -> ValidationRequest:
    for option, value, known in (
        ("--preset", preset, get_args(Preset)),
        ("--body-type", body_type, get_args(BodyType)),
        ("--texture-limit", texture_limit, get_args(TextureLimit)),
    ):
        if value not in known:
            raise InvalidInput(f"{option} {value!r} is unknown.", remedy=f"Use {', '.join(known)}.")
    if studs_per_unit is not None and not 0 < studs_per_unit < float("inf"):
        raise InvalidInput(
            f"--studs-per-unit {studs_per_unit} is no scale.", remedy="Use a number above 0."
        )
    return ValidationRequest(
        preset,  # type: ignore[arg-type]  # checked above
        CheckSettings(body_type, texture_limit),  # type: ignore[arg-type]
        studs_per_unit,
        limits=settings.limits,
        isolation=settings.isolation,
    )


def _read_template(path: Path, request: ValidationRequest) -> CageMeshes:
    try:
        data = read_asset(path, request.limits.max_bytes)
        return read_template(data, path.name, request.limits, request.isolation)
    except InvalidInput as error:
        raise InvalidInput(f"The cage template {path} cannot be used: {error}") from error


def _judge(
    inputs: Sequence[Path], request: ValidationRequest, reported: Settings | None
) -> list[FileVerdict]:
    """A verdict on each file; with ``reported``, by what the report beside it says.

    Raises ``ServiceUnavailable`` when no reading process can be started.
    """
    verdicts = []
    with Progress(console=messages(), transient=True, disable=len(inputs) < 2) as progress:
        task = progress.add_task("checking", total=len(inputs))
        for source in inputs:
            name = shown(source)
            try:
                data = read_asset(source, request.limits.max_bytes)
                chosen = request_of_report(source, request, reported) if reported else request
                verdicts.append(validate_file(data, name, chosen))
            except (InvalidInput, ContractViolation) as error:
                verdicts.append(
                    FileVerdict(name, request.preset, request.settings, error=str(error))
                )
            progress.advance(task)
    return verdicts


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        write_file(out, text.encode("utf-8"))
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.")


def _print(verdict: FileVerdict) -> None:
    if verdict.subject is None:
        results().print(f"{verdict.name}: not read: {verdict.error}", style="red", markup=False)
        return
    counts = {kind: len(verdict.failed(kind)) for kind in ("error", "warning", "info")}
    line = (
        f"{verdict.name}: {counts['error']} errors, {counts['warning']} warnings, "
        f"{counts['info']} notes, {len(verdict.passed)} rules kept, "
        f"{len(verdict.not_applicable)} not applicable, {len(verdict.not_checked)} not checked"
    )
    results().print(Text(line, "green" if verdict.conformant else "red"))
    for kind in ("error", "warning", "info"):
        failed = verdict.failed(kind)
        if not failed:
            continue
        table = Table(kind, "measured", "limit", "place", "remedy", box=None, pad_edge=False)
        for result in failed:
            cells = (result.message, result.limit, result.where, result.remedy)
            table.add_row(Text(result.rule_id, STYLES[kind]), *(Text(cell) for cell in cells))
        results().print(table)
