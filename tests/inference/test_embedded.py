"""The models that come with Rigline, run in this process."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from rigline.batch.work import fault_of
from rigline.engine.batch import FaultKind
from rigline.errors import ContractViolation, ServiceUnavailable
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import MODEL_FILE, find_model, shipped_repository
from tests.support.model_inputs import MODELS, inputs_of, orientation_inputs, part_of

every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def models() -> EmbeddedModels:
    return EmbeddedModels(shipped_repository())


@every_model
def test_the_same_question_gets_the_same_answer(models: EmbeddedModels, model: str) -> None:
    inputs = inputs_of(model, 1)
    first = models.infer(model, inputs)
    again = EmbeddedModels(shipped_repository()).infer(model, inputs)
    assert all(np.array_equal(first[name], again[name]) for name in first)


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


@pytest.mark.parametrize(
    "failure", [MemoryError(), RuntimeException("initialization: std::bad_alloc")]
)
def test_want_of_memory_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(onnxruntime, "InferenceSession", full)
    with pytest.raises(ServiceUnavailable, match="memory") as caught:
        EmbeddedModels(shipped_repository()).preload("avatar_orientation")
    assert "--memory-mib" in caught.value.remedy
    assert fault_of(caught.value).kind is FaultKind.MEMORY, "in a stage its process is to end"


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
