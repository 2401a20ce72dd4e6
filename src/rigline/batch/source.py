"""What a batch is made of: the files of a folder or an S3 prefix, or the lines of a manifest.

Sources are read as they are needed and never held as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from rigline.batch.places import open_files
from rigline.delivery import AVATAR_SUFFIX
from rigline.engine.codec import encodable
from rigline.errors import InvalidInput
from rigline.settings import Settings
from rigline.storage.s3_location import is_s3

MESHES: Final = tuple(f"*.{kind}" for kind in ("glb", "gltf", "vrm", "fbx", "obj", "ply", "stl"))
"""The files that avatar set-up takes from a source, unless told otherwise."""


@dataclass(frozen=True)
class Entry:
    """One file of a source: where it is, and what its results are called.

    With an ``error`` it names no file that could be read, and says why. ``stamp`` changes when the
    file is written again; empty where the source cannot tell.
    """

    locator: str
    name: str
    error: str = ""
    stamp: str = ""


class Source(Protocol):
    """Entries, in any order, each locator once as far as the place itself sees to that."""

    def entries(self) -> Iterator[Entry]:
        """All entries, read as they are asked for.

        Raises ``InvalidInput`` when the place is not there or cannot be read, and
        ``ServiceUnavailable`` when it does not answer.
        """
        ...


@dataclass(frozen=True)
class FolderSource:
    """The files below a folder whose names fit a pattern; hidden ones and ``leave_out`` are not."""

    root: Path
    patterns: Sequence[str]
    leave_out: Path | None = None

    def entries(self) -> Iterator[Entry]:
        return self._below(self.root)

    def _below(self, folder: Path) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                for child in found:
                    if child.name.startswith("."):
                        continue
                    if child.is_dir():
                        if self.leave_out is None or Path(child.path).resolve() != self.leave_out:
                            yield from self._below(Path(child.path))
                    elif _fits(child.name, self.patterns):
                        found_at = Path(child.path).relative_to(self.root).as_posix()
                        yield _entry(child.path, found_at, _stamp_of(child))
        except OSError as error:
            raise InvalidInput(
                f"The folder {folder} cannot be read: {error.strerror}.", remedy="Check the path."
            ) from error


@dataclass(frozen=True)
class S3Source:
    """The objects below an ``s3://`` prefix whose names fit a pattern."""

    address: str
    patterns: Sequence[str]
    settings: Settings
    leave_out: str | None = None

    def entries(self) -> Iterator[Entry]:
        base = self.address.rstrip("/")
        for name, stamp in open_files(base, self.settings).stamped():
            locator = f"{base}/{name}"
            inside = self.leave_out is not None and locator.startswith(self.leave_out + "/")
            if not inside and _fits(name.rpartition("/")[2], self.patterns):
                yield _entry(locator, name, stamp)


def open_source(
    address: str, settings: Settings, patterns: Sequence[str] = (), dest: str | None = None
) -> Source:
    """The source of that address: a folder, an ``s3://`` prefix, or a manifest by its ending.

    What lies below ``dest`` is no part of it. Raises ``InvalidInput`` for what can be none of
    these, and when source and destination are one.
    """
    from rigline.batch.manifest import Manifest, is_manifest

    if is_manifest(address):
        return Manifest(address, settings)
    if is_s3(address):
        if dest is not None and dest.rstrip("/") == address.rstrip("/"):
            raise _same(address)
        return S3Source(address, patterns or MESHES, settings, dest.rstrip("/") if dest else None)
    root = Path(address)
    if not root.is_dir():
        raise InvalidInput(
            f"{address} is neither a folder nor a manifest.",
            remedy="Name a folder, s3://bucket/prefix, or a .csv, .jsonl or .parquet file.",
        )
    leave_out = Path(dest).resolve() if dest and not is_s3(dest) else None
    if leave_out == root.resolve():
        raise _same(address)
    return FolderSource(root, patterns or MESHES, leave_out)


def result_name(path: str) -> str:
    """What the results of a file are called: its path without ``.glb``, other endings included.

    Different files have different names, and none leads out of the destination.
    """
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    return "/".join(parts).removesuffix(".glb")


def chunks(entries: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    """The entries in lists of at most ``size``."""
    while chunk := list(islice(entries, size)):
        yield chunk


def _stamp_of(file: os.DirEntry[str]) -> str:
    try:
        found = file.stat()
    except OSError:  # gone since, or a link to nowhere: reading it says so
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def _entry(locator: str, path: str, stamp: str = "") -> Entry:
    if encodable(locator) != locator:
        return Entry(encodable(locator), "", "The name of the file is no text; rename it.")
    return Entry(locator, result_name(path), stamp=stamp)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    lower = name.lower()
    if lower.endswith(AVATAR_SUFFIX):  # what an earlier batch left beside its input
        return False
    return any(fnmatch(lower, pattern.lower()) for pattern in patterns)


def _same(address: str) -> InvalidInput:
    return InvalidInput(
        f"{address} is both source and destination.", remedy="Write elsewhere with --dest."
    )
