"""``rigline up`` for real: Prefect, worker and maintenance come, set up an avatar, and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rigline.local.processes import FOLDER_MARK
from tests.support.servers import free_port

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "benchmarks/samples/straw_hat.glb"
RUN_LIMIT_S = 150.0
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    env = {
        **os.environ,
        "RIGLINE_STACK": str(tmp_path / "stack"),
        "RIGLINE_STORE": str(tmp_path / "store"),
        "RIGLINE_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}",
        "RIGLINE_PREFECT_PORT": str(free_port()),
        "RIGLINE_START_LIMIT_S": "170",
    }
    yield env
    for process in marked(tmp_path / "stack"):
        process.kill()


def marked(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(FOLDER_MARK) == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def rigline(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rigline", *arguments],
        env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def asked(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def run_deployment(api: str, name: str, **parameters: str) -> dict[str, Any]:
    """The flow run of a deployment at its end."""
    deployment = asked(f"{api}/deployments/name/{name}")
    run = asked(
        f"{api}/deployments/{deployment['id']}/create_flow_run",
        {"parameters": parameters, "enforce_parameter_schema": False},
    )
    deadline = time.monotonic() + RUN_LIMIT_S
    while run["state_type"] not in ENDS and time.monotonic() < deadline:
        time.sleep(0.5)
        run = asked(f"{api}/flow_runs/{run['id']}")
    return dict(run)


def test_up_sets_up_an_avatar_and_down_leaves_nothing(env: dict[str, str], tmp_path: Path) -> None:
    up = rigline(env, "up", "--json", "--without", "review")
    assert up.returncode == 0, up.stderr
    shown = json.loads(up.stdout)
    assert {part["name"]: part["state"] for part in shown["parts"]} == dict.fromkeys(
        ("prefect", "worker", "maintenance"), "running"
    )
    assert "review" in shown["left_out"]
    for part in shown["parts"]:
        (listening,) = {
            c.laddr.ip
            for p in marked(tmp_path / "stack")
            for c in p.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN
        }
        assert listening == "127.0.0.1", part

    api = shown["prefect_api_url"]
    run = run_deployment(
        api, "avatar_auto_setup/default", file=str(SAMPLE), out=str(tmp_path / "out")
    )
    assert run["state_type"] == "COMPLETED", run["state"]
    assert (tmp_path / "out" / "straw_hat.avatar.glb").exists()
    limits = {limit["tag"] for limit in asked(f"{api}/concurrency_limits/filter", {})}
    assert "model:avatar_rigging" in limits

    again = rigline(env, "up", "--json", "--without", "review")
    assert json.loads(again.stdout)["parts"] == shown["parts"]
    assert "ran already" in again.stderr
    assert rigline(env, "status").returncode == 0

    down = rigline(env, "down", "--json")
    assert json.loads(down.stdout)["stopped"] == ["maintenance", "prefect", "worker"]
    assert marked(tmp_path / "stack") == []
    assert rigline(env, "status").returncode == 1


def test_what_does_not_come_up_is_told_and_leaves_nothing(
    env: dict[str, str], tmp_path: Path
) -> None:
    env["RIGLINE_DATABASE"] = f"postgresql://nobody@127.0.0.1:{free_port()}/rigline"
    up = rigline(env, "up", "--without", "review")
    assert up.returncode == 1
    assert "ledger ended with exit code 1" in up.stderr
    assert "cannot be used" in up.stderr, "the end of its log"
    assert marked(tmp_path / "stack") == []
