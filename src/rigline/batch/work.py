"""What driver, worker and child process tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rigline.batch.source import Entry
from rigline.engine.batch import PASSING, BatchLimits, FaultKind
from rigline.engine.stage_run import StageRun
from rigline.errors import InvalidInput, RiglineError, is_transient
from rigline.settings import Settings
from rigline.triage.judgement import Judgement
from rigline.triage.policy import Policy


@dataclass(frozen=True)
class Equipment:
    """All that a worker needs to know of a batch; it never opens the ledger.

    The policy travels itself, as its file need not be on the worker's machine.
    """

    settings: Settings
    policy: Policy
    pipeline: str
    params: Mapping[str, Any]
    dest: str
    limits: BatchLimits
    creator: str
    batch: str


@dataclass(frozen=True)
class Fault:
    """Why an attempt failed, and in which stage."""

    kind: FaultKind
    stage: str
    error: str

    @property
    def passing(self) -> bool:
        """Whether another attempt can help."""
        return self.kind in PASSING


LOST: Final = Fault(FaultKind.LOST, "", "Its worker was lost with its process or its machine.")


@dataclass(frozen=True)
class Received:
    """A file of the source as an asset of the store, or what was wrong with it."""

    entry: Entry
    sha256: str = ""
    bytes: int = 0
    fault: Fault | None = None


@dataclass(frozen=True)
class Errand:
    """Some stages in a row for one item. ``runs`` are those of the stages before.

    ``last`` says that afterwards the job is judged and its files are delivered.
    """

    number: int
    job_id: str
    asset_sha256: str
    asset_name: str
    asset_bytes: int
    result_name: str
    stages: tuple[str, ...]
    last: bool = True
    runs: Mapping[str, StageRun] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of an errand: the stages that ran, and the judgement or the fault."""

    number: int
    runs: tuple[StageRun, ...] = ()
    judgement: Judgement | None = None
    fault: Fault | None = None


def fault_of(error: Exception, stage: str = "") -> Fault:
    """The fault that an error is."""
    if isinstance(error, MemoryError):
        return Fault(FaultKind.MEMORY, stage, "The memory limit was reached.")
    if not isinstance(error, RiglineError):
        return Fault(FaultKind.FAULT, stage, f"{type(error).__name__}: {error}")
    stage = str(error.fields.get("stage", stage))
    if isinstance(error.__cause__, MemoryError):
        return Fault(FaultKind.MEMORY, stage, f"The memory limit was reached: {error}")
    if is_transient(error):
        return Fault(FaultKind.UNAVAILABLE, stage, str(error))
    kind = FaultKind.INVALID if isinstance(error, InvalidInput) else FaultKind.FAULT
    return Fault(kind, stage, str(error))
