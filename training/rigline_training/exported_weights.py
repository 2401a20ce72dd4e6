"""Weights taken back out of an exported model, to go on training where no checkpoint is kept.

The exporter folds no constants, so that every parameter keeps its name and shape in the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
"""Under this name what each of them counts."""


def networks_in(model: Path) -> list[dict[str, Any]]:
    """Arguments of the networks in a file, the first one's first."""
    return list(_kept(model, NETWORKS))


def shares_in(model: Path) -> list[float]:
    """What each network of a file counts; together one."""
    return list(_kept(model, SHARES))


def _kept(model: Path, name: str) -> Any:
    found = {p.key: p.value for p in onnx.load(model).metadata_props}
    if name not in found:
        raise ValueError(f"{model} does not say its {name}; was it written by the exporter?")
    return json.loads(found[name])


def exported_weights(model: Path, network: str = FIRST) -> dict[str, Tensor]:
    """Parameters of a network by name, as ``state_dict`` has them, from an ONNX file of ours."""
    return {
        constant.name.removeprefix(network): torch.from_numpy(
            numpy_helper.to_array(constant).copy()
        )
        for constant in onnx.load(model).graph.initializer
        if constant.name.startswith(network)
    }


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
