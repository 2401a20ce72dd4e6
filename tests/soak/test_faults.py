"""Jobs go through while worker, relay and database are killed at random: nothing is lost by it."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import psutil
import pytest

from rigline.bootstrap import Services, open_services
from rigline.db import reviewing
from rigline.db.ledger import Ledger
from rigline.engine.job import JobState
from rigline.errors import ReviewConflict, ServiceUnavailable
from rigline.jobs.submission import submit
from rigline.review import queue
from rigline.review.correction import parse_correction
from rigline.review.decision import Approval, Corrections, Decision, RejectCode, Rejection
from rigline.review.ticket import Ticket
from rigline.settings import load_settings
from tests.soak import fault_process
from tests.soak.fault_kind import LOG, NOTED
from tests.support.ledgers import PostgresServer, opened
from tests.support.tickets import ANN, LEASE
from tests.support.words import POLICY

ENDS = (JobState.PUBLISHED, JobState.REJECTED, JobState.FAILED, JobState.CANCELLED)
RUN_LIMIT_S = 1200.0
PAUSE_S = (0.2, 1.5)


@dataclass
class Site:
    """One run: its folder, database, processes and what was decided in it."""

    folder: Path
    server: PostgresServer
    address: str
    began: float = field(default_factory=time.time)
    decided: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Any] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.events = self.folder / "events"
        self.events.mkdir(parents=True)
        (self.folder / "policy.toml").write_text(POLICY)
        self.environment = {
            "RIGLINE_DATABASE": self.address, "RIGLINE_STORE": str(self.folder / "store"),
            "RIGLINE_POLICY": str(self.folder / "policy.toml"),
            "RIGLINE_PIPELINES": "tests.soak.fault_kind:NOTED", LOG: str(self.folder / "log"),
        }  # fmt: skip
        self.clock = fault_process.Clock(self.began)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.soak.fault_process"])

    @property
    def services(self) -> Services:
        return open_services(
            load_settings(
                store=self.environment["RIGLINE_STORE"],
                policy=Path(self.environment["RIGLINE_POLICY"]),
                pipelines=self.environment["RIGLINE_PIPELINES"],
            )
        )

    def start(self, role: str) -> None:
        target = {"worker": fault_process.work, "relay": fault_process.tend}[role]
        arguments = (self.environment, self.events, self.began)
        process = self.context.Process(target=target, args=arguments, daemon=True)
        process.start()
        self.processes[role] = process

    def kill(self, role: str) -> None:
        """SIGKILL, and a new one."""
        if role == "database":
            postmaster = psutil.Process(self.server.process.get_pid())
            backends = postmaster.children()
            os.kill(postmaster.pid, signal.SIGKILL)
            psutil.wait_procs(backends, 10)
            # Where nobody buries the dead, a new server would take the old one for alive.
            (self.server.process.pgdata / "postmaster.pid").unlink(missing_ok=True)
            deadline = time.monotonic() + 120
            while True:
                try:
                    self.server.process.ensure_postgres_running()
                    return
                except (SubprocessError, AssertionError):
                    if time.monotonic() > deadline:
                        raise
        self.processes[role].kill()
        self.processes[role].join()
        self.start(role)

    def review(self) -> None:
        """Somebody decides about each ticket, and asks again until the answer is there."""
        with opened(self.address) as ledger:
            while not self.over.wait(0.02):
                with suppress(ServiceUnavailable, ReviewConflict):
                    with ledger.transaction() as work:
                        ticket = queue.claim_next(work.tickets, ANN, self.clock(), LEASE)
                    if ticket is not None:
                        self.decide(ledger, ticket)

    def decide(self, ledger: Ledger, ticket: Ticket) -> None:
        decision_id, decision = f"d{ticket.job_id}", decision_about(ledger, ticket)
        while not self.over.is_set():
            try:
                reviewing.decide(
                    ledger, ticket.id, ANN, ticket.fencing_token, self.clock(),
                    decision_id=decision_id, decision=decision,
                )  # fmt: skip
            except ServiceUnavailable:
                continue  # whether it was kept is not known: the same again
            self.decided[decision_id] = str(decision.kind)
            return

    def executions(self) -> int:
        return len((self.folder / "log").read_text().splitlines())


def text_of(number: int) -> bytes:
    """Three of four texts are too short, and each has an output of its own at every stage."""
    return b" ".join(b"word%d" % number for _ in range(5 if number % 4 == 3 else 1 + number % 3))


def decision_about(ledger: Ledger, ticket: Ticket) -> Decision:
    with ledger.reading() as work:
        job = work.jobs.get(ticket.job_id)
        outputs = {run.stage: run.sha256 for run in work.jobs.runs(job.id)}
        number = int(work.jobs.asset(job.asset_sha256).name.split(".")[0])
    if number % 4 != 2:
        return (Approval(), Rejection(RejectCode.BROKEN_MESH, "too short"))[number % 4]
    found = {
        "schema_version": 1, "stage": "split", "base_artifact_sha256": outputs["split"],
        "ops": [{"op": "set_output", "value": [f"word{number}"] * 6}],
    }  # fmt: skip
    return Corrections((parse_correction(found, NOTED.ops_by_stage),))


def run_through(site: Site, jobs: int, kills: list[str], seed: int) -> dict[str, Any]:
    """What became of each job, when all have come to their end."""
    rng, services = random.Random(seed), site.services
    with opened(site.address) as ledger:
        ids = {
            number: submit(
                ledger, services, text_of(number), f"{number}.txt", creator="carol",
                now=site.clock(), pipeline=NOTED.pipeline,
            ).id
            for number in range(jobs)
        }  # fmt: skip
        reviewer = threading.Thread(target=site.review)
        reviewer.start()
        try:
            for role in ("worker", "relay"):
                site.start(role)
            for role in kills:
                site.over.wait(rng.uniform(*PAUSE_S))
                site.kill(role)
            wait_for_the_end(ledger, site, set(ids.values()))
        finally:
            site.over.set()
            reviewer.join()
            for process in site.processes.values():
                process.kill()
                process.join()
        with ledger.reading() as work:
            check_decisions(work, site)
            return {number: ended(work, job_id) for number, job_id in ids.items()}


def wait_for_the_end(ledger: Ledger, site: Site, ids: set[str]) -> None:
    deadline = time.monotonic() + RUN_LIMIT_S
    while time.monotonic() < deadline:
        with suppress(ServiceUnavailable), ledger.reading() as work:
            if all(work.jobs.get(job_id).state in ENDS for job_id in ids):
                return
        site.over.wait(0.2)
    raise AssertionError("the jobs did not come to their end")


def check_decisions(work: Any, site: Site) -> None:
    """Every decision of which the reviewer was told that it is kept has taken effect."""
    for decision_id, kind in site.decided.items():
        kept = work.decisions.get(decision_id)
        assert (str(kept.kind), kept.undone_at) == (kind, None)
        assert work.outbox.get(decision_id).acknowledged_at is not None
        assert all(c.artifact_sha256 for c in work.decisions.corrections(decision_id))


def ended(work: Any, job_id: str) -> tuple[Any, ...]:
    job = work.jobs.get(job_id)
    outputs = {run.stage: run.sha256 for run in work.jobs.runs(job_id)}
    return str(job.state), job.judged and job.judged.verdict, outputs


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that nobody else minds losing."""
    server = PostgresServer(tmp_path_factory.mktemp("mortal"))
    yield server
    server.stop()


@pytest.mark.server
@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(8, 4, marks=pytest.mark.timeout(600)),
        pytest.param(200, 40, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_kills_at_random_change_nothing(
    own_server: PostgresServer, tmp_path: Path, jobs: int, kills: int
) -> None:
    calm = Site(tmp_path / "calm", own_server, own_server.new_database())
    expected = run_through(calm, jobs, [], seed=0)
    struck = Site(tmp_path / "struck", own_server, own_server.new_database())
    roles = ["worker", "database", "relay", "worker"] * (kills // 4)
    found = run_through(struck, jobs, roles, seed=jobs)
    assert found == expected
    assert {end[0] for end in found.values()} == {"published", "rejected"}
    assert struck.decided == calm.decided
    assert len(calm.decided) == sum(number % 4 != 3 for number in range(jobs))
    one_pass, executed = calm.executions(), struck.executions()
    print(
        f"\n{jobs} jobs, {kills} kills: {executed} stage executions, {one_pass} undisturbed "
        f"({executed / one_pass:.3f}x)"
    )
    # Of a few jobs one kill is already more than a twentieth.
    assert executed <= (1.05 * one_pass if jobs >= 100 else one_pass + kills)
