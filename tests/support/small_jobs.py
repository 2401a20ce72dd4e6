"""A pipeline of three trivial stages, the services to run it, and a ledger that can be killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from rigline.bootstrap import Services
from rigline.db import reviewing
from rigline.db.ledger import Ledger, Work
from rigline.engine.codec import json_codec
from rigline.engine.job import Job, JobState
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import AssetFile, Produced, Stage, StageContext
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.jobs.execution import run
from rigline.jobs.resumption import resume
from rigline.jobs.submission import submit
from rigline.pipelines.job_kind import JobKind
from rigline.review import queue
from rigline.review.correction import parse_correction
from rigline.review.decision import Corrections, Decision
from rigline.review.ticket import UNDO_WINDOW, Actor, Ticket
from rigline.settings import Settings
from rigline.storage.memory import MemoryStore
from rigline.triage.policy import Policy, Term
from tests.support.tickets import ANN, LEASE, NOW, SECOND

TERM = Term(evidence="words", good=4, bad=0, reason="only {value:.0f} words")
OPS = {stage: frozenset({"set_output"}) for stage in ("read", "split", "count")}
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
        kinds = {"words": JobKind(self.pipeline, OPS)}
        return Services(self.store, None, self.policy, Settings(), kinds)  # type: ignore[arg-type]

    def submit(self, text: bytes = b"one two three", **chosen: Any) -> Job:
        fields: dict[str, Any] = {"creator": "carol", "batch": "b1", "now": self.clock(), **chosen}
        pipeline = self.pipeline
        return submit(self.ledger, self.services, text, "text.txt", pipeline=pipeline, **fields)

    def run(self, job_id: str, **chosen: Any) -> Job:
        ledger = chosen.pop("ledger", self.ledger)
        return run(ledger, self.services, job_id, self.clock, **chosen)

    def resume(self, decision_id: str, **chosen: Any) -> Job:
        ledger = chosen.pop("ledger", self.ledger)
        return resume(ledger, self.services, decision_id, self.clock, **chosen)

    def in_review(self, text: bytes = b"one two three", **chosen: Any) -> Job:
        """A job that waits in the queue."""
        job = self.run(self.submit(text, **chosen).id)
        assert job.state == JobState.IN_REVIEW
        return job

    def decide(
        self, decision: Decision, decision_id: str = "d1", who: Actor = ANN, *, settle: bool = True
    ) -> Ticket:
        """Somebody claims the next ticket and decides; with ``settle`` for good."""
        with self.ledger.transaction() as work:
            ticket = queue.claim_next(work.tickets, who, self.clock(), LEASE)
        assert ticket is not None
        decided = reviewing.decide(
            self.ledger, ticket.id, who, ticket.fencing_token, self.clock(),
            decision_id=decision_id, decision=decision,
        )  # fmt: skip
        if settle:
            self.clock.wait(UNDO_WINDOW)
        return decided

    def output(self, job_id: str, stage: str) -> str:
        """sha256 of the latest output of a stage."""
        with self.ledger.reading() as work:
            return {run.stage: run.sha256 for run in work.jobs.runs(job_id)}[stage]

    def correction(self, job_id: str, stage: str, value: Any, base: str = "") -> Corrections:
        """A decision that puts ``value`` in the place of a stage's output."""
        found = {
            "schema_version": 1, "stage": stage, "ops": [{"op": "set_output", "value": value}],
            "base_artifact_sha256": base or self.output(job_id, stage),
        }  # fmt: skip
        return Corrections((parse_correction(found, OPS),))

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
