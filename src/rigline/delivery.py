"""What a job leaves in a folder: the avatar, its report, its picture."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rigline.bootstrap import Outcome

AVATAR_SUFFIX: Final = ".avatar.glb"


@dataclass(frozen=True)
class OutputFiles:
    """Where one input's avatar, report and picture go."""

    avatar: Path
    report: Path
    preview: Path


def files_of(source: Path, folder: Path | None = None, avatar: Path | None = None) -> OutputFiles:
    """The three files that a source leads to: beside it, in ``folder``, or beside ``avatar``."""
    name = source.stem
    if avatar is not None:
        name = avatar.name.removesuffix(AVATAR_SUFFIX).removesuffix(".glb")
        folder = avatar.parent
    elif folder is None:
        folder = source.parent
    return OutputFiles(
        avatar or folder / f"{name}{AVATAR_SUFFIX}",
        folder / f"{name}.report.json",
        folder / f"{name}.preview.png",
    )


def write_outcome(outcome: Outcome, files: OutputFiles) -> None:
    """Write the three files; the report comes last, so that where it is, all are."""
    write_file(files.avatar, outcome.avatar_glb)
    write_file(files.preview, outcome.preview_png)
    write_file(files.report, outcome.report.model_dump_json(indent=2).encode() + b"\n")


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
