"""A pipeline: a named, versioned graph of stages, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rigline.engine.stage import Stage
from rigline.errors import ContractViolation, InvalidInput

ASSET = "asset"
"""The input that is the uploaded file itself."""


@dataclass(frozen=True)
class Pipeline:
    """Stages in an order in which each comes after its inputs.

    Raises ``ContractViolation`` for a name that is used twice and for an input that no earlier
    stage makes.
    """

    name: str
    version: int
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        known = {ASSET}
        for stage in self.stages:
            if stage.name in known:
                raise ContractViolation(f"The stage {stage.name!r} exists twice in {self.name}.")
            missing = [name for name in stage.inputs if name not in known]
            if missing:
                raise ContractViolation(
                    f"The stage {stage.name!r} of {self.name} lacks its input {missing[0]!r}."
                )
            known.add(stage.name)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def stage(self, name: str) -> Stage:
        """The stage of that name; ``InvalidInput`` when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise InvalidInput(
            f"The pipeline {self.name} has no stage {name!r}.",
            remedy=f"Its stages are {', '.join(s.name for s in self.stages)}.",
        )

    def with_params(self, params: Mapping[str, Mapping[str, Any]]) -> Pipeline:
        """The pipeline with parameters laid over those of the stages they name."""
        for name in params:
            self.stage(name)
        return Pipeline(
            self.name,
            self.version,
            tuple(s.with_params(params[s.name]) if s.name in params else s for s in self.stages),
        )

    @property
    def artifact_params(self) -> frozenset[str]:
        """sha256 of all artifacts that parameters of the stages name."""
        return frozenset(sha for stage in self.stages for sha in stage.artifact_params.values())
