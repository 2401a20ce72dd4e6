"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

import typer
from rich.console import Console

from rigline.engine.codec import encodable
from rigline.errors import InvalidInput, RiglineError

TABLE_WIDTH = 160


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    FAILED = 1
    USAGE = 2


def results() -> Console:
    """Standard output; a table keeps its columns whole even where the terminal is narrow."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, TABLE_WIDTH)
    return console


def messages() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def shown(name: object) -> str:
    """A path as text that any encoder accepts, whatever bytes the file system has for it."""
    return encodable(str(name))


def fail(error: RiglineError | str, code: ExitCode | None = None) -> NoReturn:
    """Say why nothing could be done, and leave.

    Without a ``code`` with 2 where it is the command that has to change, and with 1 where it is
    not: a service was away, somebody else was faster, or Rigline or a model is at fault.
    """
    if code is None:
        wrong = isinstance(error, str | InvalidInput)
        code = ExitCode.USAGE if wrong else ExitCode.FAILED
    messages().print(f"rigline: {error}", style="red", markup=False)
    raise typer.Exit(int(code))
