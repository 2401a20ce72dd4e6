"""Running stages: look an output up by its key, compute it only if nobody has."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from rigline.engine.artifact_store import ArtifactStore, OutputRecord
from rigline.engine.codec import canonical_json
from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import (
    AssetFile,
    Models,
    Produced,
    Stage,
    StageContext,
    models_for_run,
)
from rigline.errors import ContractViolation, RiglineError

Inputs = Mapping[str, str]
"""sha256 of each input by the name of the stage that made it, or ``asset``."""


@dataclass(frozen=True)
class StageRun:
    """One stage's output in the store. ``reused`` says that nothing was computed.

    Where an ``override`` is in force, ``sha256`` is its corrected artifact, while key, record and
    ``reused`` are those of the stage's own output. ``dropped`` are the artifacts that corrections
    of this stage were made for, where those corrections were left out because its output is now
    another.
    """

    stage: str
    key: str
    sha256: str
    record: OutputRecord
    reused: bool
    override: Override | None = None
    dropped: tuple[str, ...] = ()


@dataclass
class Workbench:
    """Where the stages of one job run: the store, the models, and values decoded in this process.

    ``values``, by sha256, spares a process that runs stages in a row from reading back what it has
    just written. ``asset_name`` is for messages.
    """

    store: ArtifactStore
    models: Models
    asset_name: str = ""
    values: MutableMapping[str, Any] = field(default_factory=dict)

    def value(self, pipeline: Pipeline, name: str, sha256: str) -> Any:
        """The value of an artifact: the asset's file, or the output of the stage ``name``."""
        if name == ASSET:
            return AssetFile(self.store.get(sha256), self.asset_name)
        if sha256 not in self.values:
            self.values[sha256] = pipeline.stage(name).codec.decode(self.store.get(sha256))
        return self.values[sha256]


def output_key(stage: Stage, inputs: Inputs, models: Models) -> str:
    """The name under which the output of a stage is found again.

    sha256 of canonical JSON of the stage's name, version and parameters, the versions of its models
    and the sha256 of its inputs. Which backend ran the models has no part in it.
    """
    missing = [name for name in stage.inputs if name not in inputs]
    if missing:
        raise ContractViolation(f"The stage {stage.name} needs the input {missing[0]!r}.")
    identity = {
        "name": stage.name,
        "version": stage.version,
        "params": dict(stage.params),
        "model_version": {model: models.version(model) for model in stage.models},
        "input_sha256s": {name: inputs[name] for name in stage.inputs},
    }
    return hashlib.sha256(canonical_json(identity)).hexdigest()


def run_stage(pipeline: Pipeline, name: str, inputs: Inputs, bench: Workbench) -> StageRun:
    """The output of a stage for these inputs: found in the store, or computed and put there.

    Raises what the stage raises; an error that is none of Rigline's own becomes
    ``ContractViolation`` and names the stage.
    """
    stage = pipeline.stage(name)
    models = models_for_run(bench.models, pipeline.name)
    key = output_key(stage, inputs, models)
    found = _find(stage, key, bench.store)
    if found is not None:
        return found
    started = time.perf_counter()
    arguments = [bench.value(pipeline, name, inputs[name]) for name in stage.inputs]
    named = {name: bench.store.get(sha) for name, sha in stage.artifact_params.items()}
    produced, data = _compute(stage, arguments, StageContext(models, stage.params, named))
    sha256 = bench.store.put(data)
    bench.values[sha256] = produced.value
    record = OutputRecord(
        {stage.codec.file_name: sha256},
        produced.evidence,
        tuple(produced.warnings),
        {model: models.version(model) for model in stage.models},
        time.perf_counter() - started,
        {name: inputs[name] for name in stage.inputs} | stage.artifact_params,
    )
    kept = bench.store.put_record(stage.name, key, record)
    return StageRun(stage.name, key, kept.outputs[stage.codec.file_name], kept, reused=False)


def _find(stage: Stage, key: str, store: ArtifactStore) -> StageRun | None:
    record = store.record(stage.name, key)
    if record is None:
        return None
    sha256 = record.outputs.get(stage.codec.file_name, "")
    if not store.has(sha256):
        store.drop_record(stage.name, key)
        return None
    return StageRun(stage.name, key, sha256, record, reused=True)


def _compute(stage: Stage, arguments: list[Any], ctx: StageContext) -> tuple[Produced[Any], bytes]:
    """What the stage made, and its value as the bytes that are kept."""
    with _faults_of(stage, "failed"):
        produced = stage.run(ctx, *arguments)
        canonical_json(produced.evidence)  # what no store could keep is the stage's own fault
        return produced, stage.codec.encode(produced.value)


@contextmanager
def _faults_of(stage: Stage, did: str) -> Iterator[None]:
    """Errors name the stage, and foreign ones become Rigline's own."""
    try:
        yield
    except RiglineError as error:
        error.fields.setdefault("stage", stage.name)
        raise
    except Exception as error:
        raise ContractViolation(
            f"The stage {stage.name} {did}: {type(error).__name__}: {error}.",
            remedy="This is a fault of Rigline; please report it with the file.",
            stage=stage.name,
        ) from error


def run_corrected(
    pipeline: Pipeline,
    name: str,
    inputs: Inputs,
    bench: Workbench,
    override: Override | None = None,
    amendments: Sequence[Amendment] = (),
) -> StageRun:
    """The output of a stage as later stages are to see it: its own, or what was made of that.

    The stage's own output is found or computed first. The override takes its place if it was made
    for that very output; then each amendment in turn, if it was made for what stands there by then.
    What does not fit is ``dropped``. The corrected value is an artifact like any other.
    """
    stage = pipeline.stage(name)
    own = run_stage(pipeline, name, inputs, bench)
    sha256, dropped = own.sha256, []
    if override is not None and override.base_sha256 == sha256:
        sha256 = override.sha256
    elif override is not None:
        dropped.append(override.base_sha256)
    in_force = override is not None and not dropped
    for amendment in amendments:
        if amendment.base_sha256 != sha256:
            dropped.append(amendment.base_sha256)
            continue
        value = bench.value(pipeline, name, sha256)
        values = {n: bench.value(pipeline, n, inputs[n]) for n in stage.inputs}
        with _faults_of(stage, "could not be corrected"):
            value = amendment.apply(value, values)
            data = stage.codec.encode(value)
        sha256 = bench.store.put(data)
        bench.values[sha256] = value
        in_force = True
    made = Override(name, own.sha256, sha256) if in_force else None
    return replace(own, sha256=sha256, override=made, dropped=tuple(dropped))


def run_pipeline(
    pipeline: Pipeline,
    asset_sha256: str,
    bench: Workbench,
    on_stage: Callable[[StageRun], None] = lambda run: None,
    overrides: Sequence[Override] = (),
    amendments: Sequence[Amendment] = (),
) -> dict[str, StageRun]:
    """All stages of a pipeline over one asset of the store, in order, by name.

    ``on_stage`` hears of each as it ends. What a stage raises ends the run there; the outputs of
    the stages before it stay in the store, so that another run begins where this one broke off.

    ``overrides``, at most one a stage, are the corrections of earlier runs, ``amendments`` new
    ones; stages that depend on what they correct run again, as their inputs are others, and no
    other stage does. The overrides to keep for the next run are those of the ``StageRun`` values.
    Raises ``InvalidInput`` for one that names no stage, ``ContractViolation`` for two overrides of
    one stage.
    """
    kept, changes = corrections_by_stage(pipeline, overrides, amendments)
    shas = {ASSET: asset_sha256}
    runs: dict[str, StageRun] = {}
    for stage in pipeline:
        name = stage.name
        run = run_corrected(pipeline, name, shas, bench, kept.get(name), changes.get(name, ()))
        runs[stage.name] = run
        shas[stage.name] = run.sha256
        on_stage(run)
    return runs


def corrections_by_stage(
    pipeline: Pipeline, overrides: Sequence[Override], amendments: Sequence[Amendment]
) -> tuple[dict[str, Override], dict[str, list[Amendment]]]:
    """The override of each stage that has one, and the amendments of each, in their order.

    Raises ``InvalidInput`` for a stage that is not there, ``ContractViolation`` for two overrides
    of one stage.
    """
    kept: dict[str, Override] = {}
    changes: dict[str, list[Amendment]] = {}
    for amendment in amendments:
        changes.setdefault(pipeline.stage(amendment.stage).name, []).append(amendment)
    for override in overrides:
        stage = pipeline.stage(override.stage)
        if stage.name in kept:
            raise ContractViolation(f"The stage {stage.name} has two overrides.", stage=stage.name)
        kept[stage.name] = override
    return kept, changes
