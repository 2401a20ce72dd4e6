"""A batch: many jobs of one pipeline, its items, and the items that were given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from rigline.engine.job import Job
from rigline.errors import InvalidInput


class BatchState(StrEnum):
    """``STOPPED`` was interrupted and can be resumed, as can one that is ``RUNNING`` no more."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


class ItemState(StrEnum):
    """``DONE`` leaves the rest to the job; ``DUPLICATE`` has its job by way of another item."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DUPLICATE = "duplicate"
    DEAD = "dead"


class FaultKind(StrEnum):
    """Why an attempt at an item failed. Only the last two are tried again."""

    INVALID = "invalid"
    FAULT = "fault"
    CRASH = "crash"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    UNAVAILABLE = "unavailable"
    LOST = "lost"


PASSING = frozenset({FaultKind.UNAVAILABLE, FaultKind.LOST})
"""The kinds that another attempt can cure."""


@dataclass(frozen=True)
class BatchLimits:
    """What one item may cost: ``attempts`` in all, seconds of one stage, memory of its process.

    Raises ``InvalidInput`` for what cannot be.
    """

    attempts: int = 4
    stage_seconds: float = 300.0
    memory_mib: int = 3072

    def __post_init__(self) -> None:
        for name in ("attempts", "stage_seconds", "memory_mib"):
            if getattr(self, name) <= 0:
                raise InvalidInput(
                    f"The limit {name} is {getattr(self, name)}; it must be above 0.", limit=name
                )


@dataclass(frozen=True)
class Batch:
    """A batch as it stands.

    ``source`` and ``dest`` are folders, ``s3://`` prefixes or, for the source, a manifest;
    ``patterns`` select files of the source by name, and at most ``item_limit`` of them. ``token``
    grows with each driver that takes the batch up: whoever shows an older one has lost it. ``said``
    is why it stopped, else empty. Times are aware.
    """

    id: str
    source: str
    dest: str
    pipeline: str
    pipeline_version: int
    creator: str
    created_at: datetime
    updated_at: datetime
    params: Mapping[str, Any] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    item_limit: int | None = None
    limits: BatchLimits = BatchLimits()
    state: BatchState = BatchState.RUNNING
    token: int = 0
    said: str = ""


@dataclass(frozen=True)
class BatchItem:
    """One entry of a batch's source, by its ``number`` within the batch.

    ``locator`` is where its file was found, ``name`` what its results are called in the
    destination. ``attempts`` counts those that were begun, whatever became of them. ``seconds`` is
    what its stages computed.
    """

    batch_id: str
    number: int
    locator: str
    name: str
    state: ItemState
    attempts: int = 0
    asset_sha256: str | None = None
    job_id: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class DeadLetter:
    """An item that was given up: in which stage, for what, after how many attempts.

    ``replayed_at`` is when somebody took it back.
    """

    batch_id: str
    number: int
    locator: str
    kind: FaultKind
    stage: str
    error: str
    attempts: int
    created_at: datetime
    job_id: str | None = None
    asset_sha256: str | None = None
    replayed_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class ItemOutcome:
    """An item with its job, as a report shows it; ``dead`` while it is given up."""

    item: BatchItem
    job: Job | None
    dead: DeadLetter | None
