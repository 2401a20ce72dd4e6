"""The processes of a fault run: a worker and a relay, killed at any moment and started again.

Their clock runs faster than the wall's, so that an undo window and the silence after which a job
has lost its worker pass in seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rigline.bootstrap import open_ledger, open_services
from rigline.db.ledger import Ledger
from rigline.errors import ReviewConflict, ServiceUnavailable
from rigline.jobs.execution import run
from rigline.jobs.recovery import waiting
from rigline.jobs.relay import relay
from rigline.jobs.resumption import carry_out_due, resume
from rigline.settings import load_settings
from tests.support.tickets import NOW

SPEED: Final = 150.0
IDLE_S: Final = 0.05


@dataclass(frozen=True)
class Clock:
    """Tells a time that all processes of a run share."""

    began: float

    def __call__(self) -> datetime:
        return NOW + timedelta(seconds=SPEED * (time.time() - self.began))


def work(environment: dict[str, str], events: Path, began: float) -> None:
    """Take jobs, and decisions from the folder of events; an event that is taken is gone."""
    os.environ.update(environment)
    services, clock = open_services(), Clock(began)

    def once(ledger: Ledger) -> None:
        for event in sorted(events.iterdir()):
            with suppress(FileNotFoundError):
                event.unlink()
                resume(ledger, services, event.name, clock)
        for job in waiting(ledger, clock())[:1]:
            run(ledger, services, job.id, clock)

    _again_and_again(once)


def tend(environment: dict[str, str], events: Path, began: float) -> None:
    """The maintenance: what the clock asks for, and messages as events."""
    os.environ.update(environment)
    clock = Clock(began)

    def once(ledger: Ledger) -> None:
        carry_out_due(ledger, clock())
        relay(ledger, clock(), lambda message: (events / message.id).touch())

    _again_and_again(once)


def _again_and_again(once: Callable[[Ledger], None]) -> None:
    ledger = open_ledger(load_settings())
    while True:
        with suppress(ServiceUnavailable, ReviewConflict):
            once(ledger)
        time.sleep(IDLE_S)
