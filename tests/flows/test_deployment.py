"""The deployment of prefect.yaml, on a real Prefect server with a real worker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.maintenance_flow import maintenance
from rigline.avatar.body import PART_NAMES
from rigline.bootstrap import open_services
from rigline.db.jobs import JobFilter
from rigline.db.ledger import Ledger
from rigline.db.reviewing import record_decision
from rigline.engine.job import Job, JobState
from rigline.jobs.preview import parsed_corrections
from rigline.jobs.results import results_of
from rigline.review import queue
from rigline.review.decision import Corrections
from rigline.review.ticket import UNDO_WINDOW
from tasks.services import opened_ledger
from tests.support.policies import DOUBTS_EVERY_RIG
from tests.support.servers import running
from tests.support.tickets import ANN, LEASE

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

SAMPLE = Path("benchmarks/samples/straw_hat.glb")
RUN_SCRIPT = """
import json, sys
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.deployments import run_deployment

name, parameters = sys.argv[1], json.loads(sys.argv[2])
run = run_deployment(name, parameters=parameters, timeout=150, poll_interval=0.5)
with get_client(sync_client=True) as client:
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    tasks = client.read_task_runs(flow_run_filter=of_run)
    artifacts = client.read_artifacts(flow_run_filter=of_run)
print(json.dumps({
    "state": run.state.name,
    "message": run.state.message,
    "tasks": {t.name: [t.state.name, t.run_count] for t in tasks},
    "artifacts": [a.data for a in artifacts if a.type == "markdown"],
}))
"""


@pytest.fixture(scope="module")
def worker(
    server_env: dict[str, str], root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A worker that serves what prefect.yaml deploys; gives the environment of both."""
    folder = tmp_path_factory.mktemp("worker")
    (folder / "policy.toml").write_text(DOUBTS_EVERY_RIG)
    env = {
        **server_env,
        "PYTHONPATH": str(root),
        "RIGLINE_STORE": str(folder / "store"),
        "RIGLINE_DATABASE": f"sqlite:///{folder / 'ledger.db'}",
        "RIGLINE_POLICY": str(folder / "policy.toml"),
        "RIGLINE_INTAKE": str(folder / "intake"),
    }
    _prefect(env, root, "work-pool", "create", "rigline", "--type", "process")
    _prefect(env, root, "--no-prompt", "deploy", "--all")
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "rigline"]
    command += ["--type", "process", "--prefetch-seconds", "1"]
    with running(command, env, folder / "worker.log", cwd=root):
        yield env


def test_deployment_sets_up_an_avatar_and_reuses_everything_the_second_time(
    worker: dict[str, str], root: Path, tmp_path: Path
) -> None:
    first = _run(worker, root, file=str(root / SAMPLE), out=str(tmp_path / "first"))
    assert first["state"] == "Completed", first
    report = json.loads((tmp_path / "first" / "straw_hat.report.json").read_text())
    assert (tmp_path / "first" / "straw_hat.avatar.glb").read_bytes()[:4] == b"glTF"
    assert not any(stage["reused"] for stage in report["stages"].values())
    assert set(first["tasks"]) == set(report["stages"])

    (artifact,) = first["artifacts"]
    assert "data:image/png;base64," in artifact
    assert "| rig |" in artifact

    second = _run(worker, root, file=str(root / SAMPLE), out=str(tmp_path / "second"))
    assert second["state"] == "Completed", second
    again = json.loads((tmp_path / "second" / "straw_hat.report.json").read_text())
    assert all(stage["reused"] for stage in again["stages"].values())
    assert _bytes(tmp_path / "first") == _bytes(tmp_path / "second")


def test_a_file_that_cannot_be_used_fails_at_once_with_its_reason(
    worker: dict[str, str], root: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.glb"
    broken.write_bytes(b"glTF and nothing more")
    options = {"preset": "marketplace", "body_type": "slender", "proportions": "keep", "atlas": 512}
    run = _run(worker, root, file=str(broken), creator="mallory", **options)
    assert run["state"] == "Failed"
    assert "InvalidInput" in run["message"] or "GLB" in run["message"]
    assert run["tasks"]["ingest"] == ["Failed", 1]
    ledger = Ledger(worker["RIGLINE_DATABASE"])
    with ledger.reading() as work:
        (job,) = work.jobs.list(JobFilter(creator="mallory"))
    ledger.close()
    assert job.params["fit"] == {"body_type": "slender", "proportions": "keep"}
    assert job.params["bake"] == {"atlas_px": 512}


def test_the_event_of_a_correction_resumes_the_job_from_the_rig_alone(
    worker: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_API_URL", "RIGLINE_STORE", "RIGLINE_DATABASE", "RIGLINE_POLICY"):
        monkeypatch.setenv(name, worker[name])
    run = _run(worker, root, file=str(root / SAMPLE), creator="eve")
    assert run["state"] == "Completed", run
    with opened_ledger() as ledger:
        with ledger.reading() as work:
            (job,) = work.jobs.list(JobFilter(creator="eve"))
            (ticket,) = work.tickets.find(job_id=job.id)
            before = {run.stage: run for run in work.jobs.runs(job.id)}
        assert (job.state, ticket.flagged) == (JobState.IN_REVIEW, ("rig",))
        elbow = before["rig"].evidence["joints"]["LeftLowerArm"]["position"]
        moved = [elbow[0] - 0.02, elbow[1] + 0.01, elbow[2]]
        op = {"op": "move_joint", "joint": "LeftLowerArm", "position": moved}
        document = {
            "schema_version": 1, "stage": "rig", "ops": [op],
            "base_artifact_sha256": before["rig"].sha256,
        }  # fmt: skip
        corrections = parsed_corrections(ledger, open_services(), job.id, [document])
        then = datetime.now(UTC) - UNDO_WINDOW
        with ledger.transaction() as work:
            ticket = queue.claim(work.tickets, ticket.id, ANN, then, LEASE)
            record_decision(
                work, ticket.id, ANN, ticket.fencing_token, then,
                decision_id="d1", decision=Corrections(corrections),
            )  # fmt: skip
        with temporary_settings({PREFECT_API_URL: worker["PREFECT_API_URL"]}):
            assert maintenance(minutes=0)["sent"] == 1
        _wait_until(ledger, job.id, JobState.PUBLISHED)
        finished = results_of(ledger, open_services(), job.id)
        with ledger.reading() as work:
            after = work.jobs.runs(job.id)[len(before) :]
    # The cage does not hear of an elbow; what does is computed again, and nothing before it.
    again = {run.stage for run in after if not run.reused or run.stage == "rig"}
    assert again <= {"rig", "skin", "cage", "attach", "assemble", "validate", "picture"}
    assert {"rig", "skin", "assemble"} <= again
    assert finished.value("rig").joints[PART_NAMES.index("LeftLowerArm")] == pytest.approx(moved)


def test_the_schedule_takes_new_files_in_and_runs_them(
    worker: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RIGLINE_STORE", "RIGLINE_DATABASE", "RIGLINE_POLICY"):
        monkeypatch.setenv(name, worker[name])
    intake = Path(worker["RIGLINE_INTAKE"])
    intake.mkdir()
    (intake / "broken.glb").write_bytes(b"glTF and nothing more")
    shutil.copy(root / SAMPLE, intake / "hat.glb")
    for path in intake.iterdir():
        os.utime(path, (1e9, 1e9))
    with (
        temporary_settings({PREFECT_API_URL: worker["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        deployment = client.read_deployment_by_name("intake_sweep/default")
        (schedule,) = deployment.schedules
        assert schedule.active
        soon = IntervalSchedule(interval=timedelta(seconds=10))
        client.update_deployment_schedule(deployment.id, schedule.id, schedule=soon)
        with opened_ledger() as ledger:
            _wait_for(lambda: len(_intake_jobs(ledger, JobState.FAILED, JobState.IN_REVIEW)) == 2)
            states = {job.state for job in _intake_jobs(ledger)}
            assert states == {JobState.FAILED, JobState.IN_REVIEW}
        client.update_deployment_schedule(deployment.id, schedule.id, active=False)


def _intake_jobs(ledger: Ledger, *states: JobState) -> Sequence[Job]:
    with ledger.reading() as work:
        return work.jobs.list(JobFilter(creator="intake", states=states))


def _wait_until(ledger: Ledger, job_id: str, state: JobState) -> None:
    def there() -> bool:
        with ledger.reading() as work:
            return work.jobs.get(job_id).state == state

    _wait_for(there)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 150
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_every_entrypoint_of_prefect_yaml_loads(root: Path) -> None:
    deployments = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    assert deployments
    for deployment in deployments:
        script = (
            "from prefect.flows import load_flow_from_entrypoint as load;"
            f"flow = load({deployment['entrypoint']!r}, use_placeholder_flow=False);"
            "print(type(flow).__name__, flow.name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["Flow", deployment["entrypoint"].rsplit(".", 1)[1]]


def test_the_page_on_flows_lists_what_is_deployed_and_what_serves_itself(root: Path) -> None:
    deployments = yaml.safe_load((root / "prefect.yaml").read_text())["deployments"]
    deployed = [f"{d['entrypoint'].rsplit('.', 1)[1]}/{d['name']}" for d in deployments]
    listed = re.findall(r"^\| `(\w+/\w+)`", (root / "docs/flows.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*deployed, f"{maintenance.name}/default"])


def _run(env: dict[str, str], root: Path, **parameters: Any) -> dict[str, Any]:
    name = "avatar_auto_setup/default"
    done = subprocess.run(
        [sys.executable, "-c", RUN_SCRIPT, name, json.dumps(parameters)],
        env=env, cwd=root, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _prefect(env: dict[str, str], root: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        env=env, cwd=root, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _bytes(folder: Path) -> bytes:
    return (folder / "straw_hat.avatar.glb").read_bytes()
