"""A run triggered by hand: the Prefect UI's form explains itself, and its pages show the result.

With ``RIGLINE_PICTURES`` naming a folder, the pages are kept there as pictures for the docs.
"""

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

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.policies import DOUBTS_EVERY_RIG
from tests.support.servers import prefect_server, running

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "benchmarks/samples/goblin.glb"
SLOW_MS = 120_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Server with its UI, deployments and a worker."""
    folder = tmp_path_factory.mktemp("ui")
    (folder / "policy.toml").write_text(DOUBTS_EVERY_RIG)
    with prefect_server(folder, ui=True) as server:
        env = {
            **server,
            "PYTHONPATH": str(ROOT),
            "RIGLINE_STORE": str(folder / "store"),
            "RIGLINE_DATABASE": f"sqlite:///{folder / 'ledger.db'}",
            "RIGLINE_POLICY": str(folder / "policy.toml"),
        }
        prefect = [sys.executable, "-m", "prefect"]
        for command in (
            ["work-pool", "create", "rigline", "--type", "process"],
            ["--no-prompt", "deploy", "--all"],
        ):
            subprocess.run([*prefect, *command], env=env, cwd=ROOT, check=True, capture_output=True)
        worker = [*prefect, "worker", "start", "--pool", "rigline", "--prefetch-seconds", "1"]
        with running(worker, env, folder / "worker.log", cwd=ROOT):
            yield env


def test_a_run_from_the_form_ends_in_the_review_queue(
    stack: dict[str, str], browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
    page.set_default_timeout(SLOW_MS)
    api = stack["PREFECT_API_URL"]
    ui = api.removesuffix("/api")
    deployment = _get(f"{api}/deployments/name/avatar_auto_setup/default")
    page.goto(f"{ui}/deployments/deployment/{deployment['id']}/run")
    expect(page.get_by_text("Path of the mesh, as the worker sees it")).to_be_visible(
        timeout=SLOW_MS
    )
    expect(page.get_by_text("Of two jobs the larger number goes first.")).to_be_visible(
        timeout=SLOW_MS
    )
    page.locator("textarea").first.fill("/meshes/goblin.glb")
    _keep(page, "prefect_form")
    page.locator("textarea").first.fill(str(SAMPLE))
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(f"**/{deployment['id']}?tab=Runs")
    wanted = {"deployments": {"id": {"any_": [deployment["id"]]}}}
    (run,) = _post(f"{api}/flow_runs/filter", wanted)
    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    _wait_for_completion(f"{api}/flow_runs/{run['id']}")
    page.reload()
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("validate").first).to_be_visible(timeout=SLOW_MS)
    _keep(page, "prefect_run")
    of_run = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "type": {"any_": ["markdown"]}}}
    (artifact,) = _post(f"{api}/artifacts/filter", of_run)
    page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    expect(page.get_by_text("goblin.glb: review").first).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("img[alt=preview]")).to_be_visible(timeout=SLOW_MS)
    _keep(page, "prefect_artifact")
    done = subprocess.run(
        [sys.executable, "-m", "rigline", "review", "list", "--json"],
        env=stack, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (ticket,) = json.loads(done.stdout)
    assert (ticket["state"], ticket["flagged"]) == ("open", ["rig"])


def _wait_for_completion(url: str) -> None:
    deadline = time.monotonic() + SLOW_MS / 1000
    while (state := _get(url)["state_type"]) != "COMPLETED":
        assert state in ("SCHEDULED", "PENDING", "RUNNING"), state
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def _post(url: str, body: object) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _keep(page: Page, name: str) -> None:
    if folder := os.environ.get("RIGLINE_PICTURES"):
        page.wait_for_timeout(1500)  # for the graph to be drawn; a picture is no assertion
        page.screenshot(path=Path(folder) / f"{name}.png")
