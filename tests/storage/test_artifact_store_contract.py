"""What every artifact store promises, asked of each of them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rigline.engine.artifact_store import ArtifactStore, OutputRecord
from rigline.errors import ContractViolation
from rigline.storage.local import LocalStore
from rigline.storage.memory import MemoryStore

RECORD = OutputRecord(
    {"parts.safetensors": "0" * 64}, {"margin": 0.25, "up": "+Y"}, ("one", "two"), {"m": "1-a"}, 1.5
)
STORES: dict[str, Callable[[Path], ArtifactStore]] = {
    "local": lambda folder: LocalStore(folder / "store"),
    "memory": lambda folder: MemoryStore(),
}
THREADS = 8


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return STORES[request.param](tmp_path)


def numbered(number: int) -> OutputRecord:
    return OutputRecord({}, {"writer": number})


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
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
    for race in range(20):
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
