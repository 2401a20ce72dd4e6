"""The driver of a batch: source to workers to ledger, with a bounded number of items on the way."""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from rigline.batch.crew import Crew, Done, Order
from rigline.batch.legs import Leg
from rigline.batch.progress import Figures, Pace, figures_of
from rigline.batch.registrar import End, Group, Live, Registrar
from rigline.batch.source import Entry
from rigline.batch.work import LOST, Answer, Errand, Fault, Received
from rigline.engine.batch import BatchItem, BatchState, FaultKind
from rigline.errors import ServiceUnavailable

ORDER_SECONDS: Final = 0.25
"""Work that one order holds, about: enough that its cost is small, little enough to share out."""
LARGEST_ORDER: Final = 64
AHEAD: Final = 3
"""Orders' worth of items on the way for each worker."""
GROUP: Final = 64
"""Items that are written in one transaction, once there are so many."""
GROUP_S: Final = 0.5
"""The longest that an end waits to be written."""
BACKOFF_S: Final = (1.0, 60.0)
"""The first and the longest wait before another attempt; each is twice the one before."""
PATIENCE_S: Final = 300.0
"""How long a store or a cluster may be away before the batch stops, to be resumed."""


@dataclass
class _Size:
    """How many items an order holds: as many as take ``ORDER_SECONDS``, by what the last took."""

    items: int = 1
    _item_s: float = 0.0

    def learn(self, items: int, seconds: float) -> None:
        taken = seconds / max(1, items)
        self._item_s = 0.7 * self._item_s + 0.3 * taken if self._item_s else taken
        wanted = int(ORDER_SECONDS / max(self._item_s, 1e-6))
        self.items = max(1, min(LARGEST_ORDER, wanted, 2 * self.items))


@dataclass
class Driver:
    """Runs one batch until nothing is left to do.

    ``answers`` says whether the places that all items need are there, ``hear`` is told the figures
    a few times a second, and ``stopping`` asks it to leave, with what it has begun given back.
    """

    registrar: Registrar
    crew: Crew
    legs: tuple[Leg, ...]
    entries: Iterator[Entry]
    answers: Callable[[], bool] = lambda: True
    hear: Callable[[Figures], None] = lambda figures: None
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    total: int | None = None
    _group: Group = field(default_factory=Group)
    _ready: list[deque[Live]] = field(default_factory=list)
    _live: dict[int, Live] = field(default_factory=dict)
    _later: list[tuple[float, int, Any]] = field(default_factory=list)
    _tries: Counter[str] = field(default_factory=Counter)
    _reading: int = 0
    _fresh: deque[Entry] = field(default_factory=deque)
    _old: deque[BatchItem] = field(default_factory=deque)
    _last_old: int | None = -1
    _dry: bool = False
    _sizes: list[_Size] = field(default_factory=list)
    _receiving: _Size = field(default_factory=_Size)
    _written_at: float = 0.0
    _away_since: float | None = None
    _probe_at: float = 0.0
    _serial: int = 0

    def run(self) -> Figures:
        """Work until all items have ended; the figures at the end.

        Raises ``ServiceUnavailable`` when store, ledger or cluster stay away, ``ReviewConflict``
        when another driver has taken the batch up. Then, and when it is told to stop, what was done
        stays done, and another run goes on from there.
        """
        self._ready = [deque() for _ in self.legs]
        self._sizes = [_Size() for _ in self.legs]
        self._since = self._written_at = self._worked_at = self.clock()
        self._pace = Pace(figures_of(self.registrar.counts))
        self._pace.figures = replace(self._pace.figures, waiting=0)
        try:
            while not self._finished():
                if self.stopping():
                    return self._leave(BatchState.STOPPED, "interrupted")
                self._step()
        except ServiceUnavailable as error:
            self._leave_if_possible(str(error))
            raise
        return self._leave(BatchState.FINISHED)

    def _step(self) -> None:
        self.crew.look_after()
        self._check_workers()
        self._check_outage()
        self._fill()
        self._dispatch()
        waiting = self._due_in()
        for done in self.crew.wait(0.0 if self._due() else waiting):
            self._absorb(done)
        if self._due():
            self._write()
        self.hear(self._figures())

    # What comes in

    def _fill(self) -> None:
        """Take up what an earlier run left, then new entries, as long as there is room."""
        now = self.clock()
        while self._later and self._later[0][0] <= now and self._away_since is None:
            what = heapq.heappop(self._later)[2]
            if isinstance(what, BatchItem):
                self._group.again.append(what)
            else:
                self._fresh.append(what)
        if self._away_since is not None:
            return
        room = self._bound() - self._on_the_way()
        if room <= 0:
            return
        if not self._old and self._last_old is not None:
            found = self.registrar.unfinished(self._last_old, GROUP)
            self._old.extend(found)
            self._last_old = found[-1].number if found else None
        while self._old and room > 0:
            self._group.again.append(self._old.popleft())
            room -= 1
        if self._last_old is None and not self._old:
            self._read(room)

    def _read(self, room: int) -> None:
        while not self._dry and len(self._fresh) < room:
            chunk = list(islice(self.entries, GROUP))
            if not chunk:
                self._dry = True
                break
            self._fresh.extend(self.registrar.new_among(chunk))

    def _bound(self) -> int:
        """The most items that may be on the way at once."""
        largest = max((size.items for size in self._sizes), default=1)
        return max(1, self.crew.ready) * AHEAD * max(2, largest)

    def _on_the_way(self) -> int:
        held = len(self._live) + self._reading + len(self._fresh) + len(self._later)
        return held + len(self._group.received) + len(self._group.again)

    # What goes out

    def _dispatch(self) -> None:
        if self._away_since is not None:
            return
        for at in reversed(range(len(self.legs))):  # what is furthest comes first
            leg, ready = self.legs[at], self._ready[at]
            inference = leg.inference and self.crew.pools.inference > 0
            while ready and self.crew.room(inference=inference):
                count = self._order_size(at, leg)
                lives = [ready.popleft() for _ in range(min(count, len(ready)))]
                errands = tuple(self._errand(live, at) for live in lives)
                self.crew.give(Order(errands=errands, inference=inference))
        while self._fresh and self.crew.room():
            count = min(len(self._fresh), self._receiving.items)
            entries = tuple(self._fresh.popleft() for _ in range(count))
            self._reading += len(entries)
            self.crew.give(Order(entries=entries))

    def _order_size(self, at: int, leg: Leg) -> int:
        joined = self.crew.pools.together if leg.inference or len(self.legs) == 1 else 1
        return max(joined, self._sizes[at].items)

    def _errand(self, live: Live, at: int) -> Errand:
        return Errand(
            live.item.number, live.job.id, live.asset.sha256, live.asset.name, live.asset.bytes,
            live.item.name, self.legs[at].stages, at == len(self.legs) - 1, dict(live.runs),
        )  # fmt: skip

    # What comes back

    def _absorb(self, done: Done) -> None:
        order = done.order
        if order.entries:
            self._reading -= len(order.entries)
            lost = (Received(entry, fault=LOST) for entry in order.entries)
            if done.results is not None:
                self._receiving.learn(len(order.entries), done.seconds)
            for received in lost if done.results is None else done.results:
                self._absorb_received(received)
            return
        at = next(n for n, leg in enumerate(self.legs) if leg.stages == order.errands[0].stages)
        answers = done.results
        if answers is None:
            answers = tuple(Answer(errand.number, fault=LOST) for errand in order.errands)
        else:
            self._sizes[at].learn(len(answers), done.seconds)
        for answer in answers:
            self._absorb_answer(answer, at)

    def _absorb_received(self, received: Received) -> None:
        """A passing fault is tried again, for as many times as an attempt at a stage would be."""
        fault, locator = received.fault, received.entry.locator
        if fault is not None and fault.passing:
            forgiven = self._is_outage(fault)
            self._tries[locator] += not forgiven
            if self._tries[locator] < self.registrar.batch.limits.attempts:
                self._put_off(received.entry, self._tries[locator])
                return
        self._tries.pop(locator, None)
        self._group.received.append(received)

    def _absorb_answer(self, answer: Answer, at: int) -> None:
        live = self._live[answer.number]
        if answer.fault is None and answer.judgement is None:
            live.runs.update({run.stage: run for run in answer.runs})
            self._ready[at + 1].append(live)
            return
        del self._live[answer.number]
        forgiven = answer.fault is not None and self._is_outage(answer.fault)
        self._group.ends.append(End(live, answer, forgiven))

    def _put_off(self, what: Any, tries: int) -> None:
        first, longest = BACKOFF_S
        self._serial += 1
        due = self.clock() + min(longest, first * 2 ** max(0, tries - 1))
        heapq.heappush(self._later, (due, self._serial, what))

    # What is written

    def _due(self) -> bool:
        """Whether to write now: much has come together, it has waited, or workers wait for it."""
        if not len(self._group):
            return False
        starving = self.crew.idle() and not any(self._ready)
        begins = bool(self._group.received or self._group.again)
        waited = self.clock() - self._written_at >= GROUP_S
        return len(self._group) >= GROUP or waited or (starving and begins)

    def _due_in(self) -> float:
        return max(0.01, min(GROUP_S, self._written_at + GROUP_S - self.clock()))

    def _write(self) -> None:
        group, self._group = self._group, Group()
        written = self.registrar.write(group)
        self._written_at = self.clock()
        for live in written.begun:
            self._live[live.item.number] = live
            self._ready[0].append(live)
        for item in written.again:
            self._put_off(item, item.attempts)
        self._pace.count(written.ended, self._written_at)

    # When something is away

    def _is_outage(self, fault: Fault) -> bool:
        """Whether the store itself is away, so that the item cannot be blamed."""
        if fault.kind != FaultKind.UNAVAILABLE:
            return False
        if self._away_since is None and not self.answers():
            self._away_since = self.clock()
            self._probe_at = self.clock() + BACKOFF_S[0]
        return self._away_since is not None

    def _check_outage(self) -> None:
        now = self.clock()
        if self._away_since is not None and now >= self._probe_at:
            if self.answers():
                self._away_since = None
            elif now - self._away_since > PATIENCE_S:
                raise ServiceUnavailable(
                    f"The artifact store has been away for {PATIENCE_S:g} s.",
                    remedy="Resume the batch when it is back.",
                )
            else:
                self._probe_at = now + min(30.0, max(BACKOFF_S[0], (now - self._away_since) / 2))

    def _check_workers(self) -> None:
        now = self.clock()
        if self.crew.ready:
            self._worked_at = now
        elif now - self._worked_at > PATIENCE_S:
            raise ServiceUnavailable(
                f"The cluster has given no worker for {PATIENCE_S:g} s.",
                remedy="See ray status; resume the batch when there are free CPUs.",
            )

    # The end

    def _finished(self) -> bool:
        nothing_old = self._last_old is None and not self._old
        return self._dry and nothing_old and not self._on_the_way() and not len(self._group)

    def _leave(self, state: BatchState, said: str = "") -> Figures:
        if len(self._group.ends):
            self._group = Group(ends=self._group.ends)
            self._write()
        self.registrar.leave(state, said, self._live.values())
        figures = self._figures()
        self.hear(figures)
        return figures

    def _leave_if_possible(self, said: str) -> None:
        with suppress(ServiceUnavailable):  # of the ledger: resuming finds what had begun
            self._leave(BatchState.STOPPED, said)

    def _figures(self) -> Figures:
        said = "the artifact store is away; waiting" if self._away_since is not None else ""
        if not said and not self.crew.ready:
            said = "waiting for workers"
        return self._pace.at(
            self.clock(), self._since, total=self.total, workers=self.crew.ready, said=said,
            in_flight=len(self._live), waiting=len(self._later),
        )  # fmt: skip
