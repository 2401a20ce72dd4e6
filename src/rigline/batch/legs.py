"""How a pipeline is cut for the pools, and how large the pools are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from rigline.engine.pipeline import Pipeline
from rigline.errors import InvalidInput


@dataclass(frozen=True)
class Leg:
    """Stages in a row that one worker runs without a word to the driver in between."""

    stages: tuple[str, ...]
    inference: bool = False


@dataclass(frozen=True)
class Pools:
    """How many workers there are of each kind, and what one inference worker holds.

    Without inference workers every worker runs all stages, so that none waits for the other kind.
    ``together`` is how many assets share one call of a model.
    """

    cpu: int
    inference: int = 0
    gpus: float = 0.0
    together: int = 1

    @property
    def total(self) -> int:
        """All workers."""
        return self.cpu + self.inference


@dataclass(frozen=True)
class Wanted:
    """What the user asks for; None leaves it to the size of the cluster."""

    workers: int | None = None
    inference_workers: int | None = None
    together: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("inference_workers", 0), ("together", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InvalidInput(f"{name} is {value}; it must be {least} or more.", name=name)


def cut(pipeline: Pipeline, *, apart: bool) -> tuple[Leg, ...]:
    """The legs of a pipeline: one, or where inference is ``apart`` one for each change of kind."""
    if not apart:
        return (Leg(tuple(stage.name for stage in pipeline)),)
    runs = groupby(pipeline, key=lambda stage: bool(stage.models))
    return tuple(Leg(tuple(s.name for s in stages), inference) for inference, stages in runs)


def size_pools(resources: Mapping[str, float], pipeline: Pipeline, wanted: Wanted) -> Pools:
    """The pools for a cluster with these resources (``CPU``, ``GPU``).

    With GPUs, each gets an inference worker that joins the questions of eight assets. Without any,
    the models run where the other stages do: on CPUs, joining questions gains little, and two kinds
    of workers would wait for each other.
    """
    cpus, gpus = max(1, int(resources.get("CPU", 0))), int(resources.get("GPU", 0))
    asks = any(stage.models for stage in pipeline)
    inference = wanted.inference_workers
    if inference is None:
        inference = gpus if asks else 0
    elif not asks:
        inference = 0
    cpu = wanted.workers or max(1, cpus - inference)
    together = wanted.together or (8 if inference and gpus else 1)
    return Pools(cpu, inference, min(1.0, gpus / inference) if inference else 0.0, together)
