"""``rigline eval`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from rigline.avatar.body import N_PARTS
from rigline.cli import app
from tests.support.bodies import SyntheticBody, capsule_body


def write_truth(path: Path, body: SyntheticBody) -> None:
    np.savez(
        path, vertices=body.vertices, faces=body.faces, part=body.part, joint=body.joints,
        joint_valid=np.ones(N_PARTS, bool), weights=np.eye(N_PARTS)[body.part],
        merge=np.arange(N_PARTS),
    )  # fmt: skip


def test_truth_as_prediction_is_perfect_and_what_is_missing_counts(tmp_path: Path) -> None:
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    truth.mkdir()
    pred.mkdir()
    write_truth(truth / "hero.npz", capsule_body())
    write_truth(truth / "absent.npz", capsule_body())
    write_truth(pred / "hero.npz", capsule_body())
    scores = tmp_path / "scores.json"
    arguments = ["eval", "--pred", str(pred), "--truth", str(truth), "--json", str(scores)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "absent: no prediction" in result.stdout
    found = json.loads(scores.read_text())
    assert found["failures"] == 1
    assert found["summary"]["joint_mean"]["mean"] == 0
    assert found["summary"]["seg_acc_area"]["mean"] == 100
    assert CliRunner().invoke(app, [*arguments, "--ids", "hero"]).exit_code == 0


def test_wrong_folders_are_wrong_commands(tmp_path: Path) -> None:
    arguments = ["eval", "--pred", str(tmp_path), "--truth", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert CliRunner().invoke(app, [*arguments[:-1], "nowhere"]).exit_code == 2
