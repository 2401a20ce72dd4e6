"""The models that come with Rigline, run in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from rigline.avatar.body import N_PARTS
from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
    TURNS,
    CanonicalMesh,
    orientation_views,
)
from rigline.avatar.views import body_views
from rigline.errors import ContractViolation, InvalidInput
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import MODEL_FILE, find_model, shipped_repository
from tests.support.bodies import box_body

Inputs = dict[str, npt.NDArray[Any]]
QUERIES = 70


def orientation_inputs(batch: int) -> Inputs:
    views = orientation_views(box_body().mesh, batch, seed=3)
    return {
        "features": np.stack([v.features for v in views]),
        "neighbours": np.stack([v.neighbours for v in views]),
    }


def body_inputs(batch: int) -> Inputs:
    body = box_body()
    views = body_views(CanonicalMesh(body.vertices, body.faces, np.eye(4), 1.0), batch, seed=3)
    return {
        "features": np.stack([v.features for v in views]),
        "neighbours": np.stack([v.neighbours for v in views]),
    }


def query_inputs(batch: int) -> Inputs:
    inputs = body_inputs(batch)
    return {**inputs, "queries": inputs["features"][:, -QUERIES:]}


MODELS: dict[str, tuple[Callable[[int], Inputs], dict[str, tuple[int, ...]]]] = {
    "avatar_orientation": (orientation_inputs, {"log_probability": (len(TURNS),), "yaw": (2,)}),
    "avatar_segmentation": (query_inputs, {"probability": (QUERIES, N_PARTS)}),
    "avatar_rigging": (
        body_inputs,
        {"joints": (N_PARTS, 3), "log_scale": (N_PARTS,), "dispersion": (N_PARTS,)},
    ),
}
every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def models() -> EmbeddedModels:
    return EmbeddedModels(shipped_repository())


def inputs_of(model: str, batch: int) -> Inputs:
    return MODELS[model][0](batch)


def part_of(inputs: Inputs, item: int) -> Inputs:
    return {name: array[item : item + 1] for name, array in inputs.items()}


@every_model
@pytest.mark.parametrize("batch", [1, 2])
def test_outputs_have_the_shapes_that_the_stages_expect(
    models: EmbeddedModels, model: str, batch: int
) -> None:
    outputs = models.infer(model, inputs_of(model, batch))
    assert {n: a.shape for n, a in outputs.items()} == {
        n: (batch, *shape) for n, shape in MODELS[model][1].items()
    }
    assert {a.dtype for a in outputs.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(a).all() for a in outputs.values())


@every_model
def test_a_batch_of_two_is_two_single_ones(models: EmbeddedModels, model: str) -> None:
    inputs = inputs_of(model, 2)
    together = models.infer(model, inputs)
    for item in range(2):
        alone = models.infer(model, part_of(inputs, item))
        for name, array in alone.items():
            assert together[name][item] == pytest.approx(array[0], abs=1e-4)


def test_the_two_items_of_that_batch_differ(models: EmbeddedModels) -> None:
    joints = models.infer("avatar_rigging", body_inputs(2))["joints"]
    assert np.abs(joints[0] - joints[1]).max() > 1e-3


@every_model
def test_the_same_question_gets_the_same_answer(models: EmbeddedModels, model: str) -> None:
    inputs = inputs_of(model, 1)
    first = models.infer(model, inputs)
    again = EmbeddedModels(shipped_repository()).infer(model, inputs)
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_answers_are_probabilities_where_their_names_say_so(models: EmbeddedModels) -> None:
    parts = models.infer("avatar_segmentation", query_inputs(1))["probability"]
    turns = np.exp(models.infer("avatar_orientation", orientation_inputs(1))["log_probability"])
    assert parts.sum(axis=-1) == pytest.approx(np.ones((1, QUERIES)), abs=1e-4)
    assert turns.sum(axis=-1) == pytest.approx(np.ones(1), abs=1e-4)


@pytest.mark.parametrize("queries", [1, 3, 1000])
def test_any_number_of_points_can_be_asked_for(models: EmbeddedModels, queries: int) -> None:
    inputs = {**body_inputs(1), "queries": np.zeros((1, queries, 6), np.float32)}
    assert models.infer("avatar_segmentation", inputs)["probability"].shape == (1, queries, N_PARTS)


def test_points_are_answered_one_by_one(models: EmbeddedModels) -> None:
    inputs = query_inputs(1)
    whole = models.infer("avatar_segmentation", inputs)["probability"]
    piece = {**inputs, "queries": inputs["queries"][:, 10:20]}
    part = models.infer("avatar_segmentation", piece)["probability"]
    assert part == pytest.approx(whole[:, 10:20], abs=1e-5)


def test_numbers_of_other_widths_are_converted(models: EmbeddedModels) -> None:
    inputs = orientation_inputs(1)
    wide = {
        "features": inputs["features"].astype(np.float64),
        "neighbours": inputs["neighbours"].astype(np.int32),
    }
    first, second = (models.infer("avatar_orientation", i) for i in (inputs, wide))
    assert np.array_equal(first["yaw"], second["yaw"])


@every_model
@pytest.mark.parametrize("fault", ["narrow", "short", "flat", "missing", "text"])
def test_inputs_that_do_not_fit_are_refused(models: EmbeddedModels, model: str, fault: str) -> None:
    inputs = inputs_of(model, 1)
    features = inputs.pop("features")
    wrong = {
        "narrow": features[:, :, :5],
        "short": features[:, :100],
        "flat": features[0],
        "text": np.full(features.shape, "x"),
    }
    if fault in wrong:
        inputs["features"] = wrong[fault]
    with pytest.raises(InvalidInput, match=f"{model} refused its inputs") as caught:
        models.infer(model, inputs)
    assert caught.value.fields["model"] == model
    assert set(caught.value.fields["shapes"]) == set(inputs)


def test_neighbours_out_of_range_are_refused(models: EmbeddedModels) -> None:
    inputs = orientation_inputs(1)
    shape = (1, N_ORIENTATION_PATCHES, N_ORIENTATION_NEIGHBOURS)
    inputs["neighbours"] = np.full(shape, N_ORIENTATION_POINTS)
    with pytest.raises(InvalidInput):
        models.infer("avatar_orientation", inputs)


def test_an_answer_that_is_not_finite_breaks_the_contract(models: EmbeddedModels) -> None:
    inputs = orientation_inputs(1)
    inputs["features"][0, 0, 0] = np.nan
    with pytest.raises(ContractViolation, match="not finite"):
        models.infer("avatar_orientation", inputs)


def test_an_unknown_model_is_refused(models: EmbeddedModels) -> None:
    for ask in (models.version, lambda name: models.infer(name, {})):
        with pytest.raises(InvalidInput, match="holds no 'avatar_dancing'"):
            ask("avatar_dancing")


@pytest.mark.parametrize("keep", [0, 1000, -100])
def test_a_damaged_file_breaks_the_contract(tmp_path: Path, keep: int) -> None:
    whole = find_model(shipped_repository(), "avatar_orientation").path.read_bytes()
    place(tmp_path, "avatar_orientation", 1, whole[:keep])
    with pytest.raises(ContractViolation, match="cannot be loaded"):
        EmbeddedModels(tmp_path).infer("avatar_orientation", orientation_inputs(1))


def test_a_git_lfs_pointer_is_told_apart_by_the_remedy(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    place(tmp_path, "avatar_orientation", 1, pointer)
    with pytest.raises(ContractViolation) as caught:
        EmbeddedModels(tmp_path).infer("avatar_orientation", orientation_inputs(1))
    assert "Git LFS" in caught.value.remedy


def test_the_newest_version_is_used_and_named(tmp_path: Path) -> None:
    shipped = find_model(shipped_repository(), "avatar_orientation")
    place(tmp_path, "avatar_orientation", 2, b"older")
    place(tmp_path, "avatar_orientation", 9, b"older")
    newest = place(tmp_path, "avatar_orientation", 10, b"")
    shutil.copyfile(shipped.path, newest)
    (tmp_path / "avatar_orientation" / "11").mkdir()  # not finished: it holds no file
    models = EmbeddedModels(tmp_path)
    assert models.version("avatar_orientation") == f"10-{shipped.sha256[:16]}"
    assert models.infer("avatar_orientation", orientation_inputs(1))["yaw"].shape == (1, 2)


def test_another_file_is_another_version(tmp_path: Path) -> None:
    names = set()
    for content in (b"one", b"two"):
        place(tmp_path, "any_model", 1, content)
        names.add(EmbeddedModels(tmp_path).version("any_model"))
    assert len(names) == 2


def test_many_threads_share_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [part_of(orientation_inputs(3), item) for item in range(3)]
    single = EmbeddedModels(shipped_repository())
    alone = [single.infer("avatar_orientation", item) for item in inputs]
    made: list[Any] = []
    real = onnxruntime.InferenceSession

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(args[0])
        return real(*args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
    models = EmbeddedModels(shipped_repository())

    def ask(number: int) -> dict[str, Any]:
        return models.infer("avatar_orientation", inputs[number % 3])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(48)))
    assert len(made) == 1
    for number, answer in enumerate(answers):
        for name, array in answer.items():
            assert np.array_equal(array, alone[number % 3][name])


def place(repository: Path, model: str, version: int, content: bytes) -> Path:
    """A version of a model in a repository; its file."""
    path = repository / model / str(version) / MODEL_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
