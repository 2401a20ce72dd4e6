"""``rigline eval``: predictions against truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from rigline.cli.console import ExitCode, fail, messages, results
from rigline.delivery import write_file
from rigline.errors import InvalidInput, RiglineError
from rigline.evaluation.metrics import METRICS
from rigline.evaluation.summary import Evaluation, evaluate, known_truth, summary_of
from rigline.settings import load_settings


def evaluate_command(
    pred: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder with ID.glb, .avatar.glb, .fbx or .npz."),
    ],
    truth: Annotated[Path, typer.Option(metavar="DIR", help="Folder with ID.npz.")],
    ids: Annotated[
        str, typer.Option(help="Comma-separated characters; by default all that truth has.")
    ] = "",
    align: Annotated[
        bool, typer.Option(help="Scale and centre predictions whose bounding box is off.")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all scores as JSON.")
    ] = None,
) -> None:
    """Measure joints, parts and skin weights of avatars against truth.

    Joint errors and deformation are in % of the height, segmentation in %, weight distances from 0
    to 2. Exit code: 0 when all characters were scored, 1 when some could not be, 2 when the command
    is wrong.
    """
    try:
        for folder in (pred, truth):
            if not folder.is_dir():
                raise InvalidInput(f"There is no folder {folder}.", remedy="Check the path.")
        settings = load_settings()
        known = known_truth(truth)
        names = ids.split(",") if ids else known
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InvalidInput(
                f"There is no truth for {', '.join(unknown)}.",
                remedy=f"There is for {', '.join(known)}.",
            )
        with Progress(console=messages(), transient=True) as progress:
            task = progress.add_task("scoring", total=len(names))
            scored = evaluate(
                pred, truth, names, align, lambda _: progress.advance(task),
                limits=settings.limits, isolation=settings.isolation,
            )  # fmt: skip
    except RiglineError as error:
        fail(error)
    _print(scored)
    if json_file is not None:
        text = json.dumps(scored.to_json(), indent=1, allow_nan=False)
        write_file(json_file, text.encode() + b"\n")
    failed = bool(scored.missing or scored.failed)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


def _print(scored: Evaluation) -> None:
    table = Table("character", *METRICS, "notes", box=None, pad_edge=False)
    for name, scores in scored.scores.items():
        table.add_row(name, *(_cell(scores[m]) for m in METRICS), _notes(scores))
    summary = summary_of(scored)
    for average in ("mean", "median"):
        cells = (_cell(summary["summary"][m][average]) for m in METRICS)
        table.add_row(average, *cells, style="bold")
    results().print(table)
    for name in scored.missing:
        results().print(f"{name}: no prediction", style="red", markup=False)
    for name, error in scored.failed.items():
        results().print(f"{name}: {error}", style="red", markup=False)
    results().print(
        f"{summary['scored']} of {summary['n']} scored, {summary['failures']} failed, "
        f"{summary['lr_swapped']} with left and right swapped, "
        f"{summary['missing_joints']} joints missing"
    )


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _notes(scores: dict[str, Any]) -> str:
    notes = ["SWAPPED"] if scores["lr_swapped"] else []
    notes += ["aligned"] if scores["aligned"] else []
    notes += [f"lacks {', '.join(scores['joint_missing'])}"] if scores["joint_missing"] else []
    return ", ".join(notes)
