"""Sources: what is an item of a batch, and what its results are called."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rigline.batch.source import Entry, open_source, result_name
from rigline.errors import InvalidInput
from rigline.settings import Settings


def entries(address: object, dest: object = None, patterns: Sequence[str] = ()) -> list[Entry]:
    found = open_source(str(address), Settings(), patterns, str(dest) if dest else None)
    return sorted(found.entries(), key=lambda entry: entry.locator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.glb", "deep/er/b.OBJ", "deep/a.glb", "notes.txt", ".hidden.glb", ".git/x.glb"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "in"


def test_a_folder_gives_its_meshes_wherever_they_are(folder: Path) -> None:
    found = entries(folder)
    assert [e.name for e in found] == ["a", "deep/a", "deep/er/b.OBJ"]
    assert all(Path(e.locator).is_file() and not e.error for e in found)


def test_patterns_choose_other_files(folder: Path) -> None:
    assert [e.name for e in entries(folder, patterns=("*.txt",))] == ["notes.txt"]


def test_results_are_no_source(folder: Path) -> None:
    for place in ("out/a.avatar.glb", "out/plain.glb", "deep/a.avatar.glb"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(b"x")
    assert [e.name for e in entries(folder, folder / "out")] == ["a", "deep/a", "deep/er/b.OBJ"]


def test_source_and_destination_must_differ(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="both source and destination"):
        open_source(str(folder), Settings(), (), str(folder))
    with pytest.raises(InvalidInput, match="both source and destination"):
        open_source("s3://bucket/in/", Settings(), (), "s3://bucket/in")


@pytest.mark.parametrize("place", ["nowhere", "file.glb"])
def test_what_is_no_source_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file.glb").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="neither a folder nor a manifest"):
        open_source(str(tmp_path / place), Settings())


def test_names_that_are_no_text_are_named(folder: Path) -> None:
    path = str(folder / "caf").encode() + b"\xe9.glb"
    Path(path.decode("utf-8", "surrogateescape")).write_bytes(b"x")
    (wrong,) = [e for e in entries(folder) if e.error]
    assert "no text" in wrong.error
    wrong.locator.encode("utf-8")


ROWS = [{"path": "a.glb"}, {"path": "s3://b/k.glb", "name": "kay"}, {"path": "/abs/c.gltf"}]


def as_csv(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "name"])
        writer.writeheader()
        writer.writerows(rows)
    return path.with_suffix(".csv")


def as_jsonl(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.with_suffix(".jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path.with_suffix(".jsonl")


def as_parquet(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    full = [{"path": row["path"], "name": row.get("name"), "other": 1} for row in rows]
    parquet.write_table(pyarrow.Table.from_pylist(full), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


WRITERS = pytest.mark.parametrize("write", [as_csv, as_jsonl, as_parquet])


@WRITERS
def test_manifests_say_the_same_in_every_format(
    tmp_path: Path, write: Callable[[Path, Sequence[dict[str, str]]], Path]
) -> None:
    found = list(open_source(str(write(tmp_path / "list", ROWS)), Settings()).entries())
    assert [(e.locator, e.name) for e in found] == [
        (f"{tmp_path}/a.glb", "a"),
        ("s3://b/k.glb", "kay"),
        ("/abs/c.gltf", "abs/c.gltf"),
    ]


@WRITERS
def test_a_line_without_a_path_costs_itself_alone(
    tmp_path: Path, write: Callable[[Path, Sequence[dict[str, str]]], Path]
) -> None:
    rows = [{"path": "a.glb"}, {"path": ""}, {"path": "b.glb"}]
    found = list(open_source(str(write(tmp_path / "list", rows)), Settings()).entries())
    assert [bool(e.error) for e in found] == [False, True, False]
    assert found[1].locator.endswith(":2")


@pytest.mark.parametrize("line", ["{", "[1]", "7", '{"path": 3}', '{"path": "a\\u0000b"}'])
def test_damaged_lines_become_entries_with_a_reason(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.jsonl").write_text(line + "\n")
    (found,) = entries(tmp_path / "list.jsonl")
    assert found.error


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"one,two\n1,2\n", "no column 'path'"),
        ("a.csv", b"", "no column 'path'"),
        ("a.parquet", b"PAR1 not really", "no Parquet file"),
        ("gone.csv", None, "cannot be read"),
    ],
)
def test_manifests_that_cannot_be_read_are_refused(
    tmp_path: Path, name: str, data: bytes | None, said: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInput, match=said):
        entries(tmp_path / name)


def test_names_stay_below_the_destination() -> None:
    assert result_name("../../etc/x.glb") == "etc/x"
    assert result_name("/a/./b.obj") == "a/b.obj"
    assert result_name("hero.glb") != result_name("hero.obj")
