"""A sweep takes what nothing leads to, and never anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rigline.engine.artifact_store import BlobInfo, OutputRecord
from rigline.engine.garbage import GRACE, Garbage, sweep
from rigline.storage.memory import MemoryStore

HOUR = timedelta(hours=1)


def later(age: timedelta = GRACE + HOUR) -> datetime:
    return datetime.now(UTC) + age


@pytest.fixture
def store() -> MemoryStore:
    """One asset with a finished stage, and two artifacts that nobody names."""
    store = MemoryStore()
    inputs = {"asset": store.put(b"asset")}
    store.put_record(
        "ingest", "k1", OutputRecord({"mesh.bin": store.put(b"mesh")}, {}, inputs=inputs)
    )
    store.put(b"small")
    store.put(b"much larger")
    return store


def swept(store: MemoryStore, age: timedelta = GRACE + HOUR, **options: object) -> Garbage:
    return sweep(store, clock=lambda: later(age), **options)  # type: ignore[arg-type]


def names(blobs: tuple[BlobInfo, ...]) -> list[str]:
    return [blob.sha256 for blob in blobs]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_no_record_names_is_found_largest_first(store: MemoryStore) -> None:
    garbage = swept(store)
    assert names(garbage.found) == [sha256(b"much larger"), sha256(b"small")]
    assert garbage.found_bytes == len(b"much larger") + len(b"small")
    assert (garbage.referenced, garbage.young) == (2, 0)


def test_nothing_is_deleted_unless_it_is_asked_for(store: MemoryStore) -> None:
    assert swept(store).deleted == ()
    assert swept(store).deleted_bytes == 0
    assert len(list(store.blobs())) == 4


def test_deletion_leaves_what_is_in_use(store: MemoryStore) -> None:
    garbage = swept(store, delete=True)
    assert garbage.deleted == garbage.found
    assert garbage.deleted_bytes == garbage.found_bytes
    assert {b.sha256 for b in store.blobs()} == {sha256(b"asset"), sha256(b"mesh")}
    assert swept(store, delete=True).found == ()


def test_roots_stay(store: MemoryStore) -> None:
    garbage = swept(store, roots=[sha256(b"small"), sha256(b"not here")], delete=True)
    assert names(garbage.deleted) == [sha256(b"much larger")]
    assert store.get(sha256(b"small")) == b"small"


def test_what_is_young_stays(store: MemoryStore) -> None:
    garbage = swept(store, GRACE - HOUR, delete=True)
    assert garbage.found == ()
    assert garbage.young == 2
    assert len(list(store.blobs())) == 4


def test_the_grace_period_is_the_callers(store: MemoryStore) -> None:
    assert swept(store, 2 * HOUR, grace=HOUR).young == 0
    assert swept(store, 2 * HOUR, grace=3 * HOUR).young == 2


def test_what_is_put_during_a_sweep_stays(store: MemoryStore) -> None:
    """A job puts an artifact again after the sweep has judged it."""

    class Busy(MemoryStore):
        def blobs(self) -> Iterator[BlobInfo]:
            for blob in store.blobs():
                yield BlobInfo(blob.sha256, blob.size, blob.modified - GRACE - HOUR)

    busy = Busy()
    for data in (b"small", b"much larger"):
        busy.put(data)
    garbage = sweep(busy, roots=[], delete=True)
    assert sha256(b"small") in names(garbage.found)
    assert garbage.deleted == ()
    assert busy.has(sha256(b"small"))


def test_records_of_old_name_no_inputs() -> None:
    old = {"outputs": {"a": "b"}, "evidence": {}, "warnings": [], "models": {}, "seconds": 1.0}
    assert OutputRecord.from_json(old).inputs == {}


def test_an_empty_store_has_no_garbage() -> None:
    assert sweep(MemoryStore(), delete=True) == Garbage((), (), 0, 0)
