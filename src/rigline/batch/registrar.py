"""What the driver writes in the ledger: items, attempts and ends, in groups.

An attempt is in the ledger before it begins, and what became of an item is one transaction with
what became of its job; a driver that dies in between has lost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from rigline.batch.source import Entry
from rigline.batch.work import LOST, Answer, Fault, Received
from rigline.batch.workshop import RECEIVE
from rigline.bootstrap import Services
from rigline.db.ledger import Ledger, Work
from rigline.engine.batch import (
    Batch,
    BatchItem,
    BatchState,
    DeadLetter,
    FaultKind,
    ItemState,
)
from rigline.engine.codec import encodable
from rigline.engine.job import Asset, Job, JobAction, JobState, advance
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun
from rigline.jobs.conclusion import (
    Conclusion,
    conclude_many,
    conclusion_of,
    conclusion_of_stop,
    is_mendable,
)
from rigline.jobs.execution import Clock
from rigline.jobs.submission import planned_job

LONGEST_ERROR: Final = 4000
RUNNABLE: Final = (JobState.QUEUED, JobState.PARKED, JobState.RUNNING)
Counts = Counter[tuple[ItemState, JobState | None]]


@dataclass
class Live:
    """An item in the hands of the driver: an attempt at it has begun."""

    item: BatchItem
    job: Job
    asset: Asset
    runs: dict[str, StageRun] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """How an attempt ended: judged, or with a fault; ``forgiven`` ones are not counted."""

    live: Live
    answer: Answer
    forgiven: bool = False


@dataclass
class Group:
    """What is to be written next."""

    received: list[Received] = field(default_factory=list)
    again: list[BatchItem] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.received) + len(self.again) + len(self.ends)


@dataclass(frozen=True)
class Written:
    """What followed: attempts that have begun, items to try again, and the ends by state."""

    begun: Sequence[Live]
    again: Sequence[BatchItem]
    ended: Counts


class Registrar:
    """The driver's hold on a batch in the ledger.

    Every method raises ``ReviewConflict`` when another driver has taken the batch up.
    """

    def __init__(
        self, ledger: Ledger, services: Services, pipeline: Pipeline, batch: Batch, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._services = services
        self._pipeline = pipeline
        self._clock = clock
        now = clock()
        with ledger.transaction() as work:
            self.batch = work.batches.take(batch.id, now)
            work.policies.add(services.policy, now)
            self.items, self._next = work.batches.extent(batch.id)
            self.counts = Counter(work.batches.figures(batch.id))

    def new_among(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries that are no items of the batch yet, each locator once."""
        once = {entry.locator: entry for entry in entries}
        with self._ledger.reading() as work:
            known = work.batches.known(self.batch.id, once)
        return [entry for locator, entry in once.items() if locator not in known]

    def unfinished(self, after: int, limit: int) -> Sequence[BatchItem]:
        """Items that an earlier run began or was told to take back, by number beyond ``after``."""
        with self._ledger.reading() as work:
            return work.batches.unfinished(self.batch.id, after, limit)

    def write(self, group: Group) -> Written:
        """Write what ended, begin what was received or is tried again; all of it or nothing."""
        now, ended = self._clock(), Counts()
        with self._ledger.transaction() as work:
            self.batch = work.batches.touch(self.batch, now)
            again = self._end(work, group.ends, ended, now)
            begun = self._restart(work, group.again, ended, now)
            begun += self._enroll(work, group.received, ended, now)
        return Written(begun, again, ended)

    def leave(self, state: BatchState, said: str = "", live: Iterable[Live] = ()) -> None:
        """Leave the batch; the attempts that had begun and are given back are not counted."""
        now = self._clock()
        with self._ledger.transaction() as work:
            self.batch = work.batches.touch(self.batch, now, state, said)
            given_back = list(live)
            changes = [(one.job, advance(one.job, JobAction.RETRY, now)) for one in given_back]
            work.job_groups.put(changes)
            work.batches.put_items([_forgiven(one.item) for one in given_back])

    def _enroll(
        self, work: Work, received: Sequence[Received], ended: Counts, now: datetime
    ) -> list[Live]:
        """New items with their jobs; those whose job another item has are duplicates."""
        jobs: dict[str, tuple[Job, Asset]] = {}
        items: list[BatchItem] = []
        letters: list[DeadLetter] = []
        owners: dict[str, int] = {}
        for one in received:
            item = BatchItem(
                self.batch.id, self._next + len(items), one.entry.locator, one.entry.name,
                ItemState.RUNNING, 1,
            )  # fmt: skip
            if one.fault is not None:
                items.append(replace(item, state=ItemState.DEAD))
                letters.append(_letter(item, one.fault, now))
                continue
            job, asset = self._planned(one, now)
            items.append(replace(item, asset_sha256=one.sha256, job_id=job.id))
            jobs.setdefault(job.id, (job, asset))
            owners.setdefault(job.id, items[-1].number)
        taken = work.batches.owned(self.batch.id, owners)
        work.job_groups.add([a for _, a in jobs.values()], [j for j, _ in jobs.values()])
        kept = work.job_groups.get(jobs)
        live, changes, final = list[Live](), list[tuple[Job, Job]](), list[BatchItem]()
        for item in items:
            job_id = item.job_id
            if job_id is None:
                ended[ItemState.DEAD, None] += 1
            elif job_id in taken or owners[job_id] != item.number:
                item = replace(item, state=ItemState.DUPLICATE, attempts=0)
                ended[ItemState.DUPLICATE, None] += 1
            elif kept[job_id].state not in RUNNABLE:
                item = replace(item, state=ItemState.DONE)
                ended[ItemState.DONE, kept[job_id].state] += 1
            else:
                started = _started(kept[job_id], now)
                changes.append((kept[job_id], started))
                live.append(Live(item, started, jobs[job_id][1]))
            final.append(item)
        work.job_groups.put(changes)
        work.batches.add_items(final)
        work.batches.add_dead_letters(letters)
        self._next += len(final)
        self.items += len(final)
        return live

    def _planned(self, one: Received, now: datetime) -> tuple[Job, Asset]:
        name = encodable(one.entry.locator.rpartition("/")[2])
        asset = Asset(one.sha256, name, one.bytes, now)
        job = planned_job(
            one.sha256, self._pipeline, creator=self.batch.creator, now=now, batch=self.batch.id
        )
        return job, asset

    def _restart(
        self, work: Work, items: Sequence[BatchItem], ended: Counts, now: datetime
    ) -> list[Live]:
        """Begin another attempt at items whose job is there.

        An item lost with its last attempt ends, also when its job was put back to queued since.
        """
        kept = work.job_groups.get([item.job_id for item in items if item.job_id])
        live, changes, final = list[Live](), list[tuple[Job, Job]](), list[BatchItem]()
        assets = work.job_groups.assets([job.asset_sha256 for job in kept.values()])
        letters: list[DeadLetter] = []
        for item in items:
            job = kept[item.job_id or ""]
            if item.state == ItemState.DEAD:  # its job was put back, so it begins anew
                item = replace(item, attempts=0)
            if job.state not in RUNNABLE:  # somebody else has brought it to its end
                final.append(replace(item, state=ItemState.DONE))
                ended[ItemState.DONE, job.state] += 1
                continue
            if item.state == ItemState.RUNNING and item.attempts >= self.batch.limits.attempts:
                final.append(replace(item, state=ItemState.DEAD))
                letters.append(_letter(item, LOST, now))
                changes.append((job, _faulted(_started(job, now), LOST, True, now)))
                ended[ItemState.DEAD, None] += 1
                continue
            started = _started(job, now)
            changes.append((job, started))
            item = replace(item, state=ItemState.RUNNING, attempts=item.attempts + 1)
            final.append(item)
            live.append(Live(item, started, assets[job.asset_sha256]))
        work.job_groups.put(changes)
        work.batches.put_items(final)
        work.batches.add_dead_letters(letters)
        return live

    def _end(
        self, work: Work, ends: Sequence[End], ended: Counts, now: datetime
    ) -> list[BatchItem]:
        """What became of attempts; the items to try again."""
        self._record_runs(work, ends, now)
        concluded = self._concluded(work, ends)
        states = conclude_many(work, [(end.live.job, c) for end, c in concluded], now)
        items, letters, again = list[BatchItem](), list[DeadLetter](), list[BatchItem]()
        for end, _ in concluded:
            live = end.live
            seconds = live.item.seconds + _computed_seconds(end.answer.runs, live.runs)
            items.append(replace(live.item, state=ItemState.DONE, seconds=seconds))
            ended[ItemState.DONE, states.get(live.job.id)] += 1
        changes: list[tuple[Job, Job]] = []
        done = {end.live.item.number for end, _ in concluded}
        for end in ends:
            fault, live = end.answer.fault, end.live
            if fault is None or live.item.number in done:
                continue
            item = _forgiven(live.item) if end.forgiven else live.item
            spent = item.attempts >= self.batch.limits.attempts
            if fault.passing and not spent:
                again.append(replace(item, state=ItemState.WAITING))
                items.append(again[-1])
            else:
                items.append(replace(item, state=ItemState.DEAD))
                letters.append(_letter(item, fault, now))
                ended[ItemState.DEAD, None] += 1
            changes.append((live.job, _faulted(live.job, fault, spent, now)))
        work.job_groups.put(changes)
        work.batches.put_items(items)
        work.batches.add_dead_letters(letters)
        return again

    def _concluded(self, work: Work, ends: Sequence[End]) -> list[tuple[End, Conclusion]]:
        """What follows from the ends that are the policy's or a person's matter."""
        policy = self._services.policy
        seen = work.job_groups.seen_by_reviewers([end.live.job.id for end in ends])
        found: list[tuple[End, Conclusion]] = []
        for end in ends:
            judgement, fault = end.answer.judgement, end.answer.fault
            if judgement is not None:
                known = end.live.job.id in seen
                found.append((end, conclusion_of(judgement, policy, seen_before=known)))
            elif fault is not None and self._is_mendable(fault):
                found.append((end, conclusion_of_stop(fault.stage, _said(fault), policy)))
        return found

    def _is_mendable(self, fault: Fault) -> bool:
        return fault.kind == FaultKind.INVALID and is_mendable(self._pipeline, fault.stage)

    def _record_runs(self, work: Work, ends: Sequence[End], now: datetime) -> None:
        """Note what stages did, unless an attempt that broke off has noted it before."""
        repeated = [end.live.job.id for end in ends if end.live.item.attempts > 1]
        noted = work.job_groups.noted(repeated) if repeated else frozenset()
        runs = [
            (end.live.job.id, run)
            for end in ends
            for run in (*end.live.runs.values(), *end.answer.runs)
        ]
        new = [(j, r) for j, r in runs if (j, r.stage, r.key, r.sha256) not in noted]
        work.job_groups.record_runs(new, now)


def _computed_seconds(runs: Iterable[StageRun], before: dict[str, StageRun]) -> float:
    return sum(r.record.seconds for r in (*before.values(), *runs) if not r.reused)


def _started(job: Job, now: datetime) -> Job:
    """The job after it has been put to work, whatever kept it from that before."""
    if job.state != JobState.QUEUED:
        job = advance(job, JobAction.RETRY, now)
    return advance(job, JobAction.START, now)


def _faulted(job: Job, fault: Fault, spent: bool, now: datetime) -> Job:
    """The job after an attempt that failed: parked while it may pass, failed when it will not."""
    said = _said(fault)
    if fault.kind == FaultKind.LOST and not spent:
        return advance(job, JobAction.RETRY, now)
    action = JobAction.PARK if fault.kind == FaultKind.UNAVAILABLE else JobAction.FAIL
    return advance(job, action, now, error=said)


def _letter(item: BatchItem, fault: Fault, now: datetime) -> DeadLetter:
    return DeadLetter(
        item.batch_id, item.number, item.locator, fault.kind, fault.stage or RECEIVE, _said(fault),
        item.attempts, now, item.job_id, item.asset_sha256,
    )  # fmt: skip


def _forgiven(item: BatchItem) -> BatchItem:
    return replace(item, state=ItemState.WAITING, attempts=max(0, item.attempts - 1))


def _said(fault: Fault) -> str:
    said = encodable(fault.error.replace("\0", " "))[:LONGEST_ERROR]
    return said or str(fault.kind)
