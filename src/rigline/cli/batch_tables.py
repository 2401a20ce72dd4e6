"""Batches, their figures and what was given up, as tables for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from rigline.batch.progress import Figures
from rigline.engine.batch import Batch, DeadLetter

COLUMNS = ("published", "in_review", "rejected", "dead", "duplicates", "other", "waiting")


def batch_json(batch: Batch, figures: Figures) -> dict[str, Any]:
    """A batch as ``--json`` prints it."""
    return {
        "id": batch.id,
        "state": str(batch.state),
        "source": batch.source,
        "dest": batch.dest,
        "pipeline": batch.pipeline,
        "pipeline_version": batch.pipeline_version,
        "creator": batch.creator,
        "created_at": batch.created_at.isoformat(),
        "updated_at": batch.updated_at.isoformat(),
        "stopped_for": batch.said,
        "items": {name: getattr(figures, name) for name in COLUMNS},
    }


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as ``--json`` prints it."""
    return {
        "number": letter.number,
        "source": letter.locator,
        "kind": str(letter.kind),
        "stage": letter.stage,
        "error": letter.error,
        "attempts": letter.attempts,
        "job": letter.job_id,
        "asset_sha256": letter.asset_sha256,
        "created_at": letter.created_at.isoformat(),
        "replayed_at": letter.replayed_at.isoformat() if letter.replayed_at else None,
    }


def batch_table(batches: Iterable[tuple[Batch, Figures]]) -> Table:
    """A line for each batch."""
    heads = (name.replace("_", " ") for name in COLUMNS)
    table = Table("batch", "state", *heads, "source", box=None, pad_edge=False)
    for batch, figures in batches:
        counts = (str(getattr(figures, name)) for name in COLUMNS)
        table.add_row(batch.id, str(batch.state), *counts, Text(batch.source))
    return table


def letter_table(letters: Sequence[DeadLetter]) -> Table:
    """A line for each item that was given up."""
    names = ("number", "kind", "stage", "attempts", "source", "error")
    table = Table(*names, box=None, pad_edge=False)
    for letter in letters:
        table.add_row(
            str(letter.number), Text(letter.kind, "yellow" if letter.replayed_at else "red"),
            letter.stage, str(letter.attempts), Text(letter.locator), Text(letter.error),
        )  # fmt: skip
    return table
