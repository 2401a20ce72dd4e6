"""Weights taken back out of an exported model, to go on training where no checkpoint is kept.

The exporter keeps the names of parameters, but folds the transposition of a linear layer's weight
into a nameless constant. Which layer a constant belongs to is told by the node that uses it: the
path of its name is the path of the module.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

WRAPPER = "net."
"""The exported modules wrap the network under this name; see ``rigline_training.export``."""


def module_path(node_name: str) -> str:
    """The module that made a node: ``/net/a/a.0/MatMul`` comes from ``a.0``."""
    path: list[str] = []
    for name in node_name.strip("/").split("/")[:-1]:
        if path and name.startswith(path[-1] + "."):
            path[-1] = name
        else:
            path.append(name)
    return ".".join(path).removeprefix(WRAPPER)


def exported_weights(model: Path) -> dict[str, Tensor]:
    """Parameters by name, as ``state_dict`` has them, from an ONNX file of ours."""
    graph = onnx.load(model).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    found = {k.removeprefix(WRAPPER): v for k, v in constants.items() if k.startswith(WRAPPER)}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            found[f"{module_path(node.name)}.weight"] = constants[node.input[1]].T
    return {k: torch.from_numpy(np.array(v, order="C")) for k, v in found.items()}


def load_exported(net: nn.Module, model: Path) -> None:
    """Set a network's weights to those of an exported model.

    Raises ``ValueError`` when the file lacks a parameter or one has another shape.
    """
    weights, wanted = exported_weights(model), net.state_dict()
    missing = sorted(wanted.keys() - weights.keys())
    if missing:
        raise ValueError(f"{model} lacks {', '.join(missing)}; it holds another network.")
    for name, value in wanted.items():
        if value.shape != weights[name].shape:
            raise ValueError(
                f"{model}: {name} has shape {tuple(weights[name].shape)}, the network wants "
                f"{tuple(value.shape)}."
            )
    net.load_state_dict({name: weights[name] for name in wanted})
