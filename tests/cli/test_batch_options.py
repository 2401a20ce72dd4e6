"""The marketplace's options on ``rigline batch run``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rigline.cli import app
from tests.support.avatar_files import avatar_glb
from tests.support.flawed_avatars import good_avatar

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A dry run over one file, in an installation of its own."""
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    assert run("db", "upgrade").exit_code == 0
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "hero.glb").write_bytes(avatar_glb(good_avatar()))
    return ["batch", "run", str(tmp_path / "in"), "--dest", str(tmp_path / "out"), "--dry-run"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_batch_takes_the_options_of_the_preset(plan: list[str], tmp_path: Path) -> None:
    template = str(tmp_path / "in" / "hero.glb")
    options = ("--preset", "marketplace", "--body-type", "slender", "--proportions", "keep",
               "--atlas", "512", "--cage-template", template)  # fmt: skip
    result = run(*plan, *options, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["files"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--body-type", "slender"), "--preset marketplace"),
        (("--preset", "marketplace", "--atlas", "1000"), "1000 pixels"),
        (("--preset", "finest"), "no preset"),
    ],
)
def test_options_that_cannot_be_begin_no_batch(
    plan: list[str], options: tuple[str, ...], words: str
) -> None:
    result = run(*plan, *options)
    assert result.exit_code == 2
    assert words in result.stderr
