"""The store in a folder: nothing damaged is ever handed out, nothing half-written is left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rigline.engine.artifact_store import OutputRecord
from rigline.errors import ContractViolation, ServiceUnavailable
from rigline.storage.local import LocalStore

RECORD = OutputRecord({"out.json": "a" * 64}, {"margin": 0.5})
UNSAFE = ("../x", "a/b", "..", "", "/etc/passwd", "a\0", "A", "a.json", "ä", "a\n")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def blob_of(store: LocalStore, sha256: str) -> Path:
    return store.root / "blobs" / sha256[:2] / sha256


def files(store: LocalStore) -> list[str]:
    return sorted(str(p.relative_to(store.root)) for p in store.root.rglob("*") if p.is_file())


def test_another_store_on_the_same_folder_sees_everything(store: LocalStore) -> None:
    sha256 = store.put(b"data")
    store.put_record("rig", "k1", RECORD)
    other = LocalStore(store.root)
    assert other.get(sha256) == b"data"
    assert other.record("rig", "k1") == RECORD


def test_files_lie_where_the_docstring_says_and_no_others(store: LocalStore) -> None:
    sha256 = store.put(b"data")
    store.put(b"data")
    store.put_record("rig", "k1", RECORD)
    store.put_record("rig", "k1", OutputRecord({}, {}))
    assert files(store) == [f"blobs/{sha256[:2]}/{sha256}", "keys/rig/k1.json"]


def test_opening_and_asking_make_no_folder(store: LocalStore) -> None:
    assert store.record("rig", "k1") is None
    assert not store.has("a" * 64)
    store.drop_record("rig", "k1")
    assert not store.root.exists()


@pytest.mark.parametrize("damaged", [b"", b"dat", b"Data", b"data and more"])
def test_a_damaged_artifact_is_found_out_and_removed(store: LocalStore, damaged: bytes) -> None:
    sha256 = store.put(b"data")
    blob_of(store, sha256).write_bytes(damaged)
    with pytest.raises(ContractViolation, match="damaged"):
        store.get(sha256)
    assert not store.has(sha256)
    assert store.get(store.put(b"data")) == b"data"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b"null", b"{}", b'"text"', b"\xff\xfe", b'{"outputs": 5, "evidence": {}}'],
)
def test_a_damaged_record_is_dropped(store: LocalStore, damaged: bytes) -> None:
    store.put_record("rig", "k1", RECORD)
    path = store.root / "keys" / "rig" / "k1.json"
    path.write_bytes(damaged)
    assert store.record("rig", "k1") is None
    assert not path.exists()
    assert store.put_record("rig", "k1", RECORD) == RECORD
    assert store.record("rig", "k1") == RECORD


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_names_are_refused(store: LocalStore, name: str) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: store.get(name),
        lambda: store.record(name, "k1"),
        lambda: store.record("rig", name),
        lambda: store.put_record(name, "k1", RECORD),
        lambda: store.put_record("rig", name, RECORD),
        lambda: store.drop_record(name, "k1"),
        lambda: store.drop_record("rig", name),
    ]
    for call in calls:
        with pytest.raises(ContractViolation, match="cannot name an artifact"):
            call()
    assert not store.root.exists()


def test_foreign_files_are_passed_over(store: LocalStore) -> None:
    for path in ("blobs/aa/readme.txt", "keys/rig/Notes.json", "keys/rig/k1.txt"):
        store.root.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        store.root.joinpath(path).write_text("mine")
    assert list(store.blobs()) == []
    assert list(store.records()) == []
    assert len(files(store)) == 3


def test_putting_again_makes_an_artifact_young(store: LocalStore) -> None:
    sha256 = store.put(b"data")
    os.utime(blob_of(store, sha256), (0, 0))
    (old,) = store.blobs()
    store.put(b"data")
    (young,) = store.blobs()
    assert young.modified > old.modified
    assert not store.delete_blob(sha256, old.modified)


def test_a_place_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.write_text("in the way")
    store = LocalStore(root)
    calls: list[Callable[[], Any]] = [
        lambda: store.put(b"data"),
        lambda: store.get("a" * 64),
        lambda: store.record("rig", "k1"),
        lambda: store.put_record("rig", "k1", RECORD),
        lambda: store.drop_record("rig", "k1"),
        lambda: list(store.blobs()),
        lambda: list(store.records()),
        lambda: store.delete_blob("a" * 64, datetime.now(UTC)),
    ]
    for call in calls:
        with pytest.raises(ServiceUnavailable, match="cannot be used") as caught:
            call()
        assert "RIGLINE_STORE" in caught.value.remedy


def test_a_folder_that_may_not_be_looked_into_is_unavailable(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    sha256 = store.put(b"data")
    monkeypatch.setattr("rigline.storage.local.Path.stat", forbidden)
    with pytest.raises(ServiceUnavailable, match="Permission denied"):
        store.has(sha256)
    with pytest.raises(ServiceUnavailable, match="Permission denied"):
        store.put(b"data")


def test_records_that_may_not_be_read_are_not_passed_over(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir

    def forbidden(path: Path) -> Iterator[Path]:
        if path.name == "rig":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    store.put_record("rig", "k1", RECORD)
    monkeypatch.setattr("rigline.storage.local.Path.iterdir", forbidden)
    with pytest.raises(ServiceUnavailable, match="Permission denied"):
        list(store.records())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_unavailable(store: LocalStore) -> None:
    sha256 = store.put(b"data")
    store.root.joinpath("blobs").chmod(0o500)
    store.root.joinpath("blobs", sha256[:2]).chmod(0o500)
    store.root.chmod(0o500)
    try:
        assert store.get(sha256) == b"data"
        with pytest.raises(ServiceUnavailable):
            store.put(b"other data")
        with pytest.raises(ServiceUnavailable):
            store.put_record("rig", "k1", RECORD)
    finally:
        for folder in (store.root, store.root / "blobs", store.root / "blobs" / sha256[:2]):
            folder.chmod(0o700)


@pytest.mark.parametrize("step", ["fdopen", "link"])
def test_a_write_that_fails_leaves_nothing_behind(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"rigline.storage.local.os.{step}", full)
        with pytest.raises(ServiceUnavailable, match="No space left"):
            store.put(b"data")
        with pytest.raises(ServiceUnavailable, match="No space left"):
            store.put_record("rig", "k1", RECORD)
    assert files(store) == []
    assert store.get(store.put(b"data")) == b"data"
