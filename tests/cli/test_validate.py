"""``rigline validate`` as a user and as pre-commit see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rigline.cli import app
from tests.support.avatar_files import avatar_glb
from tests.support.flawed_avatars import BAD_FILES, good_avatar

ROOT = Path(__file__).parents[2]
SCALE = ["--studs-per-unit", "5"]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.glb"
    path.write_bytes(avatar_glb(good_avatar()))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.glb"
    path.write_bytes(BAD_FILES["mesh.watertight"]())
    return path


def test_a_good_file_leaves_with_0(good: Path) -> None:
    result = CliRunner().invoke(app, ["validate", str(good), *SCALE])
    assert result.exit_code == 0, result.output
    assert "0 errors" in result.stdout


def test_errors_leave_with_1_and_name_rule_place_and_remedy(good: Path, bad: Path) -> None:
    result = CliRunner().invoke(app, ["validate", str(good), str(bad), *SCALE])
    assert result.exit_code == 1
    for words in ("mesh.watertight", "LeftLowerLeg", "Cap the limb"):
        assert words in result.stdout


def test_warnings_leave_with_0(tmp_path: Path) -> None:
    path = tmp_path / "lopsided.glb"
    path.write_bytes(BAD_FILES["skin.symmetric"]())
    result = CliRunner().invoke(app, ["validate", str(path), *SCALE])
    assert result.exit_code == 0
    assert "skin.symmetric" in result.stdout


def test_json_of_good_bad_and_missing(good: Path, bad: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.glb"
    result = CliRunner().invoke(
        app, ["validate", "--json", str(good), str(bad), str(missing), *SCALE]
    )
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [entry["conformant"] for entry in report] == [True, False, False]
    assert "no file" in report[2]["error"]


def test_html_goes_where_it_is_told(bad: Path, tmp_path: Path) -> None:
    page = tmp_path / "reports" / "page.html"
    result = CliRunner().invoke(app, ["validate", "--html", "-o", str(page), str(bad), *SCALE])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "mesh.watertight" in page.read_text("utf-8")


def test_the_users_template_is_compared_with(good: Path) -> None:
    command = ["validate", str(good), *SCALE, "--cage-template", str(good)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "cage.template" not in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--preset", "finest"],
        ["--body-type", "tall"],
        ["--texture-limit", "none"],
        ["--studs-per-unit", "0"],
        ["--studs-per-unit", "nan"],
        ["--json", "--html"],
        ["--out", "page.html"],
        ["--cage-template", "nowhere.glb"],
    ],
)
def test_a_wrong_command_leaves_with_2(good: Path, arguments: list[str]) -> None:
    files = [str(good)] if arguments else []
    result = CliRunner().invoke(app, ["validate", *files, *arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith("rigline: ")


def test_the_rules_can_be_listed() -> None:
    result = CliRunner().invoke(app, ["validate", "--list-rules"])
    assert result.exit_code == 0
    assert "### `cage.distance`" in result.stdout


def test_the_pre_commit_hook_runs_a_command_that_is_there() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert hook["entry"] == "rigline validate"
    assert {"id", "name", "language", "files"} <= set(hook)
    assert "validate" in {command.name for command in app.registered_commands}
