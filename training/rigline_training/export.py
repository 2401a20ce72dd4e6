"""Export checkpoints to ONNX, checked against PyTorch, into a Triton model repository."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
)
from rigline.avatar.sampling import N_NEIGHBOURS, N_PATCHES, N_POINTS
from rigline_training.exported_weights import (
    NETWORKS,
    SHARES,
    load_exported,
    networks_in,
    shares_in,
)
from rigline_training.networks import BodyNetwork, LikenessHead, OrientationNetwork

OPSET = 17
MAX_DIFFERENCE = 1e-4

PARTS_ONLY = (
    "from_patches", "from_query", "from_joints", "from_bones", "classify", "bones", "bone_ends",
)  # fmt: skip
"""What of the body network the joints do not need."""


class JointFinder(BodyNetwork):
    """The body network without what only the parts need.

    ``forward(features, neighbours)`` returns the tokens (B, P, width), joints (B, 15, 3), their
    log scale (B, 15) and the dispersion of the votes (B, 15).
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        for name in PARTS_ONLY:
            delattr(self, name)

    def forward(
        self, features: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tokens = self.tokens(features, neighbours)
        return tokens, *self.joints(features, tokens)


class Segmentation(nn.Module):
    """The body network as asked for parts: probabilities (B, Q, 15) at query points."""

    def __init__(self, net: BodyNetwork) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor, neighbours: Tensor, queries: Tensor) -> Tensor:
        logits, _, _, _ = self.net(features, neighbours, queries)
        return torch.softmax(logits, dim=-1)


class Rigging(nn.Module):
    """Body networks as asked for joints, and whether there is a humanoid to have them.

    ``members`` are smaller networks that are asked beside the first one: networks that were trained
    apart err differently (Lakshminarayanan et al. 2017, "Deep ensembles"). A network's joint weighs
    as it is sure of it: its share, ``share`` for each member and the rest for the first, over the
    variance that it expects. Log scales are means with the same weights, and what networks disagree
    on adds to the dispersion, as in a mixture. ``likeness`` judges what the first network sees.
    """

    def __init__(
        self, net: JointFinder, likeness: LikenessHead, members: Sequence[JointFinder] = (),
        share: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.net, self.likeness = net, likeness
        self.members = nn.ModuleList(members)
        shares = torch.tensor([1 - share * len(members)] + [share] * len(members))
        self.register_buffer("shares", shares, persistent=False)

    def forward(
        self, features: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tokens, joints, log_scale, dispersion = self.net(features, neighbours)
        humanoid = torch.sigmoid(self.likeness(tokens, log_scale, dispersion))
        if not self.members:
            return joints, log_scale, dispersion, humanoid
        found = [(joints, log_scale, dispersion)]
        found += [member(features, neighbours)[1:] for member in self.members]
        places, scales, spreads = (torch.stack(each, dim=-1) for each in zip(*found, strict=True))
        weight = torch.softmax(self.shares.log() - 2 * scales, dim=-1)  # (B, 15, networks)
        mean = (places * weight[:, :, None]).sum(-1)
        apart = ((places - mean[..., None]) ** 2).sum(dim=-2)
        spread = ((spreads**2 + apart) * weight).sum(-1).sqrt()
        return mean, (scales * weight).sum(-1), spread, humanoid


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
        do_constant_folding=False,  # weights keep their names; ONNX Runtime folds when it loads
    )  # fmt: skip
    _note_networks(module, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = module(*example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session.run(outputs, {k: v.numpy() for k, v in zip(inputs, example, strict=True)})
    worst = max(float(np.abs(e.numpy() - f).max()) for e, f in zip(expected, found, strict=True))
    if worst > MAX_DIFFERENCE:
        raise RuntimeError(f"{path}: ONNX differs from PyTorch by {worst:.2e}.")
    return worst


def _note_networks(module: nn.Module, path: Path) -> None:
    """Leave the networks' arguments and what each counts in the file, the large one first."""
    networks, shares = [module.net], [1.0]
    if isinstance(module, Rigging):
        networks, shares = [module.net, *module.members], module.shares.tolist()
    model = onnx.load(path)
    kept = {
        NETWORKS: [n.config for n in networks],
        SHARES: [round(share, 6) for share in shares],
    }
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in kept.items()})
    onnx.save(model, path)


def _checkpoint(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=False, map_location="cpu")
    return state


Network = TypeVar("Network", BodyNetwork, JointFinder, OrientationNetwork)


def network_from(source: Path, kind: type[Network]) -> Network:
    """A network with the weights of a checkpoint, or of the first network of an ONNX file."""
    if source.suffix == ".onnx":
        net = kind(**networks_in(source)[0])
        load_exported(net, source)
        return net
    state = _checkpoint(source)
    net = kind(**state["config"])
    wanted = net.state_dict()
    net.load_state_dict({k: v for k, v in state["average"].items() if k in wanted})
    return net


def members_of(
    body: Path, members: Sequence[Path], share: float
) -> tuple[list[JointFinder], float]:
    """The members that are named, and what each counts; or else those of an exported ``body``."""
    if members or body.suffix != ".onnx":
        return [network_from(member, JointFinder) for member in members], share
    found = [JointFinder(**config) for config in networks_in(body)[1:]]
    for k, net in enumerate(found):
        load_exported(net, body, f"members.{k}.")
    return found, shares_in(body)[-1]


def likeness_from(source: Path, width: int) -> LikenessHead:
    """The likeness head of a checkpoint, or of an exported rigging model."""
    head = LikenessHead(width)
    if source.suffix == ".onnx":
        load_exported(head, source, "likeness.")
    else:
        head.load_state_dict(_checkpoint(source)["head"])
    return head


def export_body(
    body: Path, likeness: Path, repository: Path, parts: Path | None = None,
    members: Sequence[Path] = (), share: float = 0.0,
) -> dict[str, float]:  # fmt: skip
    """Both questions to the body network, each as a model of its own.

    ``parts`` is what answers for the parts, where another network knows them better. ``members``
    are smaller networks that are asked for the joints too, ``share`` is what each of them counts.
    """
    others, share = members_of(body, members, share)
    finder, namer = network_from(body, JointFinder), network_from(parts or body, BodyNetwork)
    features, neighbours = _example(N_POINTS, N_PATCHES, N_NEIGHBOURS, 2)
    queries = torch.rand(2, 777, 6) - 0.5
    answers = ["joints", "log_scale", "dispersion", "humanoid"]
    batch = {k: {0: "batch"} for k in ("features", "neighbours", *answers)}
    asked = {k: {0: "batch", 1: "queries"} for k in ("queries", "probability")}
    segmentation = Segmentation(namer)
    rigging = Rigging(
        finder, likeness_from(likeness, finder.config["width"]),
        others, share,
    )  # fmt: skip
    return {
        "avatar_segmentation": export(
            segmentation, (features, neighbours, queries),
            ["features", "neighbours", "queries"], ["probability"],
            {k: batch[k] for k in ("features", "neighbours")} | asked,
            repository / "avatar_segmentation",
        ),
        "avatar_rigging": export(
            rigging, (features, neighbours), ["features", "neighbours"],
            answers, batch, repository / "avatar_rigging",
        ),
    }  # fmt: skip


def export_orientation(source: Path, repository: Path) -> dict[str, float]:
    net = network_from(source, OrientationNetwork)
    example = _example(N_ORIENTATION_POINTS, N_ORIENTATION_PATCHES, N_ORIENTATION_NEIGHBOURS, 2)
    names = ["features", "neighbours"], ["log_probability", "yaw"]
    dynamic = {k: {0: "batch"} for k in (*names[0], *names[1])}
    folder = repository / "avatar_orientation"
    return {"avatar_orientation": export(Orientation(net), example, *names, dynamic, folder)}


def main() -> None:
    p = argparse.ArgumentParser(description="Export checkpoints into a model repository.")
    p.add_argument("--body", type=Path, help="checkpoint of train_body, or an exported model")
    p.add_argument("--parts", type=Path, help="the same for the parts alone; default: --body")
    p.add_argument(
        "--likeness",
        type=Path,
        help="checkpoint of train_likeness on that body; default: the head in --body, if exported",
    )
    p.add_argument(
        "--members",
        type=Path,
        nargs="*",
        default=[],
        help="checkpoints of smaller body networks, asked for the joints beside the large one; "
        "default: those in --body, if exported",
    )
    p.add_argument("--share", type=float, default=0.3, help="what each member counts")
    p.add_argument("--orientation", type=Path, help="checkpoint of train_orientation, or exported")
    p.add_argument("--repository", type=Path, required=True, help="the folder models_repo/")
    args = p.parse_args()
    worst = {}
    if args.body:
        likeness = args.likeness or args.body
        if not args.likeness and args.body.suffix != ".onnx":
            p.error("--body needs --likeness")
        if args.share * len(args.members) >= 1:
            p.error("--share leaves nothing for the large network")
        worst |= export_body(
            args.body, likeness, args.repository, args.parts, args.members, args.share
        )
    if args.orientation:
        worst |= export_orientation(args.orientation, args.repository)
    print(json.dumps({"largest_difference_from_pytorch": worst}))


if __name__ == "__main__":
    main()
