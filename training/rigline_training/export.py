"""Export checkpoints to ONNX, checked against PyTorch, into a Triton model repository."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
)
from rigline.avatar.sampling import N_NEIGHBOURS, N_PATCHES, N_POINTS
from rigline_training.networks import BodyNetwork, LikenessHead, OrientationNetwork

OPSET = 17
MAX_DIFFERENCE = 1e-4


class Segmentation(nn.Module):
    """The body network as asked for parts: probabilities (B, Q, 15) at query points."""

    def __init__(self, net: BodyNetwork) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor, neighbours: Tensor, queries: Tensor) -> Tensor:
        logits, _, _, _ = self.net(features, neighbours, queries)
        return torch.softmax(logits, dim=-1)


class Rigging(nn.Module):
    """The body network as asked for joints, and whether there is a humanoid to have them."""

    def __init__(self, net: BodyNetwork, likeness: LikenessHead) -> None:
        super().__init__()
        self.net, self.likeness = net, likeness

    def forward(
        self, features: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tokens = self.net.tokens(features, neighbours)
        joints, log_scale, dispersion = self.net.joints(features, tokens)
        humanoid = torch.sigmoid(self.likeness(tokens, log_scale, dispersion))
        return joints, log_scale, dispersion, humanoid


class Orientation(nn.Module):
    """The orientation network with log probabilities."""

    def __init__(self, net: OrientationNetwork) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
        logits, yaw = self.net(features, neighbours)
        return torch.log_softmax(logits, dim=-1), yaw


def _example(points: int, n_patches: int, near: int, batch: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(7)
    features = torch.rand(batch, points, 6, generator=rng) - 0.5
    neighbours = torch.randint(0, points, (batch, n_patches, near), generator=rng)
    return features, neighbours


def export(
    module: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str],
    dynamic: dict[str, dict[int, str]], folder: Path,
) -> float:  # fmt: skip
    """Write ``1/model.onnx`` under a folder; returns the largest difference from PyTorch."""
    path = folder / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    module.eval()
    torch.onnx.export(
        module, example, str(path), input_names=inputs, output_names=outputs,
        dynamic_axes=dynamic, opset_version=OPSET, dynamo=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = module(*example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session.run(outputs, {k: v.numpy() for k, v in zip(inputs, example, strict=True)})
    worst = max(float(np.abs(e.numpy() - f).max()) for e, f in zip(expected, found, strict=True))
    if worst > MAX_DIFFERENCE:
        raise RuntimeError(f"{path}: ONNX differs from PyTorch by {worst:.2e}.")
    return worst


def _average(checkpoint: Path) -> dict:
    return torch.load(checkpoint, weights_only=False, map_location="cpu")


def _body(checkpoint: Path) -> BodyNetwork:
    state = _average(checkpoint)
    net = BodyNetwork(**state["config"])
    net.load_state_dict(state["average"])
    return net


def export_body(
    checkpoint: Path, likeness: Path, repository: Path, parts: Path | None = None
) -> dict[str, float]:
    """Both questions to the body network, each as a model of its own.

    ``parts`` is the checkpoint that answers for the parts, where another one knows them better.
    """
    net, parts_net = _body(checkpoint), _body(parts or checkpoint)
    head = LikenessHead()
    head.load_state_dict(_average(likeness)["head"])
    features, neighbours = _example(N_POINTS, N_PATCHES, N_NEIGHBOURS, 2)
    queries = torch.rand(2, 777, 6) - 0.5
    answers = ["joints", "log_scale", "dispersion", "humanoid"]
    batch = {k: {0: "batch"} for k in ("features", "neighbours", *answers)}
    asked = {k: {0: "batch", 1: "queries"} for k in ("queries", "probability")}
    return {
        "avatar_segmentation": export(
            Segmentation(parts_net), (features, neighbours, queries),
            ["features", "neighbours", "queries"], ["probability"],
            {k: batch[k] for k in ("features", "neighbours")} | asked,
            repository / "avatar_segmentation",
        ),
        "avatar_rigging": export(
            Rigging(net, head), (features, neighbours), ["features", "neighbours"],
            answers, batch, repository / "avatar_rigging",
        ),
    }  # fmt: skip


def export_orientation(checkpoint: Path, repository: Path) -> dict[str, float]:
    state = _average(checkpoint)
    net = OrientationNetwork(**state["config"])
    net.load_state_dict(state["average"])
    example = _example(N_ORIENTATION_POINTS, N_ORIENTATION_PATCHES, N_ORIENTATION_NEIGHBOURS, 2)
    names = ["features", "neighbours"], ["log_probability", "yaw"]
    dynamic = {k: {0: "batch"} for k in (*names[0], *names[1])}
    folder = repository / "avatar_orientation"
    return {"avatar_orientation": export(Orientation(net), example, *names, dynamic, folder)}


def main() -> None:
    p = argparse.ArgumentParser(description="Export checkpoints into a model repository.")
    p.add_argument("--body", type=Path, help="checkpoint of train_body")
    p.add_argument("--parts", type=Path, help="checkpoint for the parts alone; default: --body")
    p.add_argument("--likeness", type=Path, help="checkpoint of train_likeness on that body")
    p.add_argument("--orientation", type=Path, help="checkpoint of train_orientation")
    p.add_argument("--repository", type=Path, required=True, help="the folder models_repo/")
    args = p.parse_args()
    worst = {}
    if args.body:
        if not args.likeness:
            p.error("--body needs --likeness")
        worst |= export_body(args.body, args.likeness, args.repository, args.parts)
    if args.orientation:
        worst |= export_orientation(args.orientation, args.repository)
    print(json.dumps({"largest_difference_from_pytorch": worst}))


if __name__ == "__main__":
    main()
