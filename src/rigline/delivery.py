"""What a job leaves in a folder: the avatar, its report, its picture."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rigline.errors import InvalidInput
from rigline.pipelines.avatar_outcome import Outcome

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


def files_of_avatar(avatar: Path) -> OutputFiles:
    """The files beside an avatar that ``rigline setup`` wrote."""
    return files_of(avatar, avatar=avatar)


def write_outcome(outcome: Outcome, files: OutputFiles) -> None:
    """Write the three files; the report comes last, so that where it is, all are."""
    write_file(files.avatar, outcome.avatar_glb)
    write_file(files.preview, outcome.preview_png)
    write_file(files.report, outcome.report.to_bytes())


def write_files(files: Mapping[str, bytes], folder: Path, stem: str) -> list[Path]:
    """Write files in their order, each as ``STEM.ENDING`` for its ending; their paths."""
    paths = []
    for ending, data in files.items():
        paths.append(folder / f"{stem}.{ending}")
        write_file(paths[-1], data)
    return paths


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_asset(source: Path, max_bytes: int) -> bytes:
    """The bytes of a file to set up; ``InvalidInput`` when it is no readable file or too large."""
    try:
        if source.is_dir():
            raise InvalidInput(f"{source} is a folder.", remedy="Name the files in it.")
        size = source.stat().st_size
        if size > max_bytes:
            raise InvalidInput(
                f"{source.name} has {size:,} bytes; at most {max_bytes:,} are read.",
                remedy="Reduce its meshes and textures, or raise RIGLINE_MAX_BYTES.",
            )
        return source.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {source}.", remedy="Check the path.") from error
    except OSError as error:
        raise InvalidInput(
            f"{source} cannot be read: {error.strerror}.",
            remedy="Check that it is a file that you may read.",
        ) from error
