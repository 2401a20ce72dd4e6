"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import tempfile
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from rigline.errors import RiglineError


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    FAILED = 1
    USAGE = 2


def results() -> Console:
    """Standard output."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def fail(error: RiglineError | str, code: ExitCode = ExitCode.USAGE) -> NoReturn:
    """Say why nothing could be done, and leave."""
    messages().print(f"rigline: {error}", style="red", markup=False)
    raise typer.Exit(int(code))


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
