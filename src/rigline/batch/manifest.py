"""Manifests: lists of files as CSV, JSON lines or Parquet, read line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from rigline.batch.places import MAX_MANIFEST_BYTES, Reader
from rigline.batch.source import Entry, result_name
from rigline.engine.codec import encodable
from rigline.errors import InvalidInput
from rigline.settings import Settings
from rigline.storage.s3_location import is_s3

ENDINGS: Final = (".csv", ".jsonl", ".ndjson", ".parquet")
COLUMNS: Final = ("path", "uri", "file")
"""Where a line names its file; ``name``, where it is there, says what its results are called."""
ROWS: Final = 1024
Line = Mapping[str, Any]


def is_manifest(address: str) -> bool:
    """Whether a source of that address is a manifest."""
    return address.lower().endswith(ENDINGS)


@dataclass(frozen=True)
class Manifest:
    """The files that a manifest lists. Paths that are not absolute begin at its own folder."""

    address: str
    settings: Settings

    def entries(self) -> Iterator[Entry]:
        """An entry for each line; one that names no file becomes an entry with an error."""
        for number, line in enumerate(self._lines(), 1):
            yield self._entry(number, line)

    def _entry(self, number: int, line: Line | str) -> Entry:
        where = f"{self.address}:{number}"
        if isinstance(line, str):
            return Entry(where, "", f"Entry {number} of the manifest {line}.")
        path = next((line[c] for c in COLUMNS if line.get(c)), None)
        if not isinstance(path, str):
            return Entry(where, "", f"Entry {number} of the manifest has no {COLUMNS[0]}.")
        locator = self._locator(path)
        if encodable(locator) != locator or "\0" in locator:
            return Entry(where, "", f"Entry {number} of the manifest names a path that is no text.")
        name = line.get("name")
        return Entry(locator, result_name(name if isinstance(name, str) and name else path))

    def _locator(self, path: str) -> str:
        if is_s3(path) or Path(path).is_absolute():
            return path
        folder = self.address.rpartition("/")[0]
        return f"{folder}/{path}" if folder else path

    def _lines(self) -> Iterator[Line | str]:
        """The lines, or what is wrong with one."""
        ending = self.address.lower().rpartition(".")[2]
        with self._opened() as file:
            if ending == "csv":
                yield from _csv_lines(self.address, file)
            elif ending == "parquet":
                yield from _parquet_lines(self.address, file)
            else:
                yield from _json_lines(file)

    def _opened(self) -> BinaryIO:
        if is_s3(self.address):
            data = Reader(self.settings).read(self.address, MAX_MANIFEST_BYTES)
            return io.BytesIO(data)
        try:
            return open(self.address, "rb")
        except OSError as error:
            raise InvalidInput(
                f"The manifest {self.address} cannot be read: {error.strerror}.",
                remedy="Check the path.",
            ) from error


def _csv_lines(address: str, file: BinaryIO) -> Iterator[Line | str]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    rows = csv.DictReader(text)
    _check_columns(address, rows.fieldnames or ())
    try:
        yield from rows
    except csv.Error as error:
        yield f"is no CSV: {error}"


def _json_lines(file: BinaryIO) -> Iterator[Line | str]:
    for raw in file:
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
        except ValueError:
            yield "is no JSON"
            continue
        if isinstance(line, str):
            line = {COLUMNS[0]: line}
        yield line if isinstance(line, dict) else "is no JSON object"


def _parquet_lines(address: str, file: BinaryIO) -> Iterator[Line | str]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"The manifest {address} needs the library pyarrow.",
            remedy="Run pip install 'rigline[batch]'.",
        ) from error
    try:
        table = parquet.ParquetFile(file)
        columns = [c for c in table.schema_arrow.names if c in (*COLUMNS, "name")]
        _check_columns(address, columns)
        for rows in table.iter_batches(ROWS, columns=columns):
            yield from rows.to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise InvalidInput(f"The manifest {address} is no Parquet file: {error}") from error


def _check_columns(address: str, columns: Any) -> None:
    if not set(columns) & set(COLUMNS):
        raise InvalidInput(
            f"The manifest {address} has no column {COLUMNS[0]!r}.",
            remedy=f"Name the files in a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}.",
            columns=list(columns),
        )
