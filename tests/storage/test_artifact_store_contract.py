"""What every artifact store promises, asked of each of them."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rigline.engine.artifact_store import ArtifactStore, OutputRecord
from rigline.errors import ContractViolation
from rigline.storage.local import LocalStore
from rigline.storage.memory import MemoryStore
from rigline.storage.overlay import OverlayStore
from rigline.storage.s3 import S3Store

RECORD = OutputRecord(
    {"parts.safetensors": "0" * 64},
    {"margin": 0.25, "up": "+Y"},
    ("one", "two"),
    {"m": "1-a"},
    1.5,
    {"asset": "1" * 64},
)
THREADS = 8
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(params=["local", "memory", "overlay", pytest.param("s3", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest) -> ArtifactStore:
    if request.param == "local":
        return LocalStore(request.getfixturevalue("tmp_path") / "store")
    if request.param == "memory":
        return MemoryStore()
    if request.param == "overlay":
        return OverlayStore(MemoryStore())
    return S3Store(request.getfixturevalue("s3_location"))


def numbered(number: int) -> OutputRecord:
    return OutputRecord({}, {"writer": number})


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000, bytes(18 << 20)], ids=len)
def test_what_is_put_can_be_got_under_its_sha256(store: ArtifactStore, data: bytes) -> None:
    sha256 = store.put(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.has(sha256)
    assert store.get(sha256) == data


def test_putting_the_same_again_changes_nothing(store: ArtifactStore) -> None:
    assert store.put(b"data") == store.put(b"data")
    assert store.get(store.put(b"data")) == b"data"


def test_an_unknown_artifact_breaks_the_contract(store: ArtifactStore) -> None:
    unknown = hashlib.sha256(b"never put").hexdigest()
    assert not store.has(unknown)
    with pytest.raises(ContractViolation, match=unknown):
        store.get(unknown)


def test_no_artifact_has_an_empty_name(store: ArtifactStore) -> None:
    assert not store.has("")
    with pytest.raises(ContractViolation):
        store.get("")


def test_a_record_comes_back_as_it_was(store: ArtifactStore) -> None:
    assert store.record("rig", "k1") is None
    assert store.put_record("rig", "k1", RECORD) == RECORD
    assert store.record("rig", "k1") == RECORD


def test_records_are_apart_by_stage_and_by_key(store: ArtifactStore) -> None:
    for number, (stage, key) in enumerate([("rig", "k1"), ("rig", "k2"), ("skin", "k1")]):
        store.put_record(stage, key, numbered(number))
    assert store.record("rig", "k1") == numbered(0)
    assert store.record("rig", "k2") == numbered(1)
    assert store.record("skin", "k1") == numbered(2)
    assert store.record("skin", "k2") is None


def test_the_first_record_wins(store: ArtifactStore) -> None:
    store.put_record("rig", "k1", RECORD)
    assert store.put_record("rig", "k1", numbered(2)) == RECORD
    assert store.record("rig", "k1") == RECORD


def test_of_racing_writers_one_wins_and_all_hear_of_it(store: ArtifactStore) -> None:
    for race in range(3 if isinstance(store, S3Store) else 20):
        start = threading.Barrier(THREADS)

        def write(number: int, key: str = f"k{race}", start: threading.Barrier = start) -> object:
            start.wait()
            return store.put_record("rig", key, numbered(number)).evidence["writer"]

        with ThreadPoolExecutor(THREADS) as pool:
            told = list(pool.map(write, range(THREADS)))
        kept = store.record("rig", f"k{race}")
        assert kept is not None
        assert told == [kept.evidence["writer"]] * THREADS


def test_racing_writers_of_one_artifact_all_succeed(store: ArtifactStore) -> None:
    data = b"the same" * 10_000
    start = threading.Barrier(THREADS)

    def write(_: int) -> str:
        start.wait()
        return store.put(data)

    with ThreadPoolExecutor(THREADS) as pool:
        names = set(pool.map(write, range(THREADS)))
    assert names == {hashlib.sha256(data).hexdigest()}
    assert store.get(names.pop()) == data


def test_a_dropped_record_is_forgotten_and_makes_way(store: ArtifactStore) -> None:
    store.put_record("rig", "k1", RECORD)
    store.put_record("rig", "k2", RECORD)
    store.drop_record("rig", "k1")
    assert store.record("rig", "k1") is None
    assert store.record("rig", "k2") == RECORD
    assert store.put_record("rig", "k1", numbered(3)) == numbered(3)
    assert store.record("rig", "k1") == numbered(3)


def test_dropping_what_is_not_there_is_no_error(store: ArtifactStore) -> None:
    store.drop_record("rig", "k1")
    assert store.record("rig", "k1") is None


def test_all_artifacts_are_listed_with_size_and_age(store: ArtifactStore) -> None:
    started = datetime.now(UTC) - timedelta(seconds=2)  # S3 keeps whole seconds
    assert list(store.blobs()) == []
    sizes = {store.put(bytes(size)): size for size in range(5)}
    store.put_record("rig", "k1", RECORD)
    listed = list(store.blobs())
    assert {blob.sha256: blob.size for blob in listed} == sizes
    assert all(started <= blob.modified <= TOMORROW for blob in listed)


def test_all_records_are_listed(store: ArtifactStore) -> None:
    assert list(store.records()) == []
    store.put(b"data")
    names = [("rig", "k1"), ("rig", "k2"), ("skin", "k1")]
    for number, (stage, key) in enumerate(names):
        store.put_record(stage, key, numbered(number))
    assert sorted(r.evidence["writer"] for r in store.records()) == [0, 1, 2]


def test_only_what_is_old_is_deleted(store: ArtifactStore) -> None:
    gone, kept = store.put(b"gone"), store.put(b"kept")
    assert not store.delete_blob(gone, LONG_AGO)
    assert store.has(gone)
    assert store.delete_blob(gone, TOMORROW)
    assert not store.has(gone)
    assert not store.delete_blob(gone, TOMORROW)
    assert [blob.sha256 for blob in store.blobs()] == [kept]
    assert store.get(store.put(b"gone")) == b"gone"
