"""Train the body network: joints and parts together."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigline.avatar.body import MIRROR, N_PARTS
from rigline.avatar.sampling import N_NEIGHBOURS
from rigline_training.networks import BodyNetwork
from rigline_training.shards import Judges, judges_of
from rigline_training.training_run import Lesson, Scores, run_options, train

BATCH = 16
QUERIES = 768
BOUNDARY_WEIGHT = 1.5
"""What a query near a part boundary weighs more than another."""

JOINT_WEIGHT = 8.0
SWAP = torch.tensor(MIRROR)


WARPED = 0.7
"""Share of the samples whose proportions are drawn anew by ``warped``."""

UPRIGHT, OUTWARD = (-0.55, 0.55, 8), (0.0, 0.75, 6)
"""First and last knot of a warp along a body's height and away from its middle, and how many."""


def between_knots(values: Tensor, at: Tensor, knots: tuple[float, float, int]) -> Tensor:
    """Piecewise linear functions, ``values`` (B, K) at evenly spaced knots, read off at (B, N)."""
    first, last, count = knots
    place = (at - first) / (last - first) * (count - 1)
    low = place.floor().clamp(0, count - 2).long()
    a, b = values.gather(1, low), values.gather(1, low + 1)
    return a + (place - low) * (b - a)


def drawn_course(b: int, knots: tuple[float, float, int], spread: float) -> Tensor:
    """(B, K) a rising course from each first knot to the last; its slopes lie about one."""
    first, last, count = knots
    slope = torch.exp(torch.randn(b, count - 1) * spread * torch.rand(b, 1))
    course = torch.cat([torch.zeros(b, 1), slope.cumsum(1)], dim=1)
    return first + (last - first) * course / (course[:, -1:] + 1e-9)


def warped(x: Tensor, n: Tensor, joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Other proportions for each body: shorter legs, longer hands, a wider trunk.

    Points (B, N, 3) and joints (B, 15, 3) go through the same map, which stretches height and
    distance from the middle plane section by section, and width and depth by height. Normals
    (B, N, 3) follow without the shear. Draws more bodies from a sample than turns of it do.
    """
    b = len(x)
    drawn = (torch.rand(b, 1) < WARPED).float()
    height, away = drawn_course(b, UPRIGHT, 0.45), drawn_course(b, OUTWARD, 0.4)
    wide, deep = (torch.randn(b, UPRIGHT[2]) * 0.14 * torch.rand(b, 1) for _ in range(2))

    def moved(v: Tensor) -> Tensor:
        y = v[..., 1]
        out = between_knots(away, v[..., 0].abs(), OUTWARD) * v[..., 0].sign()
        out = out * between_knots(wide, y, UPRIGHT).exp()
        z = v[..., 2] * between_knots(deep, y, UPRIGHT).exp()
        new = torch.stack([out, between_knots(height, y, UPRIGHT), z], dim=-1)
        return v + drawn[..., None] * (new - v)

    step = 1e-3
    slope = torch.stack(
        [(moved(x + step * e) - moved(x - step * e)) @ e / (2 * step) for e in torch.eye(3)], dim=-1
    )
    return moved(x), F.normalize(n / slope.clamp_min(0.05), dim=-1) * (n != 0), moved(joints)


def augmented(data: dict[str, Tensor], index: Tensor) -> tuple[Tensor, ...]:
    """A batch, each sample mirrored, warped, turned, stretched and shifted at random.

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
    x, n, joints = warped(x, n, joints)
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    x, joints = ((v - (low + high) / 2) / (high - low)[..., 1:2] for v in (x, joints))
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


def loss_of(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Training loss of a batch."""
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
    return part + JOINT_WEIGHT * error.mean() + 0.1 * scale


@torch.no_grad()
def scores_on(net: nn.Module, data: dict[str, Tensor], prefix: str = "") -> Scores:
    """Accuracy and joint errors (in % of height) on samples that are not trained on."""
    device = next(net.parameters()).device
    accuracy, error = [], []
    for start in range(0, len(data["labels"]), 32):
        rows = slice(start, start + 32)
        features = torch.cat([data["points"][rows], data["normals"][rows]], dim=-1).float()
        near = data["neighbours"][rows, :, :N_NEIGHBOURS].long()
        features, near = features.to(device), near.to(device)
        logits, joints, _, _ = net(features, near, features)
        accuracy.append((logits.argmax(-1).cpu() == data["labels"][rows]).float().mean(1))
        error.append((joints.cpu() - data["joints"][rows]).norm(dim=-1))
    acc, err, blocky = torch.cat(accuracy), torch.cat(error) * 100, data["blocky"]
    scores = {
        "part_accuracy": acc.mean(),
        "joint_error": err.mean(),
        "pck5": (err < 5).float().mean(),
    }
    if blocky.any() and not blocky.all():
        scores["part_accuracy_blocky"] = acc[blocky].mean()
        scores["joint_error_blocky"] = err[blocky].mean()
    return {prefix + k: v.item() for k, v in scores.items()}


def regret_of(scores: Scores) -> float:
    """Joint error and part error in %, on the usual characters and, counted alike, on the styles
    that no training character has."""
    kinds = {k.removesuffix("joint_error") for k in scores if k.endswith("joint_error")}
    each = [scores[f"{k}joint_error"] + 10 * (1 - scores[f"{k}part_accuracy"]) for k in kinds]
    return sum(each) / len(each)


def lesson_of(network: dict[str, Any], device: str, held_out: Judges) -> Lesson:
    """What the body network learns, and what it is scored on while it does."""

    def cost(net: nn.Module, samples: dict[str, Tensor], index: Tensor) -> Tensor:
        return loss_of(net, tuple(t.to(device) for t in augmented(samples, index)))

    def scores(net: nn.Module) -> Scores:
        found: Scores = {}
        for prefix, samples in held_out.items():
            found |= scores_on(net, samples, prefix)
        return found

    return Lesson(
        lambda: BodyNetwork(**network), cost, scores, regret_of,
        batch=BATCH, rate=1.2e-3, weight_decay=0.02, keep=0.998,
    )  # fmt: skip


def main() -> None:
    p = run_options("Train the body network (joints and parts).")
    p.add_argument("--network", default="{}", help="JSON of BodyNetwork's arguments")
    args = p.parse_args()
    train(lesson_of(json.loads(args.network), args.device, judges_of(args.data)), args)


if __name__ == "__main__":
    main()
