"""Train the orientation network: which of 24 axis-aligned turns, and the yaw beyond it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigline.avatar.canonical import (
    N_ORIENTATION_NEIGHBOURS,
    N_ORIENTATION_PATCHES,
    N_ORIENTATION_POINTS,
    TURNS,
)
from rigline_training.networks import OrientationNetwork
from rigline_training.shards import Judges, judges_of
from rigline_training.training_run import Lesson, Scores, run_options, train

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


def loss_of(net: nn.Module, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Training loss of a batch: the turn, and the yaw beyond it."""
    features, near, turn, yaw = batch
    with torch.autocast(features.device.type, torch.bfloat16):
        logits, direction = net(features, near)
    wanted = torch.stack([yaw.cos(), yaw.sin()], dim=-1)
    loss = F.cross_entropy(logits.float(), turn, label_smoothing=0.02)
    return loss + 2 * (direction.float() - wanted).pow(2).sum(-1).mean()


@torch.no_grad()
def turn_accuracy(net: nn.Module, data: dict[str, Tensor]) -> float:
    """Single-view accuracy over eight of the turns on samples that are not trained on."""
    device = next(net.parameters()).device
    right = []
    x, n = data["points"][:256, -N_ORIENTATION_POINTS:].float(), data["normals"].float()
    n = n[:256, -N_ORIENTATION_POINTS:]
    for k in range(0, 24, 3):
        turn = torch.full((len(x),), k)
        features, near = model_view(*turned(x, n, turn, torch.zeros(len(x))))
        logits, _ = net(features.to(device), near.to(device))
        right.append((logits.argmax(-1).cpu() == turn).float().mean())
    return torch.stack(right).mean().item()


def lesson_of(device: str, held_out: Judges) -> Lesson:
    """What the orientation network learns, and what it is scored on while it does."""

    def cost(net: nn.Module, samples: dict[str, Tensor], index: Tensor) -> Tensor:
        features, near, turn, yaw = (t.to(device) for t in batch_of(samples, index))
        return loss_of(net, (features, near, turn, yaw))

    def scores(net: nn.Module) -> Scores:
        return {f"{k}turn_accuracy": turn_accuracy(net, v) for k, v in held_out.items()}

    return Lesson(
        OrientationNetwork, cost, scores, lambda s: 1 - sum(s.values()) / len(s),
        batch=BATCH, rate=2e-3, weight_decay=0.01, keep=0.997,
    )  # fmt: skip


def main() -> None:
    args = run_options("Train the orientation network.").parse_args()
    train(lesson_of(args.device, judges_of(args.data)), args)


if __name__ == "__main__":
    main()
