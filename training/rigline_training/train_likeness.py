"""Train the head that tells humanoids from everything else, on top of a finished body network.

The body network stays as it is: its tokens of humanoids and of odd things are computed once, and a
small head learns to tell them apart. Beside the training's own kinds it is scored on the held-out
families, which are humanoids, too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigline.avatar.sampling import N_NEIGHBOURS
from rigline_training.networks import BodyNetwork, LikenessHead
from rigline_training.shards import Shards
from rigline_training.train_body import augmented

BATCH = 256
Seen = tuple[Tensor, Tensor, Tensor]


@torch.no_grad()
def seen_by(net: BodyNetwork, data: dict[str, Tensor], count: int, vary: bool) -> Seen:
    """Pooled tokens ``(n, 2, d)`` (mean and largest), log scale and dispersion ``(n, 15)``."""
    pooled, scales, spreads = [], [], []
    chosen = torch.randperm(len(data["labels"]))[:count]
    for index in chosen.split(32):
        if vary:
            features, near, *_ = augmented(data, index)
        else:
            features = torch.cat([data["points"][index], data["normals"][index]], dim=-1).float()
            near = data["neighbours"][index][:, :, :N_NEIGHBOURS].long()
        tokens = net.tokens(features, near)
        _, log_scale, dispersion = net.joints(features, tokens)
        pooled.append(torch.stack([tokens.mean(dim=1), tokens.amax(dim=1)], dim=1))
        scales.append(log_scale)
        spreads.append(dispersion)
    return torch.cat(pooled), torch.cat(scales), torch.cat(spreads)


def odds(head: LikenessHead, seen: Seen) -> Tensor:
    """Log odds (n,) from what the body network saw, pooled already."""
    pooled, log_scale, dispersion = seen
    features = [pooled[:, 0], pooled[:, 1], log_scale, torch.log(dispersion + 1e-4)]
    return head.judge(head.norm(torch.cat(features, dim=-1)))[:, 0]


def fit(head: LikenessHead, humanoid: Seen, odd: Seen, steps: int) -> None:
    """Logistic regression with a hidden layer; both classes weigh the same."""
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.05)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 - step / steps)
        rows = [torch.randint(0, len(s[0]), (BATCH // 2,)) for s in (humanoid, odd)]
        batch = tuple(
            torch.cat([h[rows[0]], o[rows[1]]]) for h, o in zip(humanoid, odd, strict=True)
        )
        wanted = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])
        loss = F.binary_cross_entropy_with_logits(odds(head, batch), wanted * 0.96 + 0.02)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()


def main() -> None:
    p = argparse.ArgumentParser(description="Train the head that tells humanoids from the rest.")
    p.add_argument("--body", type=Path, required=True, help="checkpoint of train_body")
    p.add_argument("--data", type=Path, required=True, help="folder with shards and oddities/")
    p.add_argument("--out", type=Path, required=True, help="checkpoint")
    p.add_argument("--count", type=int, default=3000, help="characters, and odd things, to use")
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    state = torch.load(args.body, weights_only=False, map_location="cpu")
    net = BodyNetwork(**state["config"])
    net.load_state_dict(state["average"])
    net.eval()
    odd = seen_by(net, Shards(args.data / "oddities").data, args.count, vary=True)
    humanoid = seen_by(net, Shards(args.data).data, args.count, vary=True)
    head = LikenessHead(state["config"]["width"])
    fit(head, humanoid, odd, args.steps)
    head.eval()
    scores = _scores(head, net, args.data)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"head": head.state_dict(), "config": head.config, "scores": scores}, args.out)
    print(json.dumps(scores))


@torch.no_grad()
def _scores(head: LikenessHead, net: BodyNetwork, data: Path) -> dict[str, float]:
    """Share judged right on folders that were not trained on."""
    folders = {
        "held_out": data / "held_out",
        "paper_dolls": data / "selection/paper_dolls",
        "oddities": data / "oddities/held_out",
    }
    found = {}
    for name, folder in folders.items():
        positive = odds(head, seen_by(net, Shards(folder).data, 400, vary=False)) > 0
        right = ~positive if name == "oddities" else positive
        found[f"{name}_right"] = right.float().mean().item()
    return found


if __name__ == "__main__":
    main()
