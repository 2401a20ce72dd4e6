"""A pipeline of three trivial stages, the services to run it, and a ledger that can be killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from rigline.bootstrap import Services
from rigline.db.ledger import Ledger, Work
from rigline.engine.codec import json_codec
from rigline.engine.job import Job
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import AssetFile, Produced, Stage, StageContext
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.jobs.execution import run
from rigline.jobs.submission import submit
from rigline.settings import Settings
from rigline.storage.memory import MemoryStore
from rigline.triage.policy import Policy, Term
from tests.support.tickets import NOW, SECOND

TERM = Term(evidence="words", good=4, bad=0, reason="only {value:.0f} words")
POLICY = Policy(
    name="small", version=1, calibrated=False, review_below=0.0, stages={"count": (TERM,)}
)


class Killed(BaseException):
    """The process died here."""


class Clock:
    """Each look is a second later; ``wait`` lets more time pass."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += SECOND
        return self.now

    def wait(self, time: timedelta) -> None:
        self.now += time


class AbsentStore(MemoryStore):
    """A store that is away."""

    away = False

    def get(self, sha256: str) -> bytes:
        if self.away:
            raise ServiceUnavailable("The store does not answer.")
        return super().get(sha256)


@dataclass
class Office:
    """Counts the words of texts for whoever submits them; ``ran`` counts the stages computed."""

    ledger: Ledger
    store: AbsentStore = field(default_factory=AbsentStore)
    policy: Policy = POLICY
    clock: Clock = field(default_factory=Clock)
    ran: Counter[str] = field(default_factory=Counter)
    during: Callable[[str], object] = lambda stage: None

    @property
    def pipeline(self) -> Pipeline:
        def made(name: str, inputs: tuple[str, ...], work: Callable[..., Produced[Any]]) -> Stage:
            def go(ctx: StageContext, *arguments: Any) -> Produced[Any]:
                self.ran[name] += 1
                self.during(name)
                return work(*arguments)

            return Stage(name, 1, inputs, go, json_codec(f"{name}.json"), {"by": "hand"})

        stages = (
            made("read", (ASSET,), _read),
            made("split", ("read",), lambda text: Produced(text.split())),
            made("count", ("split",), lambda w: Produced(len(w), {"words": float(len(w))})),
        )
        return Pipeline("words", 1, stages)

    @property
    def services(self) -> Services:
        return Services(self.store, None, self.policy, Settings())  # type: ignore[arg-type]

    def submit(self, text: bytes = b"one two three", **chosen: Any) -> Job:
        fields: dict[str, Any] = {"creator": "carol", "batch": "b1", "now": self.clock(), **chosen}
        pipeline = self.pipeline
        return submit(self.ledger, self.services, text, "text.txt", pipeline=pipeline, **fields)

    def run(self, job_id: str, **chosen: Any) -> Job:
        ledger = chosen.pop("ledger", self.ledger)
        known = {"words": self.pipeline}
        return run(ledger, self.services, job_id, self.clock, pipelines=known, **chosen)

    def judging(self, **changes: Any) -> Office:
        """The same office with a policy of another name that differs in this."""
        name = "-".join(f"{key}-{value}" for key, value in changes.items())
        return replace(self, policy=POLICY.model_copy(update={"name": name, **changes}))


class MortalLedger:
    """A ledger whose process dies at its transaction number ``at``, before it or after its commit.

    ``seen`` counts the transactions.
    """

    def __init__(self, ledger: Ledger, at: int, *, committed: bool) -> None:
        self._ledger, self._at, self._committed = ledger, at, committed
        self.seen = 0

    @contextmanager
    def transaction(self) -> Iterator[Work]:
        self.seen += 1
        if self.seen == self._at and not self._committed:
            raise Killed
        with self._ledger.transaction() as work:
            yield work
        if self.seen == self._at:
            raise Killed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def _read(asset: AssetFile) -> Produced[str]:
    try:
        return Produced(asset.data.decode("ascii"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{asset.name} is no text.") from error
