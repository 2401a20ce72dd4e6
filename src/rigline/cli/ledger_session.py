"""How a command opens the ledger, and how it ends when something is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rigline.bootstrap import open_ledger
from rigline.cli.console import fail
from rigline.errors import RiglineError
from rigline.settings import load_settings

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@contextmanager
def opened_ledger() -> Iterator[Ledger]:
    """The ledger, in which the decisions that stand by now have been carried out.

    Leaves with exit code 2 when the command cannot be right, with 1 when something was away,
    somebody else faster, or Rigline at fault.
    """
    try:
        ledger = open_ledger(load_settings())
        from rigline.jobs.resumption import carry_out_due

        try:
            carry_out_due(ledger, clock())
            yield ledger
        finally:
            ledger.close()
    except RiglineError as error:
        fail(error)
