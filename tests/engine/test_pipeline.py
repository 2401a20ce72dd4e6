"""A pipeline is a graph in running order; nothing else can be built."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from rigline.bootstrap import avatar_pipeline
from rigline.engine.codec import json_codec
from rigline.engine.pipeline import ASSET, Pipeline
from rigline.engine.stage import Produced, Stage, StageContext
from rigline.errors import ContractViolation, InvalidInput
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.settings import Settings


def nothing(ctx: StageContext, *inputs: Any) -> Produced[None]:
    return Produced(None)


def stage(name: str, *inputs: str, **params: Any) -> Stage:
    return Stage(name, 1, inputs, nothing, json_codec(f"{name}.json"), params)


def diamond() -> Pipeline:
    """read → (left, right) → join, and a label beside them."""
    return Pipeline(
        "diamond",
        3,
        (
            stage("read", ASSET, unit="cm", limit=5),
            stage("left", "read", side=1),
            stage("right", "read"),
            stage("join", "left", "right"),
            stage("label", ASSET),
        ),
    )


def test_stages_come_in_the_order_given() -> None:
    names = [s.name for s in diamond()]
    assert names == ["read", "left", "right", "join", "label"]


def test_a_stage_before_its_input_is_refused() -> None:
    with pytest.raises(ContractViolation, match=r"'left' of p lacks its input 'read'"):
        Pipeline("p", 1, (stage("left", "read"), stage("read", ASSET)))


@pytest.mark.parametrize("inputs", [("nowhere",), ("own",)])
def test_an_input_that_nobody_makes_is_refused(inputs: tuple[str, ...]) -> None:
    with pytest.raises(ContractViolation, match="lacks its input"):
        Pipeline("p", 1, (stage("own", *inputs),))


@pytest.mark.parametrize("name", ["read", ASSET])
def test_a_name_is_used_once(name: str) -> None:
    with pytest.raises(ContractViolation, match="twice"):
        Pipeline("p", 1, (stage("read", ASSET), stage(name, ASSET)))


def test_a_stage_is_found_by_name_and_a_wrong_name_gets_the_right_ones() -> None:
    assert diamond().stage("join").inputs == ("left", "right")
    with pytest.raises(InvalidInput, match="read, left, right, join, label"):
        diamond().stage("joint")


def test_parameters_are_laid_over_those_of_the_stage_they_name() -> None:
    before = diamond()
    after = before.with_params({"read": {"limit": 9, "more": True}})
    assert dict(after.stage("read").params) == {"unit": "cm", "limit": 9, "more": True}
    assert dict(after.stage("left").params) == {"side": 1}
    assert dict(before.stage("read").params) == {"unit": "cm", "limit": 5}
    assert (after.name, after.version) == (before.name, before.version)


def test_new_parameters_keep_everything_else_of_a_stage() -> None:
    before = diamond().stage("left")
    after = before.with_params({"side": 2})
    for name in ("name", "version", "inputs", "run", "codec", "models", "resources"):
        assert getattr(after, name) == getattr(before, name)


def test_parameters_for_a_stage_that_is_not_there_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no stage 'lift'"):
        diamond().with_params({"lift": {"side": 2}})


def test_no_two_stages_of_avatar_set_up_share_a_file_name() -> None:
    names = [s.codec.file_name for s in AVATAR_AUTO_SETUP]
    assert len(set(names)) == len(names)


def test_one_failing_item_of_a_batch_stops_no_other() -> None:
    def half(ctx: StageContext, value: int) -> Produced[float]:
        return Produced(12 / value)

    halving = Stage("half", 1, (ASSET,), half, json_codec("half.json"))
    first, second, third = halving.run_batch(StageContext(models=None), [[2], [0], [4]])  # type: ignore[arg-type]
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(first, Produced)
    assert isinstance(third, Produced)
    assert (first.value, third.value) == (6, 3)


def test_a_pipeline_with_params_crosses_process_boundaries() -> None:
    pipeline = avatar_pipeline(Settings())
    again = pickle.loads(pickle.dumps(pipeline))
    assert [s.name for s in again] == [s.name for s in pipeline]
    assert again.stage("validate").params == {"preset": "development"}
