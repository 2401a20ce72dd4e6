"""A batch inside a flow run: one task drives it on Ray, and an artifact shows how far it is.

A Prefect task an asset and stage would cost more than the stages; see docs/batches.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from prefect import Task, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from rigline.batch.legs import Wanted
from rigline.batch.progress import Figures
from rigline.batch.run import Request, begin, cluster, drive
from rigline.db.ledger import Ledger
from rigline.engine.batch import Batch, DeadLetter
from rigline.errors import is_transient
from tasks.job_tasks import clock
from tasks.services import opened_ledger, services

EVERY_S: Final = 3.0
"""How often the artifact is brought up to date."""
LETTERS_SHOWN: Final = 50


def begun_batch(request: Request) -> str:
    """The id of a new batch."""
    with opened_ledger() as ledger:
        return begin(ledger, services(), request, clock).id


def _worth_retrying(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


@task(
    task_run_name="drive {batch_id}",
    retries=3,
    retry_delay_seconds=[30.0, 120.0, 600.0],
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def drive_batch(batch_id: str, wanted: Wanted) -> dict[str, Any]:
    """Drive a batch to its end, from wherever it stands; how many items came to what."""
    with opened_ledger() as ledger, cluster(wanted.workers):
        with ledger.reading() as work:
            batch = work.batches.get(batch_id)
        figures = drive(ledger, services(), batch, clock, wanted, _live_artifact(batch))
        _show_end(ledger, batch, figures)
    return {"batch": batch_id, **_counts(figures)}


def _live_artifact(batch: Batch) -> Callable[[Figures], None]:
    """What to tell the figures to; every few seconds the artifact of the batch shows them."""
    shown: list[UUID] = []
    last = float("-inf")

    def hear(figures: Figures) -> None:
        nonlocal last
        now = time.monotonic()
        ended = figures.share is not None and figures.share >= 1
        if now - last < EVERY_S and not ended:
            return
        last = now
        percent, said = 100 * (figures.share or 0.0), figures_markdown(figures)
        if not shown:
            made = create_progress_artifact(
                percent, key=f"batch-{batch.id}", description=f"{batch.source}\n\n{said}"
            )
            shown.append(made)  # type: ignore[arg-type]
        else:
            update_progress_artifact(shown[0], percent, f"{batch.source}\n\n{said}")

    return hear


def figures_markdown(figures: Figures) -> str:
    """The figures as a table, with the rate and the estimated end."""
    counts = _counts(figures)
    total = "?" if figures.total is None else f"{figures.total:,}"
    lines = [
        f"| {' | '.join(name.replace('_', ' ') for name in counts)} | of |",
        f"|{'---|' * (len(counts) + 1)}",
        f"| {' | '.join(f'{count:,}' for count in counts.values())} | {total} |",
        "",
        f"{figures.per_second:.2f} a second on {figures.workers} workers",
    ]
    if figures.seconds_left:
        lines[-1] += f", about {figures.seconds_left / 60:.1f} minutes left"
    if figures.said:
        lines.append(figures.said)
    return "\n".join(lines)


def _show_end(ledger: Ledger, batch: Batch, figures: Figures) -> None:
    with ledger.reading() as work:
        letters = [d for d in work.batches.dead_letters(batch.id) if d.replayed_at is None]
    create_markdown_artifact(
        key=f"batch-{batch.id}-end",
        markdown="\n".join(
            [
                f"# Batch {batch.id}",
                f"{batch.source} → {batch.dest}",
                "",
                figures_markdown(figures),
                "",
                *_letters_markdown(letters),
            ]
        ),
        description=f"{figures.ended:,} items, {figures.dead:,} given up",
    )


def _letters_markdown(letters: list[DeadLetter]) -> list[str]:
    if not letters:
        return ["Nothing was given up."]
    rows = [
        f"| {d.number} | {d.locator} | {d.kind} | {d.stage} | {_cell(d.error)} |"
        for d in letters[:LETTERS_SHOWN]
    ]
    more = len(letters) - len(rows)
    return [
        "| number | source | fault | stage | error |",
        "|---|---|---|---|---|",
        *rows,
        *([f"\n{more:,} more: rigline batch report"] if more else []),
    ]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())[:300]


def _counts(figures: Figures) -> dict[str, int]:
    names = ("published", "in_review", "rejected", "dead", "duplicates")
    return {name: getattr(figures, name) for name in names}
