"""What stands in for a stage's output, what follows from it, and when it no longer does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from rigline.engine.codec import json_codec
from rigline.engine.override import Amendment, Override
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import Arrays, AssetFile, Produced, Stage, StageContext
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import ContractViolation, InvalidInput
from rigline.storage.memory import MemoryStore


class NoModels:
    def infer(self, model: str, inputs: Arrays) -> dict[str, Any]:
        return {"none": np.zeros(0, np.float32)}

    def version(self, model: str) -> str:
        return "1"


@dataclass
class Job:
    """Words are split from a text, counted and sorted, and joined again; runs are counted."""

    ran: Counter[str] = field(default_factory=Counter)
    store: MemoryStore = field(default_factory=MemoryStore)

    def pipeline(self, by: str = " ") -> Pipeline:
        def split(ctx: StageContext, asset: AssetFile) -> Produced[list[str]]:
            self.ran["split"] += 1
            return Produced(asset.data.decode().split(ctx.params["by"]))

        def count(ctx: StageContext, words: list[str]) -> Produced[int]:
            self.ran["count"] += 1
            return Produced(len(words))

        def order(ctx: StageContext, words: list[str]) -> Produced[list[str]]:
            self.ran["order"] += 1
            return Produced(sorted(words))

        def tell(ctx: StageContext, count: int, order: list[str]) -> Produced[str]:
            self.ran["tell"] += 1
            return Produced(f"{count}: {' '.join(order)}")

        return Pipeline("words", 1, (
            Stage("split", 1, (ASSET,), split, json_codec("split.json"), {"by": by}),
            Stage("count", 1, ("split",), count, json_codec("count.json")),
            Stage("order", 1, ("split",), order, json_codec("order.json")),
            Stage("tell", 1, ("count", "order"), tell, json_codec("tell.json")),
        ))  # fmt: skip

    def run(self, data: bytes = b"b a", by: str = " ", **more: Any) -> dict[str, StageRun]:
        self.ran.clear()
        bench = Workbench(self.store, NoModels())
        return run_pipeline(self.pipeline(by), self.store.put(data), bench, **more)

    def value(self, runs: Mapping[str, StageRun], name: str) -> Any:
        bench = Workbench(self.store, NoModels())
        return bench.value(self.pipeline(), name, runs[name].sha256)


def plus(word: str, stage: str, base: StageRun) -> Amendment:
    return Amendment(stage, base.sha256, lambda value, inputs: [*value, word])


def in_force(runs: Mapping[str, StageRun]) -> list[Override]:
    return [run.override for run in runs.values() if run.override]


def test_only_what_depends_on_the_corrected_stage_runs_again() -> None:
    job = Job()
    first = job.run()
    runs = job.run(amendments=[plus("c", "order", first["order"])])
    assert job.ran == Counter(tell=1)
    assert job.value(runs, "order") == ["a", "b", "c"]
    assert job.value(runs, "tell") == "2: a b c"
    assert runs["count"].key == first["count"].key
    assert runs["order"].record == first["order"].record


def test_an_override_stands_in_for_its_output_and_costs_nothing_again() -> None:
    job = Job()
    corrected = job.run(amendments=[plus("c", "split", job.run()["split"])])
    again = job.run(overrides=in_force(corrected))
    assert not job.ran
    assert all(run.reused for run in again.values())
    assert {n: r.sha256 for n, r in again.items()} == {n: r.sha256 for n, r in corrected.items()}
    assert in_force(again) == in_force(corrected)


def test_an_override_outlives_earlier_stages_that_give_the_same_again() -> None:
    job = Job()
    kept = in_force(job.run(amendments=[plus("c", "order", job.run()["order"])]))
    runs = job.run(b"a b", overrides=kept)
    assert job.ran["split"] == 1
    assert job.value(runs, "order") == ["a", "b", "c"]


def test_an_override_whose_base_is_gone_is_left_out_and_reported() -> None:
    job = Job()
    first = job.run()
    kept = in_force(job.run(amendments=[plus("c", "order", first["order"])]))
    runs = job.run(b"x y", overrides=kept)
    assert job.value(runs, "tell") == "2: x y"
    assert runs["order"].dropped == (first["order"].sha256,)
    assert in_force(runs) == []
    assert not runs["tell"].dropped


def test_a_second_correction_goes_upon_the_first() -> None:
    job = Job()
    first = job.run()
    once = job.run(amendments=[plus("c", "order", first["order"])])
    more = plus("d", "order", once["order"])
    twice = job.run(overrides=in_force(once), amendments=[more])
    assert job.value(twice, "order") == ["a", "b", "c", "d"]
    assert in_force(twice) == [Override("order", first["order"].sha256, twice["order"].sha256)]


def test_a_correction_of_what_nobody_sees_any_more_is_left_out() -> None:
    job = Job()
    first = job.run()
    stale = plus("d", "order", first["order"])
    once = job.run(amendments=[plus("c", "order", first["order"])])
    runs = job.run(overrides=in_force(once), amendments=[stale])
    assert job.value(runs, "order") == ["a", "b", "c"]
    assert runs["order"].dropped == (first["order"].sha256,)
    assert in_force(runs) == in_force(once)


def test_corrections_of_two_stages_in_a_row() -> None:
    job = Job()
    first = plus("c", "split", job.run()["split"])
    seen = job.run(amendments=[first])
    runs = job.run(amendments=[plus("d", "order", seen["order"]), first])
    assert job.value(runs, "tell") == "3: a b c d"
    assert [o.stage for o in in_force(runs)] == ["split", "order"]


def test_an_amendment_is_told_the_values_of_the_inputs() -> None:
    job = Job()
    base = job.run()["order"].sha256
    runs = job.run(amendments=[Amendment("order", base, lambda value, inputs: inputs["split"])])
    assert job.value(runs, "order") == ["b", "a"]


def test_the_same_correction_gives_the_same_artifacts_anywhere() -> None:
    def corrected() -> dict[str, str]:
        job = Job()
        runs = job.run(amendments=[plus("c", "split", job.run()["split"])])
        return {name: run.sha256 for name, run in runs.items()}

    assert corrected() == corrected()


def test_a_correction_that_fails_names_the_stage() -> None:
    job = Job()
    base = job.run()["order"].sha256

    def refuse(value: Any, inputs: Mapping[str, Any]) -> Any:
        raise InvalidInput("No such word.", value=7)

    def stumble(value: Any, inputs: Mapping[str, Any]) -> Any:
        return value["first"]

    with pytest.raises(InvalidInput) as refused:
        job.run(amendments=[Amendment("order", base, refuse)])
    assert refused.value.fields == {"value": 7, "stage": "order"}
    with pytest.raises(ContractViolation, match="order could not be corrected: TypeError"):
        job.run(amendments=[Amendment("order", base, stumble)])


def test_overrides_name_stages_that_exist_and_each_one_once() -> None:
    job = Job()
    other = Override("paint", "0" * 64, "1" * 64)
    with pytest.raises(InvalidInput, match="paint"):
        job.run(overrides=[other])
    with pytest.raises(InvalidInput, match="paint"):
        job.run(amendments=[Amendment("paint", "0" * 64, lambda value, inputs: value)])
    twice = [Override("order", "0" * 64, "1" * 64), Override("order", "0" * 64, "2" * 64)]
    with pytest.raises(ContractViolation, match="two overrides"):
        job.run(overrides=twice)
