"""Train the orientation network: which of 24 axis-aligned turns, and the yaw beyond it."""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
    TURNS,
)
from rigline_training.networks import OrientationNetwork
from rigline_training.train_body import Shards, _save

BATCH = 48
MAX_YAW_RAD = math.radians(38)
TURN = torch.tensor(TURNS).float()


def farthest_order(points: Tensor, count: int) -> Tensor:
    """(B, count) indices of farthest points of (B, N, 3), a batch at a time."""
    b = torch.arange(len(points))
    chosen = [torch.randint(0, points.shape[1], (len(points),))]
    nearest = torch.full(points.shape[:2], torch.inf)
    for _ in range(count - 1):
        gap = (points - points[b, chosen[-1]][:, None]).pow(2).sum(-1)
        nearest = torch.minimum(nearest, gap)
        chosen.append(nearest.argmax(dim=1))
    return torch.stack(chosen, dim=1)


def model_view(points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, N, 6), patch centres first, and neighbours, as the product computes them."""
    low = torch.quantile(points, 0.01, dim=1, keepdim=True)
    high = torch.quantile(points, 0.99, dim=1, keepdim=True)
    points = (points - (low + high) / 2) / (high - low).amax(-1, keepdim=True)
    centres = farthest_order(points, N_ORIENTATION_PATCHES)
    first = torch.zeros(points.shape[:2]).scatter_(1, centres, 1.0)
    rest = torch.argsort(first, dim=1, stable=True)[:, : points.shape[1] - centres.shape[1]]
    order = torch.cat([centres, rest], dim=1)[..., None].expand(-1, -1, 3)
    points, normals = points.gather(1, order), normals.gather(1, order)
    apart = torch.cdist(points[:, :N_ORIENTATION_PATCHES], points)
    near = apart.topk(N_ORIENTATION_NEIGHBOURS, largest=False).indices
    return torch.cat([points, normals], dim=-1), near


def turned(points: Tensor, normals: Tensor, turn: Tensor, yaw: Tensor) -> tuple[Tensor, Tensor]:
    """The clouds after a yaw and then an axis-aligned turn."""
    spin = torch.zeros(len(yaw), 3, 3)
    spin[:, 0, 0], spin[:, 0, 2], spin[:, 1, 1] = yaw.cos(), yaw.sin(), 1
    spin[:, 2, 0], spin[:, 2, 2] = -yaw.sin(), yaw.cos()
    matrix = (TURN[turn] @ spin).transpose(1, 2)
    return points @ matrix, normals @ matrix


def batch_of(data: dict[str, Tensor], index: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, neighbours, class (B,) and yaw (B,) of a random batch."""
    kept = torch.randperm(data["points"].shape[1])[:N_ORIENTATION_POINTS]
    x, n = data["points"][index][:, kept].float(), data["normals"][index][:, kept].float()
    b = len(index)
    side = torch.ones(b, 1, 3)
    side[:, 0, 0] = torch.where(torch.rand(b) < 0.5, -1.0, 1.0)
    stretch = torch.exp(torch.randn(b, 1, 3) * 0.08)
    x, n = x * side * stretch, F.normalize(n * side / stretch, dim=-1)
    turn = torch.randint(0, 24, (b,))
    yaw = (torch.rand(b) * 2 - 1) * MAX_YAW_RAD * (torch.rand(b) < 0.5)
    x, n = turned(x, n, turn, yaw)
    x = x + torch.randn_like(x) * 0.003 * torch.rand(b, 1, 1)
    n = n * (torch.rand(b, 1, 1) > 0.12)
    inverted = torch.rand(b, 1, 1) < 0.1
    n = torch.where(inverted, n * torch.sign(torch.rand(b, n.shape[1], 1) - 0.3), n)
    return *model_view(x, n), turn, yaw


@torch.no_grad()
def held_out_accuracy(net: OrientationNetwork, data: dict[str, Tensor]) -> float:
    """Single-view accuracy over eight of the turns on samples that are not trained on."""
    net.eval()
    right = []
    x, n = data["points"][:256, -N_ORIENTATION_POINTS:].float(), data["normals"].float()
    n = n[:256, -N_ORIENTATION_POINTS:]
    for k in range(0, 24, 3):
        turn = torch.full((len(x),), k)
        logits, _ = net(*model_view(*turned(x, n, turn, torch.zeros(len(x)))))
        right.append((logits.argmax(-1) == turn).float().mean())
    net.train()
    return torch.stack(right).mean().item()


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    shards, held_out = Shards(args.data), Shards(args.data / "held_out")
    net = OrientationNetwork()
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.01)
    spent, step, history = 0.0, 0, []
    if args.out.exists():
        state = torch.load(args.out, weights_only=False)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step, history = state["spent"], state["step"], state["history"]
    began, saved = time.monotonic() - spent, spent
    while (spent := time.monotonic() - began) < args.seconds:
        rate = min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * spent / args.seconds))
        for group in optimiser.param_groups:
            group["lr"] = args.lr * rate + 1e-6
        features, near, turn, yaw = batch_of(shards.data, torch.randint(0, len(shards), (BATCH,)))
        with torch.autocast("cpu", torch.bfloat16):
            logits, direction = net(features, near)
        wanted = torch.stack([yaw.cos(), yaw.sin()], dim=-1)
        loss = F.cross_entropy(logits.float(), turn, label_smoothing=0.02)
        loss = loss + 2 * (direction.float() - wanted).pow(2).sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        keep = min(0.997, 1 - 1 / (step + 1))
        with torch.no_grad():
            for a, p in zip(average.parameters(), net.parameters(), strict=True):
                a.lerp_(p, 1 - keep)
        if spent - saved > args.every:
            saved = spent
            shards.refresh()
            accuracy = held_out_accuracy(average, held_out.data)
            history.append({"seconds": spent, "step": step, "turn_accuracy": accuracy})
            print(json.dumps(history[-1]), flush=True)
            _save(args.out, net, average, optimiser, spent, step, history)
    accuracy = held_out_accuracy(average, held_out.data)
    history.append({"seconds": spent, "step": step, "turn_accuracy": accuracy})
    print(json.dumps(history[-1]), flush=True)
    _save(args.out, net, average, optimiser, spent, step, history)


def main() -> None:
    p = argparse.ArgumentParser(description="Train the orientation network.")
    p.add_argument("--data", type=Path, required=True, help="folder with shards and held_out/")
    p.add_argument("--out", type=Path, required=True, help="checkpoint; resumed if it exists")
    p.add_argument("--seconds", type=float, default=900, help="total training time")
    p.add_argument("--every", type=float, default=90, help="seconds between checkpoints")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    args = p.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    train(args)


if __name__ == "__main__":
    main()
