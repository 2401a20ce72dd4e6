"""What every backend promises: embedded, and real Triton servers behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rigline.avatar.body import N_PARTS
from rigline.avatar.cage import fit_cage
from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
)
from rigline.engine.stage import Models
from rigline.errors import ContractViolation, InvalidInput
from rigline.inference.contracts import CONTRACTS
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.fleet import Member
from rigline.inference.gateway import Gateway
from rigline.inference.repository import find_model, shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.inference.server.process import TritonServer
from rigline.inference.triton import TritonEndpoint
from tests.support.bodies import box_body
from tests.support.model_inputs import (
    MODELS,
    body_inputs,
    caging_inputs,
    inputs_of,
    orientation_inputs,
    part_of,
    query_inputs,
)

every_model = pytest.mark.parametrize("model", MODELS)
SAME = 1e-4
"""How far two backends' outputs may lie apart."""


@pytest.fixture(scope="module")
def embedded() -> EmbeddedModels:
    return EmbeddedModels(shipped_repository())


@pytest.fixture(scope="module")
def triton(triton_server: TritonServer) -> Iterator[Gateway]:
    target = triton_server.plan.grpc
    gateway = Gateway([Member(target, EndpointKind.ONPREM, 16, TritonEndpoint(target))])
    yield gateway
    gateway.close()


@pytest.fixture(params=["embedded", pytest.param("triton", marks=pytest.mark.server)])
def models(request: pytest.FixtureRequest) -> Models:
    return request.getfixturevalue(request.param)


@every_model
@pytest.mark.parametrize("batch", [1, 2])
def test_outputs_have_the_shapes_that_the_stages_expect(
    models: Models, model: str, batch: int
) -> None:
    outputs = models.infer(model, inputs_of(model, batch))
    assert {n: a.shape for n, a in outputs.items()} == {
        n: (batch, *shape) for n, shape in MODELS[model][1].items()
    }
    assert {a.dtype for a in outputs.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(a).all() for a in outputs.values())


@every_model
def test_a_batch_of_two_is_two_single_ones(models: Models, model: str) -> None:
    inputs = inputs_of(model, 2)
    together = models.infer(model, inputs)
    for item in range(2):
        alone = models.infer(model, part_of(inputs, item))
        for name, array in alone.items():
            assert together[name][item] == pytest.approx(array[0], abs=SAME)


@every_model
def test_a_batch_larger_than_a_server_takes_is_answered_whole(models: Models, model: str) -> None:
    count = CONTRACTS[model].max_batch + 1
    two = inputs_of(model, 2)
    inputs = {name: np.resize(array, (count, *array.shape[1:])) for name, array in two.items()}
    outputs, known = models.infer(model, inputs), models.infer(model, two)
    for name, array in outputs.items():
        assert len(array) == count
        for item in (0, count - 2, count - 1):
            assert array[item] == pytest.approx(known[name][item % 2], abs=SAME)


def test_the_two_items_of_that_batch_differ(models: Models) -> None:
    joints = models.infer("avatar_rigging", body_inputs(2))["joints"]
    assert np.abs(joints[0] - joints[1]).max() > 1e-3


def test_answers_are_probabilities_where_their_names_say_so(models: Models) -> None:
    parts = models.infer("avatar_segmentation", query_inputs(1))["probability"]
    turns = np.exp(models.infer("avatar_orientation", orientation_inputs(1))["log_probability"])
    assert parts.sum(axis=-1) == pytest.approx(np.ones((1, parts.shape[1])), abs=SAME)
    assert turns.sum(axis=-1) == pytest.approx(np.ones(1), abs=SAME)


@pytest.mark.parametrize("queries", [1, 3, 1000, 30_000])
def test_any_number_of_points_can_be_asked_for(models: Models, queries: int) -> None:
    inputs = {**body_inputs(1), "queries": np.zeros((1, queries, 6), np.float32)}
    assert models.infer("avatar_segmentation", inputs)["probability"].shape == (1, queries, N_PARTS)


def test_points_are_answered_one_by_one(models: Models) -> None:
    inputs = query_inputs(1)
    whole = models.infer("avatar_segmentation", inputs)["probability"]
    piece = {**inputs, "queries": inputs["queries"][:, 10:20]}
    part = models.infer("avatar_segmentation", piece)["probability"]
    assert part == pytest.approx(whole[:, 10:20], abs=1e-5)


def test_numbers_of_other_widths_are_converted(models: Models) -> None:
    inputs = orientation_inputs(1)
    wide = {
        "features": inputs["features"].astype(np.float64),
        "neighbours": inputs["neighbours"].astype(np.int32),
    }
    first, second = (models.infer("avatar_orientation", i) for i in (inputs, wide))
    assert np.array_equal(first["yaw"], second["yaw"])


@every_model
@pytest.mark.parametrize("fault", ["narrow", "short", "flat", "missing", "text", "empty", "uneven"])
def test_inputs_that_do_not_fit_are_refused(models: Models, model: str, fault: str) -> None:
    inputs = inputs_of(model, 1)
    first = CONTRACTS[model].inputs[0].name
    features = inputs.pop(first)
    wrong = {
        "narrow": features[:, :, :-1],
        "short": features[:, :100],
        "flat": features[0],
        "text": np.full(features.shape, "x"),
        "empty": features[:0],
        "uneven": np.concatenate([features, features]),
    }
    if fault in wrong:
        inputs[first] = wrong[fault]
    with pytest.raises(InvalidInput, match=f"{model} refused its inputs") as caught:
        models.infer(model, inputs)
    assert caught.value.fields["model"] == model
    assert set(caught.value.fields["shapes"]) == set(inputs)


@pytest.mark.parametrize("index", [N_ORIENTATION_POINTS, -1])
def test_neighbours_out_of_range_are_refused(models: Models, index: int) -> None:
    inputs = orientation_inputs(1)
    shape = (1, N_ORIENTATION_PATCHES, N_ORIENTATION_NEIGHBOURS)
    inputs["neighbours"] = np.full(shape, index)
    with pytest.raises(InvalidInput, match="neighbours points outside the 512 rows of features"):
        models.infer("avatar_orientation", inputs)


@pytest.mark.parametrize(
    ("fault", "said"),
    [("part", "part points outside the 15 rows of joints"), ("points", "all of them finite")],
)
def test_a_cage_around_what_is_no_body_is_refused(models: Models, fault: str, said: str) -> None:
    inputs = caging_inputs(1)
    inputs[fault][0, 0] = 15 if fault == "part" else np.nan
    with pytest.raises(InvalidInput, match=said):
        models.infer("avatar_caging", inputs)


def test_the_cage_asked_for_is_the_one_that_the_stage_lays(models: Models) -> None:
    body = box_body()
    cage = fit_cage(body.vertices, body.faces, body.part, body.joints)
    (vertices,) = models.infer("avatar_caging", caging_inputs(1))["vertices"]
    assert vertices == pytest.approx(cage.vertices, abs=1e-6)


def test_an_answer_that_is_not_finite_breaks_the_contract(models: Models) -> None:
    inputs = orientation_inputs(1)
    inputs["features"][0, 0, 0] = np.nan
    with pytest.raises(ContractViolation, match="not finite"):
        models.infer("avatar_orientation", inputs)


def test_an_unknown_model_is_refused(models: Models) -> None:
    for ask in (models.version, lambda name: models.infer(name, {})):
        with pytest.raises(InvalidInput, match="'avatar_dancing'"):
            ask("avatar_dancing")


def test_many_threads_ask_at_once(models: Models) -> None:
    inputs = [part_of(orientation_inputs(3), item) for item in range(3)]
    alone = [models.infer("avatar_orientation", item) for item in inputs]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: models.infer("avatar_orientation", inputs[n % 3]), range(48))
        )
    for number, answer in enumerate(answers):
        for name, array in answer.items():
            assert array == pytest.approx(alone[number % 3][name], abs=SAME)


@every_model
def test_the_version_names_number_and_weights(models: Models, model: str) -> None:
    assert models.version(model) == find_model(shipped_repository(), model).id


@pytest.mark.server
@every_model
@pytest.mark.parametrize("batch", [1, 3])
def test_embedded_and_triton_agree(
    embedded: EmbeddedModels, triton: Gateway, model: str, batch: int
) -> None:
    inputs = inputs_of(model, batch)
    here, there = embedded.infer(model, inputs), triton.infer(model, inputs)
    assert here.keys() == there.keys()
    for name, array in here.items():
        assert there[name] == pytest.approx(array, abs=SAME)
    assert embedded.version(model) == triton.version(model)
