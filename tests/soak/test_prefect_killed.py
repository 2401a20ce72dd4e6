"""Prefect's server dies with the events in its hands: the decisions take effect all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.maintenance_flow import maintenance
from rigline.bootstrap import open_services, pipeline_named
from rigline.db.reviewing import record_decision
from rigline.engine.job import Job, JobState
from rigline.jobs.execution import run
from rigline.jobs.preview import parsed_corrections
from rigline.jobs.submission import submit
from rigline.review import queue
from rigline.review.decision import Corrections
from rigline.review.ticket import UNDO_WINDOW
from tasks.job_tasks import clock
from tasks.services import opened_ledger
from tests.support.servers import free_port, running, wait_for_http
from tests.support.tickets import ANN, LEASE
from tests.support.words import POLICY

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
JOBS = 6
FOUR = ["one", "two", "three", "four"]
LIMIT_S = 400.0


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An installation of the words pipeline, whose server keeps its data and its port."""
    (tmp_path / "policy.toml").write_text(POLICY)
    chosen = {
        "RIGLINE_STORE": str(tmp_path / "store"),
        "RIGLINE_DATABASE": f"sqlite:///{tmp_path / 'ledger.db'}",
        "RIGLINE_POLICY": str(tmp_path / "policy.toml"),
        "RIGLINE_PIPELINES": "tests.support.words:WORDS",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    return {
        **os.environ,
        **chosen,
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(tmp_path / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def test_events_that_die_with_the_server_are_sent_again(
    env: dict[str, str], tmp_path: Path
) -> None:
    jobs = [corrected(number) for number in range(JOBS)]
    with temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}):
        with server(env, tmp_path / "first.log") as process:
            prefect(env, "work-pool", "create", "rigline", "--type", "process")
            prefect(env, "--no-prompt", "deploy", "--all")
            sent = maintenance(minutes=0)["sent"]
            os.killpg(process.pid, signal.SIGKILL)
        assert sent == JOBS
        with server(env, tmp_path / "second.log"), worker(env, tmp_path / "worker.log"):
            deadline = time.monotonic() + LIMIT_S
            while states(jobs) != {JobState.PUBLISHED}:
                assert time.monotonic() < deadline, states(jobs)
                maintenance(minutes=0)
                time.sleep(2)
    with opened_ledger() as ledger, ledger.reading() as work:
        for job in jobs:
            stages = [stage_run.stage for stage_run in work.jobs.runs(job.id)]
            assert stages == ["read", "split", "count", "split", "count"]


def corrected(number: int) -> Job:
    """A job of a text with too few words, corrected so long ago that it is to resume."""
    services, then = open_services(), datetime.now(UTC) - UNDO_WINDOW - timedelta(seconds=1)
    with opened_ledger() as ledger:
        job = submit(
            ledger, services, b"text %d" % number, "text.txt", creator="carol", now=then,
            pipeline=pipeline_named(services, "words"),
        )  # fmt: skip
        run(ledger, services, job.id, clock)
        with ledger.reading() as work:
            outputs = {r.stage: r.sha256 for r in work.jobs.runs(job.id)}
        document = {
            "schema_version": 1, "stage": "split", "base_artifact_sha256": outputs["split"],
            "ops": [{"op": "set_output", "value": [*FOUR, str(number)]}],
        }  # fmt: skip
        corrections = parsed_corrections(ledger, services, job.id, [document])
        with ledger.transaction() as work:
            (found,) = work.tickets.find(job_id=job.id)
            ticket = queue.claim(work.tickets, found.id, ANN, then, LEASE)
            record_decision(
                work, ticket.id, ANN, ticket.fencing_token, then,
                decision_id=f"d{number}", decision=Corrections(corrections),
            )  # fmt: skip
        return job


def states(jobs: list[Job]) -> set[JobState]:
    with opened_ledger() as ledger, ledger.reading() as work:
        return {work.jobs.get(job.id).state for job in jobs}


@contextmanager
def server(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    port = env["PREFECT_API_URL"].removesuffix("/api").rpartition(":")[2]
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", port, "--no-ui"]
    with running(command, env, log) as process:
        wait_for_http(f"{env['PREFECT_API_URL']}/health", process, log)
        yield process


@contextmanager
def worker(env: dict[str, str], log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "rigline"]
    with running([*command, "--prefetch-seconds", "1"], env, log, cwd=ROOT):
        yield


def prefect(env: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True)
