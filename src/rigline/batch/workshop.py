"""What a worker does with the items of a batch; never in the driver's own process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from rigline.batch.places import Destination, Reader, open_destination
from rigline.batch.source import Entry
from rigline.batch.work import Answer, Equipment, Errand, Fault, Received, fault_of
from rigline.bootstrap import Services, open_services
from rigline.engine.batch import FaultKind
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import Models, PreloadableModels
from rigline.engine.stage_run import StageRun, Workbench, run_stage
from rigline.inference.together import TogetherModels
from rigline.pipelines.job_kind import FinishedRun, JobKind, kind_of
from rigline.pipelines.report import AssetEntry
from rigline.triage.judgement import Judgement
from rigline.triage.subject import Subject

RECEIVE = "receive"
DELIVER = "deliver"
"""Names, beside those of the stages, of what can fail."""
OnRun = Callable[[StageRun], None]


@dataclass
class Workshop:
    """The services of one process, set up for the items of one batch."""

    equipment: Equipment
    services: Services
    kind: JobKind
    pipeline: Pipeline
    reader: Reader
    destination: Destination

    @classmethod
    def open(cls, equipment: Equipment) -> Workshop:
        """A workshop with that equipment; connects to nothing yet.

        Raises ``InvalidInput`` when something of it is not on this machine.
        """
        settings = equipment.settings.model_copy(update={"policy": None})
        services = replace(open_services(settings), policy=equipment.policy)
        kind = kind_of(services.kinds, equipment.pipeline)
        return cls(
            equipment, services, kind, kind.pipeline.with_params(equipment.params),
            Reader(settings), open_destination(equipment.dest, settings),
        )  # fmt: skip

    def prepare(self) -> None:
        """Load what the first item would wait for, at the cost of its own time limit.

        Raises what a model does that cannot be loaded.
        """
        self.kind.prepare(self.pipeline)
        models = self.services.models
        if isinstance(models, PreloadableModels):
            for model in sorted({name for stage in self.pipeline for name in stage.models}):
                models.preload(model)

    def receive(self, entry: Entry) -> Received:
        """Bring a file of the source into the store."""
        if entry.error:
            return Received(entry, fault=Fault(FaultKind.INVALID, RECEIVE, entry.error))
        try:
            data = self.reader.read(entry.locator)
            return Received(entry, self.services.store.put(data), len(data))
        except Exception as error:  # whatever it is, it is this item's alone
            return Received(entry, fault=fault_of(error, RECEIVE))

    def carry_out(
        self, errand: Errand, on_run: OnRun, models: Models | None = None
    ) -> Judgement | Fault | None:
        """Run the stages of an errand, judge and deliver at the end: the judgement or the fault.

        None when other stages are still to come. What is in the store is not computed again.
        """
        bench = Workbench(self.services.store, models or self.services.models, errand.asset_name)
        runs = dict(errand.runs)
        shas = {ASSET: errand.asset_sha256, **{name: run.sha256 for name, run in runs.items()}}
        at = ""
        try:
            for at in errand.stages:
                run = run_stage(self.pipeline, at, shas, bench)
                runs[at], shas[at] = run, run.sha256
                on_run(run)
            at = DELIVER
            return self._finish(errand, bench, runs) if errand.last else None
        except Exception as error:  # whatever it is, it is this item's alone
            return fault_of(error, at)

    def carry_out_together(
        self, errands: Sequence[Errand], on_run: Callable[[int, StageRun], None],
        on_end: Callable[[int, Judgement | Fault | None], None],
    ) -> None:  # fmt: skip
        """Run the same stages of several items at once, so that they ask the models as one."""
        together = TogetherModels(self.services.models, len(errands))
        lock = threading.Lock()

        def heard(index: int, run: StageRun) -> None:
            with lock:
                on_run(index, run)

        def carry(index: int) -> None:
            with together.member():
                end = self.carry_out(errands[index], lambda run: heard(index, run), together)
            with lock:
                on_end(index, end)

        with ThreadPoolExecutor(len(errands)) as pool:
            for done in [pool.submit(carry, index) for index in range(len(errands))]:
                done.result()

    def _finish(self, errand: Errand, bench: Workbench, runs: dict[str, StageRun]) -> Judgement:
        asset = AssetEntry(
            name=errand.asset_name, sha256=errand.asset_sha256, bytes=errand.asset_bytes
        )
        about = self.equipment
        subject = Subject(errand.job_id, about.creator, about.batch)
        finished = FinishedRun(self.pipeline, bench, asset, runs, self.services.policy, subject)
        for ending, data in self.kind.files(finished).items():
            self.destination.write(f"{errand.result_name}.{ending}", data)
        return finished.judgement


def answer(errand: Errand, runs: Sequence[StageRun], end: Judgement | Fault | None) -> Answer:
    """The answer to an errand that ended so."""
    if isinstance(end, Fault):
        return Answer(errand.number, tuple(runs), fault=end)
    return Answer(errand.number, tuple(runs), judgement=end)
