from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rigline.bootstrap import Services, open_services
from rigline.db.ledger import Ledger
from rigline.jobs.conclusion import ticket_id_of
from rigline.jobs.execution import run
from rigline.jobs.submission import submit
from rigline.review.access import PersonRole
from rigline.settings import Settings
from tests.support.ledgers import opened
from tests.support.policies import DOUBTS_EVERY_RIG
from tests.support.small_jobs import Clock
from tests.support.tickets import NOW

SAMPLE = Path(__file__).resolve().parents[2] / "benchmarks/samples/boxhead_kid.glb"


@dataclass
class ReviewedJob:
    """A real job with a ticket, and people to look at it."""

    ledger: Ledger
    services: Services
    ticket_id: str
    clock: Clock


@pytest.fixture(scope="session")
def reviewed_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewedJob]:
    """One sample that went through the pipeline into the review queue."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "policy.toml").write_text(DOUBTS_EVERY_RIG)
    settings = Settings(
        store=str(folder / "store"),
        database=f"sqlite:///{folder / 'ledger.db'}",
        policy=folder / "policy.toml",
    )
    services, clock = open_services(settings), Clock()
    with opened(settings.database) as ledger:
        ledger.upgrade()
        job = submit(
            ledger, services, SAMPLE.read_bytes(), SAMPLE.name, creator="carol", now=clock()
        )
        run(ledger, services, job.id, clock)
        with ledger.transaction() as work:
            for person, role in (("ann", PersonRole.REVIEWER), ("bob", PersonRole.REVIEWER),
                                 ("liz", PersonRole.LEAD), ("vic", PersonRole.VIEWER)):  # fmt: skip
                work.people.grant(person, role, "root", NOW)
        yield ReviewedJob(ledger, services, ticket_id_of(job.id), clock)
