"""The shipped model repository is one that a Triton server would load as well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import pytest

from rigline.inference.contracts import CONTRACTS
from rigline.inference.kernels import ADAPTER_FILE
from rigline.inference.repository import KERNEL_FILE, MODEL_FILE, find_model, shipped_repository
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP

REPOSITORY = shipped_repository()
ALL = sorted(folder.name for folder in REPOSITORY.iterdir() if folder.is_dir())
MODELS = [name for name in ALL if not CONTRACTS[name].kernel]
"""Those that are networks."""

TRITON_TYPE = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64"}

_LIST = re.compile(r"^(input|output)\s*:?\s*\[(.*?)^\]", re.MULTILINE | re.DOTALL)
_TENSOR = re.compile(r"\{(.*?)\}", re.DOTALL)
_STRING = r'\b{}\s*:\s*"([^"]*)"'
_WORD = r"\b{}\s*:\s*([\w-]+)"
_DIMS = re.compile(r"\bdims\s*:\s*\[([^\]]*)\]")

every_folder = pytest.mark.parametrize("model", ALL)
every_model = pytest.mark.parametrize("model", MODELS)


@dataclass(frozen=True)
class Tensor:
    """One input or output: its type as Triton spells it; -1 where a size is free."""

    kind: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Config:
    """What the tests need of a ``config.pbtxt``."""

    name: str
    backend: str
    max_batch_size: int
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def read_config(path: Path) -> Config:
    text = re.sub(r"#.*", "", path.read_text("utf-8"))
    lists = {match[1]: match[2] for match in _LIST.finditer(text)}
    top = _LIST.sub("", text)
    backend = found(_STRING, "backend", top) or found(_STRING, "platform", top)
    return Config(
        found(_STRING, "name", top),
        backend,
        int(found(_WORD, "max_batch_size", top) or 0),
        tensors(lists["input"]),
        tensors(lists["output"]),
    )


def found(pattern: str, key: str, text: str) -> str:
    match = re.search(pattern.format(key), text)
    return match[1] if match else ""


def tensors(text: str) -> dict[str, Tensor]:
    entries = {}
    for entry in _TENSOR.findall(text):
        dims = _DIMS.search(entry)
        assert dims is not None, entry
        sizes = tuple(int(size) for size in dims[1].split(",") if size.strip())
        entries[found(_STRING, "name", entry)] = Tensor(found(_WORD, "data_type", entry), sizes)
    return entries


def session_of(model: str) -> onnxruntime.InferenceSession:
    path = find_model(REPOSITORY, model).path
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def config_of(model: str) -> Config:
    return read_config(REPOSITORY / model / "config.pbtxt")


def test_every_model_that_a_stage_asks_is_there() -> None:
    assert {model for stage in AVATAR_AUTO_SETUP for model in stage.models} == set(MODELS)


@every_folder
def test_the_folder_holds_config_and_card_and_versions_of_their_files(model: str) -> None:
    names = {p.name for p in (REPOSITORY / model).iterdir()}
    assert names >= {"config.pbtxt", "MODEL_CARD.md"}
    versions = [name for name in names if name.isdigit()]
    assert versions
    for version in versions:
        found = {p.name for p in (REPOSITORY / model / version).iterdir()} - {"__pycache__"}
        kernel = CONTRACTS[model].kernel
        assert found == ({KERNEL_FILE, ADAPTER_FILE} if kernel else {MODEL_FILE})


@every_model
def test_the_config_is_named_as_its_folder_and_asks_for_onnx_runtime(model: str) -> None:
    config = config_of(model)
    assert config.name in ("", model)
    assert config.backend in ("onnxruntime", "onnxruntime_onnx")


@every_model
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_the_config_agrees_with_the_file(model: str, side: str) -> None:
    config, session = config_of(model), session_of(model)
    told: dict[str, Tensor] = getattr(config, side)
    actual = session.get_inputs() if side == "inputs" else session.get_outputs()
    assert set(told) == {node.name for node in actual}
    for node in actual:
        assert told[node.name].kind == TRITON_TYPE[node.type], node.name
        # Triton adds the batch itself where max_batch_size is above zero.
        shape = node.shape[1:] if config.max_batch_size > 0 else node.shape
        assert len(told[node.name].dims) == len(shape), node.name
        for size, fixed in zip(told[node.name].dims, shape, strict=True):
            # A size that the file leaves open may be free or narrowed, never the reverse.
            assert size == fixed if isinstance(fixed, int) else size == -1 or size > 0, node.name


@every_model
def test_the_first_size_of_every_tensor_is_the_batch(model: str) -> None:
    session = session_of(model)
    for node in (*session.get_inputs(), *session.get_outputs()):
        assert node.shape[0] == "batch", node.name


@every_folder
def test_the_card_says_what_a_user_must_know(model: str) -> None:
    card = (REPOSITORY / model / "MODEL_CARD.md").read_text("utf-8")
    origin = "## Source" if CONTRACTS[model].kernel else "## Training"
    for subject in (model, "input", "output", origin, "## Limits"):
        assert subject in card, subject
    for picture in re.findall(r"\]\(([\w.]+\.png)\)", card):
        assert (REPOSITORY / model / picture).is_file(), picture


@every_folder
def test_the_card_is_that_of_the_file_beside_it(model: str) -> None:
    card = (REPOSITORY / model / "MODEL_CARD.md").read_text("utf-8")
    # A kernel's sha256 is in the configuration alone: it changes with the code.
    assert CONTRACTS[model].kernel or find_model(REPOSITORY, model).sha256 in card
    for tensor in (*CONTRACTS[model].inputs, *CONTRACTS[model].outputs):
        assert f"`{tensor.name}`" in card, tensor.name


def test_a_config_is_read_as_triton_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text(
        'name: "m"  # a comment\nbackend: "onnxruntime"\nmax_batch_size: 8\n'
        'input [\n  {\n    name: "x"\n    data_type: TYPE_FP32\n    dims: [ 512, -1 ]\n  },\n'
        '  { name: "n" data_type: TYPE_INT64 dims: [ 3 ] }\n]\n'
        'output [\n  { name: "y" data_type: TYPE_FP32 dims: [ 24 ] }\n]\n'
        "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
    )
    assert read_config(path) == Config(
        "m",
        "onnxruntime",
        8,
        {"x": Tensor("TYPE_FP32", (512, -1)), "n": Tensor("TYPE_INT64", (3,))},
        {"y": Tensor("TYPE_FP32", (24,))},
    )
