"""``rigline people`` as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rigline.cli import app


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    assert run("db", "upgrade").exit_code == 0


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_grant_list_revoke() -> None:
    assert "nobody has a role" in run("people", "list").output
    given = json.loads(run("people", "grant", "ann@example.org", "reviewer", "--days", "30",
                           "--by", "oz", "--json").output)  # fmt: skip
    assert (given["role"], given["granted_by"]) == ("reviewer", "oz")
    assert given["expires_at"] > given["granted_at"]
    assert "ann@example.org" in run("people", "list").output
    assert run("people", "revoke", "ann@example.org", "reviewer").exit_code == 0
    assert json.loads(run("people", "list", "--json").output) == []
    (kept,) = json.loads(run("people", "list", "--all", "--json").output)
    assert kept["revoked_at"]
    assert run("people", "revoke", "ann@example.org", "reviewer").exit_code == 1


def test_wrong_commands_are_refused() -> None:
    assert run("people", "grant", "ann", "emperor").exit_code == 2
    assert run("people", "grant", " ", "viewer").exit_code == 2
    assert run("people", "grant", "ann", "viewer", "--days", "0").exit_code == 2
