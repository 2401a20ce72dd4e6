"""What jobs can be of: a pipeline, with what its jobs need beside its stages.

Another multistage job is a :class:`JobKind` over its pipeline, in one short file. Without more its
jobs run, are judged, go to review, are corrected and resumed, and leave what the last stages made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from rigline.engine.override import Amendment
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench
from rigline.errors import InvalidInput
from rigline.pipelines.report import AssetEntry
from rigline.review.correction import Correction, SetOutput
from rigline.triage.judgement import Judgement, judge
from rigline.triage.policy import Policy
from rigline.triage.subject import Subject

Inputs = Mapping[str, Any]
"""Values of a stage's inputs, by the name of the stage that made each."""


@dataclass(frozen=True)
class FinishedRun:
    """All stages of a job have run: what they made, and what the policy says of it.

    ``vetted`` are the stages whose outputs a person has seen and either corrected or left alone.
    """

    pipeline: Pipeline
    bench: Workbench
    asset: AssetEntry
    runs: Mapping[str, StageRun]
    policy: Policy
    subject: Subject
    vetted: frozenset[str] = frozenset()

    @cached_property
    def judgement(self) -> Judgement:
        """Confidence and verdict; what is vetted is not doubted again."""
        evidence = {name: run.record.evidence for name, run in self.runs.items()}
        return judge(evidence, self.policy, self.subject, self.vetted)

    def value(self, stage: str) -> Any:
        """The value that a stage made, with corrections."""
        return self.bench.value(self.pipeline, stage, self.runs[stage].sha256)


def _nothing(pipeline: Pipeline) -> None:
    """What most kinds have to prepare."""


def last_outputs(finished: FinishedRun) -> dict[str, bytes]:
    """The outputs of the stages that no other stage uses, by the names of their codecs' files."""
    used = {name for stage in finished.pipeline for name in stage.inputs}
    return {
        stage.codec.file_name: finished.bench.store.get(finished.runs[stage.name].sha256)
        for stage in finished.pipeline
        if stage.name not in used
    }


def replaced(correction: Correction, value: Any, inputs: Inputs) -> Any:
    """The output that the correction's last ``set_output`` brings along.

    Raises ``InvalidInput`` for any other operation.
    """
    for index, op in enumerate(correction.ops):
        if not isinstance(op, SetOutput):
            raise InvalidInput(
                f"Operation {index} is {op.op!r}, which {correction.stage!r} does not take.",
                remedy="It takes set_output.",
                op_index=index,
                field="op",
                value=op.op,
            )
        value = op.value
    return value


@dataclass(frozen=True)
class JobKind:
    """A pipeline as jobs run it.

    ``ops_by_stage`` says what a reviewer can correct, ``corrected`` what comes of a correction: the
    stage's new value, from the value that the correction names and those of the stage's inputs,
    which stay as they are. ``files`` gives what a finished job leaves, by the ending that each
    file's name gets after the asset's stem. ``prepare`` begins what the first job of a
    process, with these parameters, would wait for; calling it again does no harm.
    """

    pipeline: Pipeline
    ops_by_stage: Mapping[str, frozenset[str]] = field(default_factory=dict)
    corrected: Callable[[Correction, Any, Inputs], Any] = replaced
    files: Callable[[FinishedRun], Mapping[str, bytes]] = last_outputs
    prepare: Callable[[Pipeline], None] = _nothing

    def amendment(self, correction: Correction) -> Amendment:
        """The correction as something that a run of the pipeline applies."""
        return Amendment(
            correction.stage,
            correction.base_artifact_sha256,
            partial(self.corrected, correction),
        )


JobKinds = Mapping[str, JobKind]
"""Kinds of jobs by the name of their pipeline."""


def kind_of(kinds: JobKinds, pipeline: str, version: int | None = None) -> JobKind:
    """The kind of that pipeline's jobs; ``InvalidInput`` when it, or its version, is not there."""
    kind = kinds.get(pipeline)
    if kind is None or version not in (None, kind.pipeline.version):
        wanted = f"version {version} of a pipeline" if version is not None else "pipeline"
        raise InvalidInput(
            f"There is no {wanted} {pipeline!r}.",
            remedy=f"Pipelines that are there: {', '.join(kinds) or 'none'}; RIGLINE_PIPELINES "
            "adds others, and a file of an older version is submitted again.",
            pipeline=pipeline,
        )
    return kind
