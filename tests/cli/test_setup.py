"""``rigline setup`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rigline.cli import app
from rigline.cli.schema import report_schema
from tests.support.bodies import capsule_body
from tests.support.glb_files import obj_text, plain_glb
from tests.support.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "benchmarks/samples/boxhead_kid.glb"


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_one_file_gives_avatar_report_and_picture(tmp_path: Path) -> None:
    result = run("setup", SAMPLE, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "boxhead_kid.avatar.glb").read_bytes()[:4] == b"glTF"
    assert (tmp_path / "boxhead_kid.preview.png").read_bytes()[1:4] == b"PNG"
    report = json.loads((tmp_path / "boxhead_kid.report.json").read_text())
    jsonschema.validate(report, report_schema())
    assert report["schema_version"] == 1
    assert report["calibrated"] is False
    assert len(report["joints"]) == 15
    assert report["verdict"] in ("accept", "review")
    assert report["verdict"] == "accept" or report["reasons"]
    assert (report["verdict"] == "accept") == (report["flagged"] == [])
    assert report["audit"] in (True, False)


def test_an_accepted_file_may_be_drawn_for_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "lenient.toml"
    head = 'name = "lenient"\nversion = 1\ncalibrated = false\nreview_below = 0.0\n'
    policy.write_text(f"{head}audit_rate = 1.0\n[stages]\n")
    monkeypatch.setenv("RIGLINE_POLICY", str(policy))
    assert run("setup", SAMPLE, "--out", tmp_path).exit_code == 0
    report = json.loads((tmp_path / "boxhead_kid.report.json").read_text())
    assert (report["verdict"], report["audit"], report["flagged"]) == ("accept", True, [])


def test_by_default_results_lie_beside_the_input(tmp_path: Path) -> None:
    (tmp_path / "hero.obj").write_bytes(obj_text(capsule_body()))
    assert run("setup", tmp_path / "hero.obj").exit_code == 0
    found = {p.name for p in tmp_path.glob("hero.*")}
    assert found == {"hero.obj", "hero.avatar.glb", "hero.report.json", "hero.preview.png"}


def test_output_names_the_avatar_and_its_neighbours(tmp_path: Path) -> None:
    assert run("setup", SAMPLE, "-o", tmp_path / "kid.glb").exit_code == 0
    assert {p.name for p in tmp_path.glob("kid.*")} == {
        "kid.glb", "kid.report.json", "kid.preview.png",
    }  # fmt: skip


def test_bad_files_stop_no_other(tmp_path: Path) -> None:
    (tmp_path / "broken.glb").write_bytes(b"glTF")
    (tmp_path / "hero.glb").write_bytes(plain_glb(capsule_body()))
    missing = tmp_path / "missing.glb"
    result = run(
        "setup", tmp_path / "broken.glb", missing, tmp_path, tmp_path / "hero.glb",
        "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert result.exit_code == 1
    entries = json.loads(result.stdout)
    assert [entry["ok"] for entry in entries] == [False, False, False, True]
    assert "GLB" in entries[0]["error"]
    assert "missing.glb" in entries[1]["error"]
    assert "folder" in entries[2]["error"]
    assert Path(entries[3]["avatar"]).exists()


def test_second_run_computes_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    run("setup", SAMPLE, "--out", tmp_path / "a")
    run("setup", SAMPLE, "--out", tmp_path / "b")
    report = json.loads((tmp_path / "b/boxhead_kid.report.json").read_text())
    assert all(stage["reused"] for stage in report["stages"].values())
    name = "boxhead_kid.avatar.glb"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "festive"], "no preset"),
        (["--backend", "abacus"], "abacus"),
        (["--out", "a", "-o", "b.glb"], "exclude"),
        (["-o", "avatar.fbx"], "GLB"),
        (["second.glb", "-o", "b.glb"], "many"),
        (["elsewhere/boxhead_kid.glb", "--out", "a"], "both become"),
    ],
)
def test_wrong_commands_exit_with_2_and_say_why(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("setup", SAMPLE, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_servers_that_are_away_fail_the_file_and_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"onprem://127.0.0.1:{free_port()}"
    monkeypatch.setenv("RIGLINE_ENDPOINTS", where)
    monkeypatch.setenv("RIGLINE_INFERENCE_DEADLINE_S", "0.1")
    result = run("setup", SAMPLE, "--out", tmp_path, "--backend", "triton")
    assert result.exit_code == 1
    assert where.partition("://")[2] in result.output
    assert "rigline doctor" in result.output


def test_no_input_is_a_wrong_command() -> None:
    assert run("setup").exit_code == 2


def test_no_input_is_ever_overwritten(tmp_path: Path) -> None:
    for name in ("hero.glb", "hero.avatar.glb"):
        (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    result = run("setup", tmp_path / "hero.glb", tmp_path / "hero.avatar.glb")
    assert result.exit_code == 2
    assert "overwrite" in result.stderr
    assert (tmp_path / "hero.avatar.glb").read_bytes() == SAMPLE.read_bytes()


@pytest.mark.parametrize("name", ["[final].glb", "d[/a].glb".replace("/", "]"), "\udcff.glb"])
def test_strange_names_are_shown_as_they_are_and_stop_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    result = run("setup", tmp_path / name, SAMPLE, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "out").glob("*.avatar.glb"))) == 2


def test_a_speck_far_away_does_not_spoil_the_character(tmp_path: Path) -> None:
    body = capsule_body(pose="A")
    speck = np.array([[1e4, 0, 0], [1e4, 0.01, 0], [1e4, 0, 0.01]])
    faces = np.concatenate([body.faces, len(body.vertices) + np.arange(3)[None]])
    vertices = np.concatenate([body.vertices, speck])
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in vertices)
    text += "".join(f"f {a} {b} {c}\n" for a, b, c in faces + 1)
    (tmp_path / "hero.obj").write_text(text)
    result = run("setup", tmp_path / "hero.obj", "--json")
    assert result.exit_code == 0, result.output
    (entry,) = json.loads(result.stdout)
    assert any("tiny pieces" in reason for reason in entry["reasons"])
    report = json.loads(Path(entry["report"]).read_text())
    height = report["stages"]["orient"]["evidence"]["height_asset"]
    assert height == pytest.approx(np.ptp(body.vertices[:, 1]), rel=1e-3)


def test_settings_that_are_wrong_name_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGLINE_THREADS", "many")
    for command in (["setup", SAMPLE], ["cache"]):
        result = run(*command)
        assert result.exit_code == 2
        assert "RIGLINE_THREADS='many'" in result.stderr
