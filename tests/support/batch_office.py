"""Batches of trivial jobs, with workers in this process whose fate the test decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rigline.batch.crew import Done, Order
from rigline.batch.driver import Driver
from rigline.batch.legs import Pools, cut
from rigline.batch.progress import Figures
from rigline.batch.registrar import Registrar
from rigline.batch.run import Request, begin
from rigline.batch.source import open_source
from rigline.batch.work import Equipment
from rigline.batch.workshop import Workshop, answer
from rigline.bootstrap import Services
from rigline.db.ledger import Ledger
from rigline.engine.batch import Batch, BatchItem, BatchLimits, ItemOutcome, ItemState
from rigline.engine.stage_run import StageRun
from rigline.pipelines.job_kind import JobKind
from rigline.settings import Settings
from rigline.storage.local import LocalStore
from tests.support.small_jobs import Clock
from tests.support.trivial_jobs import POLICY, WORDS


@dataclass
class InlineCrew:
    """Workers that do each order when the driver waits; one that ``loses`` gives nothing back."""

    workshop: Workshop
    loses: Callable[[Order], bool] = lambda order: False
    pools: Pools = field(default_factory=lambda: Pools(2))
    ready: int = 2
    given: list[Order] = field(default_factory=list)
    ran: Counter[tuple[str, str]] = field(default_factory=Counter)

    def look_after(self) -> None:
        pass

    def room(self, *, inference: bool = False) -> int:
        return 4 - len(self.given)

    def idle(self, *, inference: bool = False) -> bool:
        return not self.given

    def give(self, order: Order) -> None:
        self.given.append(order)

    def wait(self, timeout_s: float) -> list[Done]:
        orders, self.given = self.given[:1], self.given[1:]
        return [self._done(order) for order in orders]

    def close(self) -> None:
        pass

    def _done(self, order: Order) -> Done:
        results: list[Any] = [self.workshop.receive(entry) for entry in order.entries]
        for errand in order.errands:
            runs: list[StageRun] = []
            end = self.workshop.carry_out(errand, runs.append)
            self.ran.update((run.stage, run.key) for run in runs if not run.reused)
            results.append(answer(errand, runs, end))
        lost = self.loses(order)
        return Done(order, None if lost else tuple(results), 0.01)


@dataclass
class BatchOffice:
    """One installation with a folder of texts to count the words of."""

    ledger: Ledger
    folder: Path
    limits: BatchLimits = field(default_factory=BatchLimits)
    clock: Clock = field(default_factory=Clock)
    ran: Counter[tuple[str, str]] = field(default_factory=Counter)
    now_s: float = 0.0

    @property
    def services(self) -> Services:
        kinds = {WORDS.name: JobKind(WORDS)}
        store = LocalStore(self.folder / "store")
        return Services(store, None, POLICY, Settings(), kinds)  # type: ignore[arg-type]

    def write(self, texts: Sequence[str]) -> None:
        """Files of the source, in order of their names."""
        (self.folder / "in").mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (self.folder / "in" / f"{number:04}.txt").write_text(text)

    def begin(self) -> Batch:
        source, dest = str(self.folder / "in"), str(self.folder / "out")
        request = Request(source, dest, "carol", "words", ("*.txt",), limits=self.limits)
        return begin(self.ledger, self.services, request, self.clock)

    def drive(
        self, batch: Batch, ledger: Any = None, apart: bool = False, **chosen: Any
    ) -> Figures:
        """Run or resume a batch with inline workers; ``loses`` and ``stopping`` may be chosen."""
        services = self.services
        registrar = Registrar(ledger or self.ledger, services, WORDS, batch, self.clock)
        source = open_source(batch.source, services.settings, batch.patterns, batch.dest)
        with self._crew(batch, **{k: v for k, v in chosen.items() if k == "loses"}) as crew:
            rest = {k: v for k, v in chosen.items() if k != "loses"}
            legs = cut(WORDS, apart=apart)
            entries = iter(sorted(source.entries(), key=lambda entry: entry.locator))
            return Driver(registrar, crew, legs, entries, clock=self._tick, **rest).run()  # type: ignore[arg-type]

    def outcomes(self, batch: Batch) -> list[ItemOutcome]:
        with self.ledger.reading() as work:
            return list(work.batches.outcomes(batch.id, -1, 10_000))

    def states(self, batch: Batch) -> Counter[str]:
        return Counter(str(one.item.state) for one in self.outcomes(batch))

    def items(self, batch: Batch, state: ItemState) -> list[BatchItem]:
        return [one.item for one in self.outcomes(batch) if one.item.state == state]

    @contextmanager
    def _crew(self, batch: Batch, **chosen: Any) -> Iterator[InlineCrew]:
        equipment = Equipment(
            Settings(), POLICY, "words", {}, batch.dest, batch.limits, batch.creator, batch.id
        )
        from rigline.batch.places import Reader, open_destination

        services = self.services
        workshop = Workshop(
            equipment, services, services.kinds["words"], WORDS, Reader(services.settings),
            open_destination(batch.dest, services.settings),
        )  # fmt: skip
        crew = InlineCrew(workshop, ran=self.ran, **chosen)
        yield crew

    def _tick(self) -> float:
        """Seconds that pass as the driver looks at the clock."""
        self.now_s += 0.1
        return self.now_s
