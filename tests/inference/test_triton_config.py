"""Both configurations of each model come from one source and say the same about its tensors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from typer.testing import CliRunner

from rigline.avatar import cage_kernel
from rigline.cli import app
from rigline.errors import InvalidInput
from rigline.inference.contracts import CONTRACTS
from rigline.inference.repository import find_model, shipped_repository
from rigline.inference.triton_config import (
    WARM_UP_ROWS,
    Batching,
    Deployment,
    Server,
    config_path,
    config_text,
    configure,
    missing_for_wheel,
    outdated,
)

every_model = pytest.mark.parametrize("model", CONTRACTS)
every_server = pytest.mark.parametrize("server", Server)


def parsed(path: Path) -> model_config_pb2.ModelConfig:
    """The file as Triton itself reads it: an unknown field or a wrong type is an error."""
    return text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())


def shipped(model: str, server: Server) -> model_config_pb2.ModelConfig:
    return parsed(config_path(shipped_repository(), model, server))


def tensors(config: model_config_pb2.ModelConfig) -> dict[str, list[tuple[str, int, list[int]]]]:
    return {
        side: [(t.name, t.data_type, list(t.dims)) for t in getattr(config, side)]
        for side in ("input", "output")
    }


def test_the_shipped_configurations_are_what_the_command_writes() -> None:
    assert outdated(shipped_repository()) == []


@every_model
def test_both_servers_are_told_the_same_tensors_and_weights(model: str) -> None:
    nvidia, wheel = (shipped(model, server) for server in (Server.NVIDIA, Server.WHEEL))
    assert tensors(nvidia) == tensors(wheel)
    for field in ("name", "max_batch_size", "version_policy", "parameters", "model_warmup"):
        assert getattr(nvidia, field) == getattr(wheel, field), field
    assert nvidia.dynamic_batching == wheel.dynamic_batching


@every_model
def test_each_server_gets_its_own_backend_and_kind_of_instance(model: str) -> None:
    nvidia, wheel = (shipped(model, server) for server in (Server.NVIDIA, Server.WHEEL))
    kinds = model_config_pb2.ModelInstanceGroup
    if CONTRACTS[model].kernel:
        for config in (nvidia, wheel):
            assert (config.backend, config.instance_group[0].kind) == ("python", kinds.KIND_CPU)
        return
    assert (nvidia.backend, nvidia.instance_group[0].kind) == ("onnxruntime", kinds.KIND_GPU)
    assert (wheel.backend, wheel.instance_group[0].kind) == ("rigline_onnx", kinds.KIND_CPU)


@every_server
@every_model
def test_the_configuration_says_what_the_code_expects(model: str, server: Server) -> None:
    config, contract = shipped(model, server), CONTRACTS[model]
    data_types = model_config_pb2.DataType
    for side, wanted in (("input", contract.inputs), ("output", contract.outputs)):
        assert tensors(config)[side] == [
            (t.name, data_types.Value(f"TYPE_{t.datatype}"), list(t.dims)) for t in wanted
        ]
    assert config.name == model
    assert config.HasField("dynamic_batching") == contract.gathers
    assert config.version_policy.latest.num_versions == 2
    sha256 = config.parameters["sha256:1"].string_value
    assert sha256 == find_model(shipped_repository(), model).sha256


@every_model
def test_the_warm_up_request_fits_the_model(model: str) -> None:
    (sample,) = shipped(model, Server.NVIDIA).model_warmup
    for tensor in CONTRACTS[model].inputs:
        warm = sample.inputs[tensor.name]
        assert warm.zero_data
        assert list(warm.dims) == [WARM_UP_ROWS if d < 0 else d for d in tensor.dims]


@every_server
def test_what_an_operator_chooses_is_in_the_configuration(server: Server, tmp_path: Path) -> None:
    contract, path = CONTRACTS["avatar_rigging"], tmp_path / "config.pbtxt"
    text = config_text(contract, (), server, Deployment(Batching(max_delay_us=700), 3))
    path.write_text(text)
    config = parsed(path)
    assert config.instance_group[0].count == 3
    assert config.dynamic_batching.max_queue_delay_microseconds == 700
    path.write_text(config_text(contract, (), server, Deployment(Batching(enabled=False))))
    assert not parsed(path).HasField("dynamic_batching")


def test_every_version_is_named_with_its_weights(repository: Path) -> None:
    folder = repository / "avatar_rigging"
    shutil.copytree(folder / "1", folder / "7")
    (folder / "7" / "model.onnx").write_bytes(b"other weights")
    changed = configure(repository)
    assert changed == [config_path(repository, "avatar_rigging", server) for server in Server]
    parameters = parsed(changed[0]).parameters
    assert parameters["sha256:7"].string_value == find_model(repository, "avatar_rigging").sha256
    assert parameters["sha256:1"].string_value != parameters["sha256:7"].string_value


def test_the_kernel_of_the_repository_is_the_one_that_the_stages_run() -> None:
    file = find_model(shipped_repository(), "avatar_caging")
    assert file.path.read_bytes() == Path(cage_kernel.__file__).read_bytes()


@pytest.mark.parametrize("name", ["kernel.py", "model.py"])
def test_a_kernel_changed_by_hand_is_found_and_replaced(repository: Path, name: str) -> None:
    path = repository / "avatar_caging" / "1" / name
    before = path.read_bytes()
    path.write_bytes(before + b"# by hand\n")
    assert path in outdated(repository)
    assert path in configure(repository)
    assert path.read_bytes() == before
    assert outdated(repository) == []


def test_what_is_missing_for_the_wheel_is_named(repository: Path) -> None:
    assert missing_for_wheel(repository) == []
    path = config_path(repository, "avatar_orientation", Server.WHEEL)
    path.unlink()
    assert missing_for_wheel(repository) == [path]


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds none of the models"):
        configure(tmp_path)


def test_the_command_checks_and_writes(repository: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["models", "configure", str(repository), *arguments])
        return result.exit_code, result.output

    path = config_path(repository, "avatar_orientation", Server.WHEEL)
    before = path.read_text()
    path.write_text(before + "# by hand\n")
    assert run("--check") == (1, f"{path}: outdated\n")
    assert run() == (0, f"{path}: written\n")
    assert path.read_text() == before
    assert run("--check") == (0, f"{repository}: up to date\n")


def test_the_command_says_when_there_is_no_repository(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "configure", str(tmp_path)])
    assert result.exit_code == 2
    assert "holds none of the models" in result.output
