"""``rigline validate`` as a user and as pre-commit see it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rigline.bootstrap import keep_cage_template, open_services
from rigline.cli import app
from rigline.errors import ContractViolation, RiglineError, ServiceUnavailable
from rigline.validation import FileVerdict, ValidationRequest, validate_file
from tests.cli.test_policy import report_file
from tests.support.avatar_files import avatar_glb
from tests.support.bodies import box_body
from tests.support.fbx_files import MIXAMO, fbx_file
from tests.support.flawed_avatars import BAD_FILES, good_avatar
from tests.support.glb_files import obj_text
from tests.support.scan_files import stl_file

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


def test_a_file_of_another_format_is_told_what_is_taken(tmp_path: Path) -> None:
    files = {
        "body.obj": obj_text(box_body(1)),
        "body.stl": stl_file(box_body(1)),
        "x.txt": b"hello",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    result = CliRunner().invoke(app, ["validate", "--json", *paths])
    assert result.exit_code == 1
    obj, stl, other = (entry["error"] for entry in json.loads(result.stdout))
    assert obj.startswith("OBJ holds neither bones")
    assert stl.startswith("STL holds neither bones")
    assert "of no format that we know" in other


def test_fbx_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "body.fbx"
    path.write_bytes(fbx_file(box_body(1), MIXAMO))
    result = CliRunner().invoke(app, ["validate", "--json", str(path)])
    (entry,) = json.loads(result.stdout)
    assert entry["error"] is None
    assert {rule["rule_id"] for rule in entry["rules"] if not rule["passed"]} >= {"cage.present"}


def test_a_file_past_the_readers_limits_stops_no_other(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGLINE_MAX_TRIANGLES", "10")
    result = CliRunner().invoke(app, ["validate", "--json", str(good), str(good), *SCALE])
    assert result.exit_code == 1
    assert all("more than 10 triangles" in e["error"] for e in json.loads(result.stdout))


def test_an_avatar_is_judged_as_its_report_says(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    services = open_services()
    sha256 = keep_cage_template(services, good.read_bytes(), good.name)
    avatar = tmp_path / "hero.avatar.glb"
    avatar.write_bytes(good.read_bytes())
    command = ["validate", "--json", "--by-report", str(avatar), *SCALE]
    (entry,) = json.loads(CliRunner().invoke(app, command).stdout)
    assert "hero.report.json" in entry["error"]
    said = {
        "preset": "marketplace", "as_of": "2026-01-01", "body_type": "slender",
        "texture_limit": "body", "cage_template": sha256, "errors": 0, "warnings": 0, "rules": [],
    }  # fmt: skip
    report_file(tmp_path / "hero.report.json", 0.5, validation=said)
    (entry,) = json.loads(CliRunner().invoke(app, command).stdout)
    assert (entry["body_type"], entry["texture_limit"]) == ("slender", "body")
    (rule,) = [rule for rule in entry["rules"] if rule["rule_id"] == "cage.template"]
    assert rule["passed"]
    assert rule["message"].startswith("The official template is kept")
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "elsewhere"))
    (entry,) = json.loads(CliRunner().invoke(app, command).stdout)
    assert "lacks the cage template" in entry["error"]
    (tmp_path / "elsewhere" / "blobs" / sha256[:2] / sha256).mkdir(parents=True)
    away = CliRunner().invoke(app, command)
    assert (away.exit_code, away.stdout) == (1, "")
    assert away.stderr.startswith(f"rigline: The artifact store {tmp_path / 'elsewhere'}")


def test_a_report_that_does_not_say_the_tables_is_not_guessed_at(
    good: Path, tmp_path: Path
) -> None:
    avatar = tmp_path / "hero.avatar.glb"
    avatar.write_bytes(good.read_bytes())
    said = {
        "preset": "marketplace", "as_of": "2026-01-01", "errors": 0, "warnings": 0, "rules": [],
    }  # fmt: skip
    report_file(tmp_path / "hero.report.json", 0.5, validation=said)
    result = CliRunner().invoke(app, ["validate", "--json", "--by-report", str(avatar), *SCALE])
    assert result.exit_code == 1
    (entry,) = json.loads(result.stdout)
    assert "does not say" in entry["error"]
    assert "--body-type" in entry["error"]


def test_a_reader_that_fails_costs_one_file_and_a_missing_one_the_command(
    good: Path, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(data: bytes, name: str, request: ValidationRequest) -> FileVerdict:
        if name == str(bad):
            raise failure
        return validate_file(data, name, request)

    module = import_module("rigline.cli.validate")  # the package has the command by this name
    monkeypatch.setattr(module, "validate_file", judged)
    command = ["validate", "--json", str(good), str(bad), *SCALE]
    failure: RiglineError = ContractViolation("A reader failed.")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert [entry["error"] for entry in json.loads(result.stdout)] == [None, "A reader failed."]
    failure = ServiceUnavailable("The process that reads files does not answer.")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "rigline: The process that reads files" in result.stderr


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
