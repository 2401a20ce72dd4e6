"""Weights taken back out of an exported model, to go on training where no checkpoint is kept.

The exporter keeps the names of parameters, but folds the transposition of a linear layer's weight
into a nameless constant. Which layer a constant belongs to is told by the node that uses it: the
path of its name is the path of the module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

FIRST = "net."
"""The exported modules hold the network under this name, and more of them under ``members.0.`` and
so on; see ``rigline_training.export``."""

NETWORKS = "networks"
"""Under this name the file keeps the arguments of its networks, as JSON."""

SHARES = "shares"
"""Under this name, where there are several networks, what each counts."""


def networks_in(model: Path) -> list[dict[str, Any]]:
    """Arguments of the networks in a file, the first one's first; files from before they were
    kept hold one network of the default size."""
    return list(_kept(model, NETWORKS, [{}]))


def shares_in(model: Path) -> list[float]:
    """What each network of a file counts; together one."""
    return list(_kept(model, SHARES, [1.0]))


def _kept(model: Path, name: str, default: Any) -> Any:
    found = {p.key: p.value for p in onnx.load(model).metadata_props}
    return json.loads(found[name]) if name in found else default


def module_path(node_name: str) -> str:
    """The module that made a node: ``/net/a/a.0/MatMul`` comes from ``net.a.0``."""
    path: list[str] = []
    for name in node_name.strip("/").split("/")[:-1]:
        if path and name.startswith(path[-1] + "."):
            path[-1] = name
        else:
            path.append(name)
    return ".".join(path)


def exported_weights(model: Path, network: str = FIRST) -> dict[str, Tensor]:
    """Parameters of a network by name, as ``state_dict`` has them, from an ONNX file of ours."""
    graph = onnx.load(model).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    found = {k.removeprefix(network): v for k, v in constants.items() if k.startswith(network)}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            path = module_path(node.name)
            if path.startswith(network) or (network == FIRST and not path.startswith("members.")):
                found[f"{path.removeprefix(network)}.weight"] = constants[node.input[1]].T
    return {k: torch.from_numpy(np.array(v, order="C")) for k, v in found.items()}


def load_exported(net: nn.Module, model: Path, network: str = FIRST) -> None:
    """Set a network's parameters to those of an exported model.

    Raises ``ValueError`` when the file lacks a parameter or one has another shape.
    """
    weights, wanted = exported_weights(model, network), dict(net.named_parameters())
    missing = sorted(wanted.keys() - weights.keys())
    if missing:
        raise ValueError(f"{model} lacks {', '.join(missing)}; it holds another network.")
    for name, value in wanted.items():
        if value.shape != weights[name].shape:
            raise ValueError(
                f"{model}: {name} has shape {tuple(weights[name].shape)}, the network wants "
                f"{tuple(value.shape)}."
            )
    net.load_state_dict({name: weights[name] for name in wanted}, strict=False)
