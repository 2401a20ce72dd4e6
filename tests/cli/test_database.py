"""``rigline db`` as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from typer.testing import CliRunner, Result

from rigline.bootstrap import open_ledger
from rigline.cli import app
from rigline.db.migration import _config
from rigline.settings import load_settings
from tests.support.servers import free_port

HEAD = ScriptDirectory.from_config(_config()).get_current_head()


@pytest.fixture(autouse=True)
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"
    monkeypatch.setenv("RIGLINE_DATABASE", address)
    return address


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["db", *arguments])


def test_the_tables_are_made_and_their_state_is_told(address: str) -> None:
    before = run("status")
    assert before.exit_code == 1
    assert before.stdout == f"{address}: revision none, {HEAD} is needed\n"
    for _ in range(2):
        upgraded = run("upgrade")
        assert (upgraded.exit_code, upgraded.stdout) == (0, f"{address}: up to date\n")
    after = run("status", "--json")
    assert after.exit_code == 0
    assert json.loads(after.stdout) == {
        "database": address, "revision": HEAD, "head": HEAD, "up_to_date": True,
    }  # fmt: skip
    with open_ledger(load_settings()).reading() as work:
        assert work.jobs.list() == []


def test_a_database_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/rigline"
    monkeypatch.setenv("RIGLINE_DATABASE", address)
    done = run("status")
    assert done.exit_code == 1
    assert "cannot be used" in done.stderr
    assert "s3cret" not in done.output


def test_an_address_that_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_DATABASE", "mysql://host/db")
    done = run("upgrade")
    assert done.exit_code == 2
    assert "RIGLINE_DATABASE" in done.stderr


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("rigline.db")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlmodel", None)
    monkeypatch.setitem(sys.modules, "alembic", None)
    done = run("status")
    assert done.exit_code == 2
    assert "pip install 'rigline[db]'" in done.stderr


def test_without_the_driver_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_DATABASE", "postgresql://ann:s3cret@host/rigline")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = run("status")
    assert done.exit_code == 2
    assert "pip install 'rigline[postgres]'" in done.stderr
    assert "s3cret" not in done.output
