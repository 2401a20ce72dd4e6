"""The review app over real jobs: samples that went through the pipeline, and people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rigline.bootstrap import Services, open_services
from rigline.db.ledger import Ledger
from rigline.jobs.conclusion import ticket_id_of
from rigline.jobs.execution import run
from rigline.jobs.submission import submit
from rigline.review.access import PersonRole
from rigline.settings import Settings
from tests.support.servers import free_port, running, wait_for_http

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "benchmarks/samples"
PEOPLE = {
    "ann": PersonRole.REVIEWER, "bob": PersonRole.REVIEWER, "liz": PersonRole.LEAD,
    "vic": PersonRole.VIEWER,
}  # fmt: skip
SECRET = "a secret for tests alone"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Installation:
    """A ledger and a store in a folder, with jobs that wait for people."""

    folder: Path
    settings: Settings
    ledger: Ledger
    services: Services

    @property
    def env(self) -> dict[str, str]:
        """The environment of whoever works with it."""
        return {
            **os.environ,
            "RIGLINE_STORE": self.settings.store,
            "RIGLINE_DATABASE": self.settings.database,
            "RIGLINE_POLICY": str(self.settings.policy),
            "RIGLINE_UI_SECRET": SECRET,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def add_ticket(
        self, sample: str | Path, *, name: str | None = None, creator: str = "carol",
        batch: str | None = "spring", priority: int = 0,
    ) -> str:  # fmt: skip
        """Run a file through the pipeline; the id of its ticket."""
        path = SAMPLES / f"{sample}.glb" if isinstance(sample, str) else sample
        job = submit(
            self.ledger, self.services, path.read_bytes(), name or path.name, creator=creator,
            now=now(), batch=batch, priority=priority,
        )  # fmt: skip
        run(self.ledger, self.services, job.id, now)
        return ticket_id_of(job.id)


def install(folder: Path, database: str | None = None) -> Installation:
    """A new installation whose policy lets nothing pass without a person."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = (ROOT / "config/policies/default.toml").read_text("utf-8")
    policy = folder / "policy.toml"
    strict = shipped.replace("review_below = 0.5", "review_below = 1.0")
    policy.write_text(strict.replace('name = "default"', 'name = "strict"'), "utf-8")
    settings = Settings(
        store=str(folder / "store"),
        database=database or f"sqlite:///{folder / 'ledger.db'}",
        policy=policy,
    )
    ledger = Ledger(settings.database)
    ledger.upgrade()
    with ledger.transaction() as work:
        for person, role in PEOPLE.items():
            work.people.grant(person, role, "root", now())
    return Installation(folder, settings, ledger, open_services(settings))


@contextmanager
def review_app(
    installation: Installation, *, port: int | None = None, login: str = "development",
    env: dict[str, str] | None = None,
) -> Iterator[str]:  # fmt: skip
    """The app, running; its address."""
    port = port or free_port()
    command = [
        sys.executable, "-m", "review_ui", "--port", str(port), "--login", login,
    ]  # fmt: skip
    log = installation.folder / f"app-{port}.log"
    with running(command, {**installation.env, **(env or {})}, log, ROOT) as process:
        wait_for_http(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield f"http://127.0.0.1:{port}"
