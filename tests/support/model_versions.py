"""Model repositories that a test changes: fewer models, other weights, other shapes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rigline.inference.contracts import CONTRACTS, ModelContract
from rigline.inference.repository import MODEL_FILE, find_versions, shipped_repository
from rigline.inference.triton_config import Server, config_path, config_text, configure


def repository_of(folder: Path, *models: str) -> Path:
    """A repository with copies of some of the shipped models alone."""
    for model in models:
        shutil.copytree(shipped_repository() / model, folder / model)
    return folder


def add_version(repository: Path, model: str, version: int) -> Path:
    """A version with other weights than the first, so that its answers differ; its file."""
    network = onnx.load(str(repository / model / "1" / MODEL_FILE))
    for weights in network.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim == 2:
            weights.CopyFrom(numpy_helper.from_array(values * np.float32(1.05), weights.name))
    path = repository / model / str(version) / MODEL_FILE
    path.parent.mkdir()
    onnx.save(network, str(path))
    configure(repository)
    return path


def with_wider_joints(repository: Path) -> Path:
    """The repository with a rigging model whose joints have four numbers, properly configured."""
    contract = CONTRACTS["avatar_rigging"]
    wide = tuple(replace(t, dims=(15, 4)) if t.name == "joints" else t for t in contract.outputs)
    changed = replace(contract, outputs=wide)
    shutil.rmtree(repository / contract.name, ignore_errors=True)
    path = repository / contract.name / "1" / MODEL_FILE
    path.parent.mkdir(parents=True)
    onnx.save(_network_of_zeros(changed), str(path))
    for server in Server:
        config = config_path(repository, contract.name, server)
        config.parent.mkdir(exist_ok=True)
        config.write_text(config_text(changed, find_versions(repository, contract.name), server))
    return repository


def _network_of_zeros(contract: ModelContract) -> onnx.ModelProto:
    """A network with the tensors of a contract that answers zeros."""
    kinds = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}
    nodes, constants = [], []
    first = contract.inputs[0].name
    constants.append(numpy_helper.from_array(np.array([1]), "one"))
    nodes.append(helper.make_node("Shape", [first], ["sizes"]))
    nodes.append(helper.make_node("Slice", ["sizes", "start", "one"], ["batch"]))
    constants.append(numpy_helper.from_array(np.array([0]), "start"))
    for output in contract.outputs:
        dims = f"{output.name}_dims"
        constants.append(numpy_helper.from_array(np.array(output.dims), dims))
        nodes.append(helper.make_node("Concat", ["batch", dims], [f"{dims}_all"], axis=0))
        nodes.append(helper.make_node("ConstantOfShape", [f"{dims}_all"], [output.name]))
    graph = helper.make_graph(
        nodes,
        contract.name,
        *(
            [
                helper.make_tensor_value_info(t.name, kinds[t.datatype], ["batch", *t.dims])
                for t in tensors
            ]
            for tensors in (contract.inputs, contract.outputs)
        ),
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
