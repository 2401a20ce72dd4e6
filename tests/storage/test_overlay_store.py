"""An overlay shows the base and leaves it as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rigline.engine.artifact_store import OutputRecord
from rigline.errors import ContractViolation
from rigline.storage.local import LocalStore
from rigline.storage.overlay import OverlayStore

RECORD = OutputRecord({"a.json": "0" * 64}, {"of": "the base"})
OTHER = OutputRecord({"a.json": "1" * 64}, {"of": "the overlay"})
TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def base(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path)
    store.put(b"old")
    store.put_record("rig", "a" * 64, RECORD)
    return store


def listing(store: LocalStore) -> dict[Path, tuple[bytes, int]]:
    files = (path for path in store.root.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_nothing_that_is_done_to_an_overlay_touches_the_base(base: LocalStore) -> None:
    before = listing(base)
    overlay = OverlayStore(base)
    old = overlay.put(b"old")
    new = overlay.put(b"new")
    overlay.put_record("rig", "b" * 64, OTHER)
    overlay.drop_record("rig", "a" * 64)
    assert overlay.get(old) == b"old"
    assert overlay.get(new) == b"new"
    overlay.delete_blob(old, TOMORROW)
    assert listing(base) == before
    assert not base.has(new)


def test_what_is_not_in_the_overlay_comes_from_the_base(base: LocalStore) -> None:
    overlay = OverlayStore(base)
    late = base.put(b"late")
    assert overlay.has(late)
    assert overlay.get(late) == b"late"
    assert overlay.record("rig", "a" * 64) == RECORD
    assert RECORD in list(overlay.records())
    assert late in {blob.sha256 for blob in overlay.blobs()}
    with pytest.raises(ContractViolation):
        overlay.get("f" * 64)


def test_the_record_of_the_base_stays_in_force_unless_it_was_dropped(base: LocalStore) -> None:
    overlay = OverlayStore(base)
    assert overlay.put_record("rig", "a" * 64, OTHER) == RECORD
    overlay.drop_record("rig", "a" * 64)
    assert overlay.record("rig", "a" * 64) is None
    assert overlay.put_record("rig", "a" * 64, OTHER) == OTHER
    assert overlay.record("rig", "a" * 64) == OTHER


def test_an_artifact_in_both_is_listed_once(base: LocalStore) -> None:
    overlay = OverlayStore(base)
    overlay.put(b"old")
    assert len(list(overlay.blobs())) == 1
