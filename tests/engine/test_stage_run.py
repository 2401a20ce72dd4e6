"""Stages run once for every distinct input, and what fails says where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from rigline.engine.artifact_store import OutputRecord
from rigline.engine.codec import array_codec, json_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import Arrays, AssetFile, Produced, Stage, StageContext
from rigline.engine.stage_run import StageRun, Workbench, output_key, run_pipeline, run_stage
from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable
from rigline.storage.memory import MemoryStore

TEXT = b"one two three"


@dataclass
class FakeModels:
    """A model whose answer is its version, repeated; ``asked`` counts the questions."""

    versions: dict[str, str] = field(default_factory=lambda: {"speller": "1-abc"})
    asked: int = 0

    def infer(self, model: str, inputs: Arrays) -> dict[str, Any]:
        self.asked += 1
        return {"length": np.array([len(self.versions[model])], np.float32)}

    def version(self, model: str) -> str:
        return self.versions[model]


@dataclass
class OtherBackend(FakeModels):
    """The same models, run elsewhere."""


@dataclass(frozen=True, eq=False)
class Numbers:
    values: Any


@dataclass
class Workshop:
    """A pipeline of text stages that counts how often each one runs, and can break one."""

    ran: Counter[str] = field(default_factory=Counter)
    broken: dict[str, Exception] = field(default_factory=dict)

    def pipeline(self) -> Pipeline:
        return Pipeline(
            "text",
            1,
            (
                self.stage("read", (ASSET,), self.read),
                self.stage("split", ("read",), self.split, {"by": " "}),
                self.stage("spell", ("split",), self.spell, models=("speller",)),
                self.stage("join", ("split", "spell"), self.join),
            ),
        )

    def stage(
        self,
        name: str,
        inputs: tuple[str, ...],
        work: Callable[..., Produced[Any]],
        params: dict[str, Any] | None = None,
        models: tuple[str, ...] = (),
    ) -> Stage:
        def run(ctx: StageContext, *values: Any) -> Produced[Any]:
            self.ran[name] += 1
            if name in self.broken:
                raise self.broken[name]
            return work(ctx, *values)

        return Stage(name, 1, inputs, run, json_codec(f"{name}.json"), params or {}, models)

    def read(self, ctx: StageContext, asset: AssetFile) -> Produced[str]:
        return Produced(asset.data.decode(), {"bytes": len(asset.data)}, [f"read {asset.name}"])

    def split(self, ctx: StageContext, read: str) -> Produced[list[str]]:
        return Produced(read.split(ctx.params["by"]))

    def spell(self, ctx: StageContext, split: list[str]) -> Produced[dict[str, int]]:
        ctx.models.infer("speller", {})
        return Produced({word: len(word) for word in split})

    def join(self, ctx: StageContext, split: list[str], spell: dict[str, int]) -> Produced[str]:
        return Produced(", ".join(f"{word} {spell[word]}" for word in split))


@dataclass
class Job:
    """One store and one set of models, over which pipelines run again and again."""

    shop: Workshop = field(default_factory=Workshop)
    store: MemoryStore = field(default_factory=MemoryStore)
    models: FakeModels = field(default_factory=FakeModels)

    def run(
        self, pipeline: Pipeline | None = None, data: bytes = TEXT, name: str = "a.txt"
    ) -> dict[str, StageRun]:
        # A fresh workbench: nothing is remembered but what the store holds.
        bench = Workbench(self.store, self.models, name)
        return run_pipeline(pipeline or self.shop.pipeline(), self.store.put(data), bench)

    def keys(self, **changes: Any) -> dict[str, str]:
        return {stage: run.key for stage, run in self.run(**changes).items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def with_version(pipeline: Pipeline, name: str, version: int) -> Pipeline:
    stages = tuple(replace(s, version=version) if s.name == name else s for s in pipeline)
    return Pipeline(pipeline.name, pipeline.version, stages)


def test_a_run_gives_the_last_stage_what_the_first_ones_made() -> None:
    job = Job()
    runs = job.run()
    made = Workbench(job.store, job.models).value(job.shop.pipeline(), "join", runs["join"].sha256)
    assert made == "one 3, two 3, three 5"
    assert list(runs) == ["read", "split", "spell", "join"]
    assert not any(run.reused for run in runs.values())


def test_the_record_says_what_was_measured_and_by_which_model() -> None:
    runs = Job().run()
    assert runs["read"].record.evidence == {"bytes": len(TEXT)}
    assert runs["read"].record.warnings == ("read a.txt",)
    assert runs["read"].record.models == {}
    assert runs["spell"].record.models == {"speller": "1-abc"}
    assert runs["spell"].record.outputs == {"spell.json": runs["spell"].sha256}
    assert runs["spell"].record.seconds >= 0


def test_the_second_run_computes_nothing() -> None:
    job = Job()
    first = job.run()
    ran, asked = job.shop.ran.copy(), job.models.asked
    second = job.run()
    assert (job.shop.ran, job.models.asked) == (ran, asked)
    assert all(run.reused for run in second.values())
    for name, run in second.items():
        assert (run.key, run.sha256, run.record) == (
            first[name].key, first[name].sha256, first[name].record,
        )  # fmt: skip


def test_on_stage_hears_of_each_stage_as_it_ends() -> None:
    job = Job()
    heard: list[StageRun] = []
    bench = Workbench(job.store, job.models)
    runs = run_pipeline(job.shop.pipeline(), job.store.put(TEXT), bench, heard.append)
    assert heard == list(runs.values())


def test_changed_parameters_change_the_key_of_their_stage_and_what_its_output_changes() -> None:
    job = Job()
    before = job.keys()
    after = job.keys(pipeline=job.shop.pipeline().with_params({"split": {"by": "t"}}))
    assert changed(before, after) == {"split", "spell", "join"}


def test_parameters_that_change_no_output_stop_at_their_stage() -> None:
    job = Job()
    before = job.keys()
    ran = job.shop.ran.copy()
    after = job.keys(pipeline=job.shop.pipeline().with_params({"split": {"note": "same"}}))
    assert changed(before, after) == {"split"}
    assert job.shop.ran - ran == Counter(split=1)


def test_a_new_version_of_a_stage_changes_its_key() -> None:
    job = Job()
    before = job.keys()
    assert changed(before, job.keys(pipeline=with_version(job.shop.pipeline(), "spell", 2))) == {
        "spell"
    }


def test_a_new_model_changes_the_key_of_the_stages_that_ask_it() -> None:
    job = Job()
    before = job.keys()
    job.models.versions["speller"] = "2-def"
    assert changed(before, job.keys()) == {"spell"}
    job.models.versions["painter"] = "9-xyz"
    assert changed(before, job.keys()) == {"spell"}


def test_another_asset_changes_every_key() -> None:
    job = Job()
    before = job.keys()
    assert changed(before, job.keys(data=b"four")) == set(before)


def test_the_name_of_the_asset_changes_no_key() -> None:
    job = Job()
    before = job.keys()
    assert job.keys(name="b.txt") == before
    assert job.shop.ran == Counter(dict.fromkeys(before, 1))


def test_the_backend_that_runs_the_models_changes_no_key() -> None:
    stage = Workshop().pipeline().stage("spell")
    inputs = {"split": "0" * 64}
    assert output_key(stage, inputs, FakeModels()) == output_key(stage, inputs, OtherBackend())


def test_inputs_that_the_stage_does_not_take_change_no_key() -> None:
    stage = Workshop().pipeline().stage("spell")
    inputs = {"split": "0" * 64}
    more = {**inputs, "read": "1" * 64}
    assert output_key(stage, inputs, FakeModels()) == output_key(stage, more, FakeModels())


def test_the_order_in_which_parameters_are_named_changes_no_key() -> None:
    stage = Workshop().pipeline().stage("split")
    inputs = {"read": "0" * 64}
    keys = {
        output_key(stage.with_params(params), inputs, FakeModels())
        for params in ({"x": 1, "y": 2}, {"y": 2, "x": 1})
    }
    assert len(keys) == 1


def test_a_missing_input_breaks_the_contract() -> None:
    with pytest.raises(ContractViolation, match="join needs the input 'spell'"):
        output_key(Workshop().pipeline().stage("join"), {"split": "0" * 64}, FakeModels())


def test_an_output_that_is_gone_is_computed_again() -> None:
    job = Job()
    first = job.run()
    lost = MemoryStore()
    for name, run in first.items():
        lost.put_record(name, run.key, run.record)
        if name != "spell":
            lost.put(job.store.get(run.sha256))
    job.store = lost
    second = job.run()
    assert job.shop.ran == Counter(read=1, split=1, spell=2, join=1)
    assert [name for name, run in second.items() if not run.reused] == ["spell"]
    assert second["spell"].sha256 == first["spell"].sha256
    assert lost.record("spell", first["spell"].key) == second["spell"].record


def test_the_first_record_stays_in_force_when_two_runs_race() -> None:
    job = Job()
    key = job.run()["split"].key
    other = OutputRecord({"split.json": job.store.put(b'["other"]')}, {"from": "the other run"})
    late = MemoryStore()
    late.put(TEXT)
    late.put(b'["other"]')

    def outrun(ctx: StageContext, read: str) -> Produced[list[str]]:
        late.put_record("split", key, other)
        return Produced(read.split())

    stages = tuple(replace(s, run=outrun) if s.name == "split" else s for s in job.shop.pipeline())
    job.store = late
    runs = job.run(Pipeline("text", 1, stages[:2]))
    assert runs["split"].record == other
    assert runs["split"].sha256 == other.outputs["split.json"]


def test_a_foreign_exception_becomes_a_contract_violation_that_names_the_stage() -> None:
    job = Job()
    job.shop.broken["spell"] = ZeroDivisionError("by nothing")
    with pytest.raises(ContractViolation, match="spell failed: ZeroDivisionError") as caught:
        job.run()
    assert caught.value.fields["stage"] == "spell"
    assert caught.value.__cause__ is job.shop.broken["spell"]


@pytest.mark.parametrize("kind", [InvalidInput, ContractViolation, ServiceUnavailable])
def test_own_errors_pass_and_say_in_which_stage(
    kind: type[InvalidInput | ContractViolation | ServiceUnavailable],
) -> None:
    job = Job()
    job.shop.broken["split"] = kind("Not so.", remedy="Like this.", line=4)
    with pytest.raises(kind) as caught:
        job.run()
    assert caught.value is job.shop.broken["split"]
    assert caught.value.fields == {"line": 4, "stage": "split"}


def test_an_output_that_cannot_be_kept_names_the_stage() -> None:
    def wrong(ctx: StageContext, asset: AssetFile) -> Produced[str]:
        return Produced("no arrays")

    stage = Stage("wrong", 1, (ASSET,), wrong, array_codec("wrong.safetensors", Numbers))
    job = Job()
    with pytest.raises(ContractViolation, match="wrong") as caught:
        job.run(Pipeline("p", 1, (stage,)))
    assert caught.value.fields["stage"] == "wrong"


def test_a_broken_run_goes_on_where_it_broke() -> None:
    job = Job()
    job.shop.broken["spell"] = ServiceUnavailable("The model server is away.")
    with pytest.raises(ServiceUnavailable):
        job.run()
    assert job.shop.ran == Counter(read=1, split=1, spell=1)
    del job.shop.broken["spell"]
    runs = job.run()
    assert job.shop.ran == Counter(read=1, split=1, spell=2, join=1)
    assert [run.reused for run in runs.values()] == [True, True, False, False]


def test_a_failure_leaves_no_record() -> None:
    job = Job()
    job.shop.broken["split"] = RuntimeError("broken")
    pipeline, bench = job.shop.pipeline(), Workbench(job.store, job.models)
    read = run_stage(pipeline, "read", {ASSET: job.store.put(TEXT)}, bench)
    inputs = {"read": read.sha256}
    with pytest.raises(ContractViolation):
        run_stage(pipeline, "split", inputs, bench)
    key = output_key(pipeline.stage("split"), inputs, job.models)
    assert job.store.record("split", key) is None


def test_values_of_this_process_are_not_read_back() -> None:
    job = Job()
    bench = Workbench(job.store, job.models)
    runs = run_pipeline(job.shop.pipeline(), job.store.put(TEXT), bench)
    unread = Workbench(MemoryStore(), job.models, values=bench.values)
    for name, run in runs.items():
        assert unread.value(job.shop.pipeline(), name, run.sha256) is bench.values[run.sha256]


def test_evidence_that_no_store_could_keep_is_the_stages_own_fault() -> None:
    stage = Stage("measure", 1, (ASSET,), _infinite, json_codec("out.json"))
    bench = Workbench(MemoryStore(), FakeModels())
    sha256 = bench.store.put(b"asset")
    with pytest.raises(ContractViolation) as caught:
        run_stage(Pipeline("p", 1, (stage,)), "measure", {ASSET: sha256}, bench)
    assert caught.value.fields["stage"] == "measure"


def _infinite(ctx: StageContext, asset: AssetFile) -> Produced[dict[str, int]]:
    return Produced({}, {"error": float("inf")})
