"""Small trainings under one fixed budget: what an augmentation buys, which network is worth it.

Every arm trains from nothing for the same processor time on characters drawn alike, and is judged
on characters that no arm saw: the usual styles, and the three held-out families. The figures steer
by differences; an arm's own level says little, since what ships trains many times longer.

    python -m rigline_training.proxies --data data/proxy --out runs/proxy --seconds 300
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from rigline.avatar.sampling import N_NEIGHBOURS, N_PATCHES, N_POINTS
from rigline_training.dataset import AUGMENTATIONS, generate, generate_family
from rigline_training.held_out_families import FAMILIES
from rigline_training.networks import BodyNetwork
from rigline_training.shards import Shards
from rigline_training.train_body import lesson_of, scores_on
from rigline_training.training_run import run_options, train

SEED, HELD_OUT_SEED = 11, 99
SHARDS, PER_SHARD = 8, 400
JUDGED = 300

AVERAGED = 0.98
"""The weights' average reaches back some fifty steps: a short run must forget how it began."""


@dataclass(frozen=True)
class Arm:
    """One small training: on which characters, which network, which seed."""

    name: str
    data: str = "all"
    network: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


NETWORKS = (
    Arm("attention, width 192, depth 6"),
    Arm("attention, width 128, depth 4", network={"width": 128, "depth": 4, "heads": 4}),
    Arm("edges, width 192, depth 4", network={"mixing": "edges", "depth": 4}),
    Arm("edges, width 128, depth 3", network={"mixing": "edges", "width": 128, "depth": 3}),
)
SPREAD = tuple(Arm(f"attention, width 192, depth 6, seed {s}", seed=s) for s in (1, 2))
LEFT_OUT = tuple(Arm(f"without {name}", data=name) for name in AUGMENTATIONS)
ARMS = (*NETWORKS, *LEFT_OUT, *SPREAD)


def draw_characters(folder: Path, per_shard: int = PER_SHARD) -> None:
    """The arms' characters, and those that judge them; existing ones are kept."""
    generate(folder / "all", SEED, SHARDS, per_shard)
    for name in AUGMENTATIONS:
        generate(folder / name, SEED, SHARDS, per_shard, without=name)
    generate(folder / "usual", HELD_OUT_SEED, 1, JUDGED)
    for name in FAMILIES:
        generate_family(folder / name, name, HELD_OUT_SEED, JUDGED)


def one_core_ms(net: BodyNetwork, repeats: int = 15) -> float:
    """Processor milliseconds for an avatar's joints and 5,000 labels, the best of some."""
    torch.set_num_threads(1)
    features = torch.rand(1, N_POINTS, 6) - 0.5
    near = torch.randint(0, N_POINTS, (1, N_PATCHES, N_NEIGHBOURS))
    queries, spent = torch.rand(1, 5000, 6) - 0.5, []
    with torch.no_grad():
        for _ in range(repeats):
            began = time.process_time()
            net(features, near, queries)
            spent.append(time.process_time() - began)
    return 1000 * min(spent)


def run_arm(arm: Arm, data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train one arm, unless its result is there, and judge what it has at the end."""
    folder: Path = args.out / arm.name.replace(", ", "-").replace(" ", "_")
    result = folder / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    options = argparse.Namespace(**vars(args))
    options.data, options.out, options.seed = data / arm.data, folder, arm.seed
    lesson = lesson_of(arm.network, args.device, {"": Shards(data / "usual").data})
    run = train(replace(lesson, keep=AVERAGED), options)
    net = run.average.eval()
    found: dict[str, Any] = {
        "arm": arm.name, "steps": run.step, "seconds": run.spent,
        "parameters": sum(p.numel() for p in net.parameters()), "ms": one_core_ms(net.cpu()),
    }  # fmt: skip
    for name in ("usual", *FAMILIES):
        found |= scores_on(net, Shards(data / name).data, f"{name}_")
    result.write_text(json.dumps(found, indent=1) + "\n")
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Joint error (% of height) and part accuracy (%) of each arm, as Markdown."""
    kinds = ("usual", *FAMILIES)
    head = ["arm", "steps", "million weights", "ms", *(k.replace("_", " ") for k in kinds)]
    rows = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for one in found:
        cells = [one["arm"], f"{one['steps']:,}", f"{one['parameters'] / 1e6:.2f}"]
        cells.append(f"{one['ms']:.0f}")
        for kind in kinds:
            accuracy = 100 * one[f"{kind}_part_accuracy"]
            cells.append(f"{one[f'{kind}_joint_error']:.2f} / {accuracy:.1f}")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    p = run_options(__doc__.partition("\n")[0])
    p.set_defaults(seconds=300, every=10_000)
    args = p.parse_args()
    data: Path = args.data
    draw_characters(data)
    found = []
    for arm in ARMS:
        print(arm.name, flush=True)
        found.append(run_arm(arm, data, args))
        (args.out / "table.md").write_text(table(found) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
