"""The progress of a batch on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rigline.cli.console import messages

if TYPE_CHECKING:
    from rigline.batch.progress import Figures

EVERY_S: Final = 0.2


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Callable[[Figures], None]]:
    """What to tell the figures to, while a bar shows them on standard error."""
    columns = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=messages(), transient=True, disable=quiet) as progress:
        task = progress.add_task("starting", total=None)
        last = 0.0

        def hear(figures: Figures) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= EVERY_S:
                last = now
                progress.update(
                    task, completed=figures.ended, total=figures.total, description=line(figures)
                )

        yield hear


def line(figures: Figures) -> str:
    """The figures in a line."""
    counts = (
        (figures.published, "published"), (figures.in_review, "in review"),
        (figures.rejected, "rejected"), (figures.dead, "given up"),
        (figures.duplicates, "duplicates"),
    )  # fmt: skip
    parts = [f"{count:,} {name}" for count, name in counts if count]
    if figures.per_second:
        parts.append(f"{figures.per_second:.3g}/s")
    left = figures.seconds_left
    if left:
        parts.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
    if figures.said:
        parts.append(figures.said)
    return ", ".join(parts)
