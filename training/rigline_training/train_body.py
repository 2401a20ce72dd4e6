"""Train the body network: joints and parts together.

Runs for a fixed time, reads new shards as they appear, saves a checkpoint every few minutes and
resumes from it. The checkpoint that is kept is an exponential moving average of the weights.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rigline.avatar.body import MIRROR, N_PARTS
from rigline.avatar.sampling import N_NEIGHBOURS
from rigline_training.dataset import FIELDS
from rigline_training.networks import BodyNetwork

BATCH = 16
QUERIES = 768
BOUNDARY_WEIGHT = 1.5
JOINT_WEIGHT = 8.0
SWAP = torch.tensor(MIRROR)


@dataclass
class Shards:
    """All samples of a folder as tensors; ``refresh`` takes in shards that have appeared since."""

    folder: Path

    def __post_init__(self) -> None:
        self.files: list[Path] = []
        self.data: dict[str, Tensor] = {}
        self.refresh()

    def refresh(self) -> None:
        found = sorted(p for p in self.folder.glob("shard-*.npz") if "partial" not in p.name)
        new = [p for p in found if p not in self.files]
        if not new:
            return
        parts = [dict(np.load(p)) for p in new]
        fresh = {k: torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in FIELDS}
        if self.data:
            fresh = {k: torch.cat([self.data[k], v]) for k, v in fresh.items()}
        self.data = fresh
        self.files += new

    def __len__(self) -> int:
        return len(self.data.get("labels", ()))


def augmented(data: dict[str, Tensor], index: Tensor) -> tuple[Tensor, ...]:
    """A batch, each sample mirrored, turned, stretched and shifted at random.

    Returns features (B, N, 6), neighbours (B, P, K), labels (B, N), joints (B, 15, 3) and whether a
    point lies near a part boundary (B, N).
    """
    x, n = data["points"][index].float(), data["normals"][index].float()
    labels, joints = data["labels"][index].long(), data["joints"][index].clone()
    b = len(index)
    mirrored = torch.rand(b) < 0.5
    side = torch.ones(b, 1, 3)
    side[:, 0, 0] = torch.where(mirrored, -1.0, 1.0)
    x, n = x * side, n * side
    joints = torch.where(mirrored[:, None, None], joints[:, SWAP] * side, joints)
    labels = torch.where(mirrored[:, None], SWAP[labels], labels)
    yaw = torch.randn(b) * 0.14
    turn = torch.zeros(b, 3, 3)
    turn[:, 0, 0], turn[:, 0, 2], turn[:, 1, 1] = yaw.cos(), yaw.sin(), 1
    turn[:, 2, 0], turn[:, 2, 2] = -yaw.sin(), yaw.cos()
    x, n, joints = (v @ turn.transpose(1, 2) for v in (x, n, joints))
    stretch = torch.exp(torch.randn(b, 1, 3) * 0.06 + torch.randn(b, 1, 1) * 0.06)
    shift = torch.randn(b, 1, 3) * 0.02
    x, joints = x * stretch + shift, joints * stretch + shift
    n = F.normalize(n / stretch, dim=-1)
    x = x + torch.randn_like(x) * 0.002 * torch.rand(b, 1, 1)
    n = n * (torch.rand(b, 1, 1) > 0.07)
    inverted = torch.rand(b, 1, 1) < 0.08
    n = torch.where(inverted, n * torch.sign(torch.rand(b, n.shape[1], 1) - 0.3), n)
    kept = torch.randperm(data["neighbours"].shape[2])[:N_NEIGHBOURS]
    neighbours = data["neighbours"][index][:, :, kept].long()
    return torch.cat([x, n], dim=-1), neighbours, labels, joints, data["boundary"][index]


def loss_of(net: BodyNetwork, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Training loss, and the mean joint error in shares of height."""
    features, neighbours, labels, joints, boundary = batch
    asked = torch.randint(0, features.shape[1], (QUERIES,))
    with torch.autocast(features.device.type, torch.bfloat16):
        logits, found, log_scale, _ = net(features, neighbours, features[:, asked])
    error = (found.float() - joints).norm(dim=-1)
    weight = 1 + BOUNDARY_WEIGHT * boundary[:, asked].float()
    part = F.cross_entropy(
        logits.float().reshape(-1, N_PARTS), labels[:, asked].reshape(-1),
        label_smoothing=0.02, reduction="none",
    )  # fmt: skip
    part = (part * (weight / weight.mean()).reshape(-1)).mean()
    scale = (error.detach() * torch.exp(-log_scale.float()) + log_scale.float()).mean()
    return part + JOINT_WEIGHT * error.mean() + 0.1 * scale, error.mean()


@torch.no_grad()
def held_out_scores(net: BodyNetwork, data: dict[str, Tensor]) -> dict[str, float]:
    """Accuracy and joint errors (in % of height) on samples that are not trained on."""
    net.eval()
    accuracy, error = [], []
    for start in range(0, len(data["labels"]), 32):
        rows = slice(start, start + 32)
        features = torch.cat([data["points"][rows], data["normals"][rows]], dim=-1).float()
        near = data["neighbours"][rows, :, :N_NEIGHBOURS].long()
        logits, joints, _, _ = net(features, near, features)
        accuracy.append((logits.argmax(-1) == data["labels"][rows]).float().mean(1))
        error.append((joints - data["joints"][rows]).norm(dim=-1))
    net.train()
    acc, err, blocky = torch.cat(accuracy), torch.cat(error) * 100, data["blocky"]
    return {
        "part_accuracy": acc.mean().item(),
        "part_accuracy_blocky": acc[blocky].mean().item(),
        "joint_error": err.mean().item(),
        "joint_error_blocky": err[blocky].mean().item(),
        "pck5": (err < 5).float().mean().item(),
    }


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    shards, held_out = Shards(args.data), Shards(args.data / "held_out")
    net = BodyNetwork(**json.loads(args.network))
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.02)
    spent, step, history = 0.0, 0, []
    if args.out.exists():
        state = torch.load(args.out, weights_only=False)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step, history = state["spent"], state["step"], state["history"]
    began, order, saved = time.monotonic() - spent, torch.empty(0, dtype=torch.long), spent
    while (spent := time.monotonic() - began) < args.seconds:
        progress = spent / args.seconds
        rate = args.lr * min(1, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * progress)) + 2e-6
        for group in optimiser.param_groups:
            group["lr"] = rate
        if len(order) < BATCH:
            shards.refresh()
            order = torch.randperm(len(shards))
        index, order = order[:BATCH], order[BATCH:]
        loss, _ = loss_of(net, augmented(shards.data, index))
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        if torch.isfinite(norm):
            optimiser.step()
        step += 1
        keep = min(0.998, 1 - 1 / (step + 1))
        with torch.no_grad():
            for a, p in zip(average.parameters(), net.parameters(), strict=True):
                a.lerp_(p, 1 - keep)
        if spent - saved > args.every:
            saved = spent
            scores = held_out_scores(average, held_out.data)
            history.append({"seconds": spent, "step": step, "samples": len(shards), **scores})
            print(json.dumps(history[-1]), flush=True)
            _save(args.out, net, average, optimiser, spent, step, history)
    history.append(
        {"seconds": spent, "step": step, "samples": len(shards),
         **held_out_scores(average, held_out.data)}
    )  # fmt: skip
    print(json.dumps(history[-1]), flush=True)
    _save(args.out, net, average, optimiser, spent, step, history)


def _save(path, net, average, optimiser, spent, step, history) -> None:  # type: ignore[no-untyped-def]
    partial = path.with_suffix(".partial")
    torch.save(
        {
            "config": net.config, "net": net.state_dict(), "average": average.state_dict(),
            "optimiser": optimiser.state_dict(), "spent": spent, "step": step, "history": history,
        },
        partial,
    )  # fmt: skip
    partial.rename(path)


def main() -> None:
    p = argparse.ArgumentParser(description="Train the body network (joints and parts).")
    p.add_argument("--data", type=Path, required=True, help="folder with shards and held_out/")
    p.add_argument("--out", type=Path, required=True, help="checkpoint; resumed if it exists")
    p.add_argument("--seconds", type=float, default=3000, help="total training time")
    p.add_argument("--every", type=float, default=150, help="seconds between checkpoints")
    p.add_argument("--lr", type=float, default=1.2e-3)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--network", default="{}", help="JSON of BodyNetwork's arguments")
    args = p.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    train(args)


if __name__ == "__main__":
    main()
