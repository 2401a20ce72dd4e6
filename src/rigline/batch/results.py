"""What became of every item of a batch, as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow
from pyarrow import parquet

from rigline.db.ledger import Ledger
from rigline.delivery import write_file
from rigline.engine.batch import ItemOutcome
from rigline.errors import ServiceUnavailable

PAGE: Final = 1000
SCHEMA: Final = pyarrow.schema(
    [
        ("number", pyarrow.int64()),
        ("source", pyarrow.string()),
        ("name", pyarrow.string()),
        ("state", pyarrow.string()),
        ("job", pyarrow.string()),
        ("job_state", pyarrow.string()),
        ("asset_sha256", pyarrow.string()),
        ("verdict", pyarrow.string()),
        ("confidence", pyarrow.float64()),
        ("attempts", pyarrow.int32()),
        ("seconds", pyarrow.float64()),
        ("fault", pyarrow.string()),
        ("fault_stage", pyarrow.string()),
        ("error", pyarrow.string()),
    ]
)
"""One row an item. ``state`` is that of the item, ``job_state`` that of the job by now."""


def outcomes(ledger: Ledger, batch_id: str) -> Iterator[list[ItemOutcome]]:
    """All items of a batch by number, page by page."""
    after = -1
    while True:
        with ledger.reading() as work:
            page = list(work.batches.outcomes(batch_id, after, PAGE))
        if not page:
            return
        yield page
        after = page[-1].item.number


def write_results(ledger: Ledger, batch_id: str, path: Path) -> int:
    """Write the file, whole or not at all; how many rows it has.

    Raises ``ServiceUnavailable`` when it cannot be written.
    """
    sink, rows = pyarrow.BufferOutputStream(), 0
    with parquet.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        for page in outcomes(ledger, batch_id):
            table = pyarrow.Table.from_pylist([row_of(one) for one in page], SCHEMA)
            writer.write_table(table)
            rows += len(page)
    try:
        write_file(path, sink.getvalue().to_pybytes())
    except OSError as error:
        raise ServiceUnavailable(
            f"{path} cannot be written: {error.strerror}.", remedy="Name another file."
        ) from error
    return rows


def row_of(one: ItemOutcome) -> dict[str, Any]:
    """An item as a row of the file, and as JSON."""
    item, job, dead = one.item, one.job, one.dead
    judged = job.judged if job else None
    return {
        "number": item.number,
        "source": item.locator,
        "name": item.name,
        "state": str(item.state),
        "job": item.job_id,
        "job_state": str(job.state) if job else None,
        "asset_sha256": item.asset_sha256,
        "verdict": judged.verdict if judged else None,
        "confidence": judged.confidence if judged else None,
        "attempts": item.attempts,
        "seconds": item.seconds,
        "fault": str(dead.kind) if dead else None,
        "fault_stage": dead.stage if dead else None,
        "error": dead.error if dead else None,
    }
