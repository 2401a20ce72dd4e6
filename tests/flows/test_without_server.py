"""The flow from the command line, with nothing but Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.server
def test_flow_runs_without_a_server_of_its_own(root: Path, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    env |= {
        "PREFECT_HOME": str(tmp_path / "home"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "RIGLINE_STORE": str(tmp_path / "store"),
        "RIGLINE_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}",
    }
    sample = root / "benchmarks/samples/toy_robot.glb"
    done = subprocess.run(
        [sys.executable, "-m", "flows.avatar_auto_setup_flow", str(sample), "--out", str(tmp_path)],
        env=env, cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert {p.name for p in tmp_path.glob("toy_robot.*")} == {
        "toy_robot.avatar.glb",
        "toy_robot.report.json",
        "toy_robot.preview.png",
    }
