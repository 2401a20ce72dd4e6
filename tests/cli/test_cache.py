"""``rigline cache`` as a user runs it."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rigline.bootstrap import open_ledger
from rigline.cli import app
from rigline.engine.job import Asset
from rigline.settings import load_settings
from rigline.storage.local import LocalStore
from tests.support.bodies import capsule_body
from tests.support.glb_files import obj_text


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    return LocalStore(tmp_path / "store")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def put_long_ago(store: LocalStore, data: bytes) -> str:
    sha256 = store.put(data)
    os.utime(store.root / "blobs" / sha256[:2] / sha256, (0, 0))
    return sha256


def test_cache_shows_and_clears_only_its_own(store: LocalStore) -> None:
    store.put(b"data")
    foreign = store.root / "notes.txt"
    foreign.write_text("mine")
    assert ": 1 files" in run("cache").stdout
    assert ": 0 files" in run("cache", "--clear").stdout
    assert foreign.exists()


def test_unreferenced_artifacts_are_listed_and_deleted_on_demand(store: LocalStore) -> None:
    old, young = put_long_ago(store, b"old"), store.put(b"young")
    listed = run("cache", "--unreferenced")
    assert listed.exit_code == 0, listed.output
    assert old in listed.stdout
    assert young not in listed.stdout
    assert "1 artifacts, 0.0 MB unreferenced; 0 in use, 1 too young" in listed.stdout
    assert store.has(old)
    assert old in run("cache", "--unreferenced", "--delete").stdout
    assert not store.has(old)
    assert store.has(young)


def test_what_a_finished_avatar_needs_is_in_use(store: LocalStore, tmp_path: Path) -> None:
    mesh = tmp_path / "hero.obj"
    mesh.write_bytes(obj_text(capsule_body()))
    assert run("setup", mesh).exit_code == 0
    for blob in store.blobs():
        os.utime(store.root / "blobs" / blob.sha256[:2] / blob.sha256, (0, 0))
    assert "0 artifacts" in run("cache", "--unreferenced", "--delete").stdout
    assert store.has(hashlib.sha256(mesh.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--delete"], "--unreferenced"),
        (["--clear", "--unreferenced"], "exclude"),
        (["--unreferenced", "--grace-days", "0"], "grace-days"),
    ],
)
def test_wrong_commands_exit_with_2_and_say_why(arguments: list[str], said: str) -> None:
    result = run("cache", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_bucket_is_its_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_STORE", "s3://artifacts/team")
    shown = run("cache")
    assert shown.exit_code == 0
    assert "owner of the bucket" in shown.stdout
    refused = run("cache", "--clear")
    assert refused.exit_code == 2
    assert "s3://artifacts/team" in refused.stderr


def test_a_place_that_cannot_be_is_a_wrong_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_STORE", "gs://artifacts")
    assert run("cache").exit_code == 2
    assert run("cache", "--unreferenced").exit_code == 2


def test_a_sweep_leaves_the_files_of_waiting_jobs(store: LocalStore) -> None:
    waiting, forgotten = put_long_ago(store, b"waiting"), put_long_ago(store, b"forgotten")
    assert run("db", "upgrade").exit_code == 0
    ledger = open_ledger(load_settings())
    with ledger.transaction() as work:
        work.jobs.add_asset(Asset(waiting, "hero.glb", 7, datetime(2026, 1, 1, tzinfo=UTC)))
    ledger.close()
    result = run("cache", "--unreferenced", "--delete")
    assert result.exit_code == 0, result.output
    assert store.has(waiting)
    assert not store.has(forgotten)
