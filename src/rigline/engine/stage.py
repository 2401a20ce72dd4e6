"""A stage: one step of a pipeline, with named inputs and one output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from rigline.engine.codec import Codec

Arrays = Mapping[str, npt.NDArray[Any]]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class AssetFile:
    """An uploaded file. ``name`` serves messages alone; the bytes are the asset's identity."""

    data: bytes
    name: str = ""


@dataclass(frozen=True)
class Produced(Generic[T_co]):
    """What a stage made: the value, what it measured about it, and sentences for a person.

    ``evidence`` is plain JSON. Low confidence is evidence, never an exception.
    """

    value: T_co
    evidence: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


class Models(Protocol):
    """The models, wherever they run."""

    def infer(self, model: str, inputs: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """The outputs of a model by name. Raises ``InvalidInput`` for inputs that do not fit it,
        ``ServiceUnavailable`` when it does not answer."""
        ...

    def version(self, model: str) -> str:
        """What the model's answers depend on: part of the key of every output made with it."""
        ...


@runtime_checkable
class SharedModels(Protocol):
    """Models on servers that many pipelines share and where versions come and go."""

    def of_pipeline(self, pipeline: str) -> Models:
        """The models for one run of a stage: of one version each from its beginning to its end,
        so that its key names what computed it; and counted as the pipeline's."""
        ...


@runtime_checkable
class PreloadableModels(Protocol):
    """Models of this process, loaded when first asked unless that is to happen before."""

    def preload(self, model: str) -> None:
        """Load a model. Raises what its first question would."""
        ...


@runtime_checkable
class ConcurrentModels(Protocol):
    """Models that gain from being asked several things at once, as a server does that batches."""

    def infer_all(
        self, model: str, questions: Sequence[Arrays]
    ) -> list[dict[str, npt.NDArray[np.float32]]]:
        """The answers in order. Raises as ``Models.infer``, for the first that fails."""
        ...


def models_for_run(models: Models, pipeline: str) -> Models:
    """The models as one run of a stage of this pipeline is to see them."""
    return models.of_pipeline(pipeline) if isinstance(models, SharedModels) else models


@dataclass(frozen=True)
class StageContext:
    """What a running stage may use beside its inputs."""

    models: Models
    params: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    """What lies in the store under the parameters that name an artifact, by parameter."""

    def infer_all(
        self, model: str, questions: Sequence[Arrays]
    ) -> list[dict[str, npt.NDArray[np.float32]]]:
        """The answers to questions that do not depend on one another, in order; asked at once where
        the backend gains from it. Raises as ``Models.infer``."""
        if isinstance(self.models, ConcurrentModels):
            return self.models.infer_all(model, questions)
        return [self.models.infer(model, inputs) for inputs in questions]


@dataclass(frozen=True)
class Resources:
    """What one run of a stage needs, for those who place the work."""

    cpus: float = 1.0
    memory_mib: int = 1024


@dataclass(frozen=True)
class Stage:
    """One step of a pipeline.

    ``inputs`` name earlier stages, or ``asset``. ``run`` is called with the context and one
    argument for each input, in order. ``version`` changes whenever the same inputs may give another
    output. ``models`` are those that ``run`` asks. ``artifacts`` are the parameters that, where
    they are given, hold the sha256 of an artifact: a worker elsewhere finds it in the store.
    """

    name: str
    version: int
    inputs: tuple[str, ...]
    run: Callable[..., Produced[Any]]
    codec: Codec
    params: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    resources: Resources = Resources()
    artifacts: tuple[str, ...] = ()

    @property
    def artifact_params(self) -> dict[str, str]:
        """sha256 of the artifacts that the parameters name, by parameter."""
        return {name: self.params[name] for name in self.artifacts if self.params.get(name)}

    def with_params(self, params: Mapping[str, Any]) -> Stage:
        """The same stage with other parameters laid over its own."""
        return Stage(
            self.name, self.version, self.inputs, self.run, self.codec,
            {**self.params, **params}, self.models, self.resources, self.artifacts,
        )  # fmt: skip

    def run_batch(
        self, ctx: StageContext, items: Sequence[Sequence[Any]]
    ) -> list[Produced[Any] | Exception]:
        """One result for each item; an item that fails gives its error and stops no other."""
        results: list[Produced[Any] | Exception] = []
        for inputs in items:
            try:
                results.append(self.run(ctx, *inputs))
            except Exception as error:  # the caller gets it back, in the item's own place
                results.append(error)
        return results
