"""The loop that both trainers share: a fixed time, checkpoints, resuming, a record of the run.

A run is a folder. ``latest.pt`` is what a run resumes from, ``best.pt`` the averaged weights that
scored best on characters held out of the training (never on the evaluation characters), and
``record.json`` says what was done: configuration, revision, seeds, hash of the data, metrics.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rigline_training.exported_weights import load_exported
from rigline_training.shards import Shards

Scores = dict[str, float]
LOWEST_RATE = 2e-6


@dataclass(frozen=True)
class Lesson:
    """What one network learns: how a batch is drawn, what it costs, how good the network is.

    ``cost`` takes the network and a batch of samples by index; ``scores`` the averaged network;
    ``regret`` turns scores into the one figure by which the best checkpoint is kept, lower is
    better.
    """

    build: Callable[[], nn.Module]
    cost: Callable[[nn.Module, dict[str, Tensor], Tensor], Tensor]
    scores: Callable[[nn.Module], Scores]
    regret: Callable[[Scores], float]
    batch: int
    rate: float
    weight_decay: float
    keep: float


@dataclass
class Run:
    """The state of a run, as it is stored between checkpoints."""

    folder: Path
    net: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    spent: float = 0.0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float = math.inf

    def state(self) -> dict[str, Any]:
        return {
            "config": self.net.config, "net": self.net.state_dict(),
            "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict(),
            "spent": self.spent, "step": self.step, "history": self.history, "best": self.best,
            "random": torch.get_rng_state(),
        }  # fmt: skip

    def resume(self) -> None:
        """Go on from ``latest.pt``, if there is one."""
        path = self.folder / "latest.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=False)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        for name in ("spent", "step", "history", "best"):
            setattr(self, name, state[name])

    def save(self, name: str) -> None:
        """Write a checkpoint, whole or not at all."""
        partial = self.folder / f"{name}.partial"
        torch.save(self.state(), partial)
        os.replace(partial, self.folder / name)


def run_options(description: str) -> argparse.ArgumentParser:
    """The options that every trainer has."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--data", type=Path, required=True, help="folder with shards and held_out/")
    p.add_argument(
        "--out", type=Path, required=True, help="folder of the run; resumed if it exists"
    )
    p.add_argument("--init-from", type=Path, help="ONNX file to take the first weights from")
    p.add_argument(
        "--seconds",
        type=float,
        default=3000,
        help="training time in all: processor time on a CPU, which other work does not shorten",
    )
    p.add_argument("--every", type=float, default=240, help="seconds between checkpoints")
    p.add_argument("--lr", type=float, help="highest learning rate; default: the trainer's own")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return p


def train(lesson: Lesson, args: argparse.Namespace) -> Run:
    """Train until the time is spent; returns the run as it stands then."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    run = _begun(lesson, args)
    shards = Shards(args.data)
    rate = args.lr or lesson.rate
    if args.init_from and not run.history:
        _check(run, lesson, shards, args)
    clock = time.process_time if args.device == "cpu" else time.monotonic
    began, saved = clock() - run.spent, run.spent
    order = torch.empty(0, dtype=torch.long)
    while (spent := clock() - began) < args.seconds:
        run.spent = spent
        for group in run.optimiser.param_groups:
            group["lr"] = rate * warm_cosine(run.step, spent / args.seconds) + LOWEST_RATE
        if len(order) < lesson.batch:
            shards.refresh()
            order = torch.randperm(len(shards))
        index, order = order[: lesson.batch], order[lesson.batch :]
        _step(run, lesson, shards.data, index)
        if spent - saved > args.every:
            saved = spent
            _check(run, lesson, shards, args)
    run.spent = args.seconds
    _check(run, lesson, shards, args)
    return run


def warm_cosine(step: int, progress: float) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine over the time given."""
    return min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _begun(lesson: Lesson, args: argparse.Namespace) -> Run:
    net = lesson.build()
    if args.init_from:
        load_exported(net, args.init_from)
    net.to(args.device)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=lesson.weight_decay)
    run = Run(args.out, net, copy.deepcopy(net), optimiser)
    run.resume()
    return run


def _step(run: Run, lesson: Lesson, data: dict[str, Tensor], index: Tensor) -> None:
    cost = lesson.cost(run.net, data, index)
    run.optimiser.zero_grad()
    cost.backward()
    norm = nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    if torch.isfinite(norm):
        run.optimiser.step()
    run.step += 1
    keep = min(lesson.keep, 1 - 1 / (run.step + 1))
    with torch.no_grad():
        for a, p in zip(run.average.parameters(), run.net.parameters(), strict=True):
            a.lerp_(p, 1 - keep)


def _check(run: Run, lesson: Lesson, shards: Shards, args: argparse.Namespace) -> None:
    """Score the averaged weights, keep them if they are the best yet, and store everything."""
    run.average.eval()
    scores = lesson.scores(run.average)
    run.history.append({"seconds": run.spent, "step": run.step, "samples": len(shards), **scores})
    print(json.dumps(run.history[-1]), flush=True)
    regret = lesson.regret(scores)
    better = regret < run.best
    run.best = min(regret, run.best)
    run.save("latest.pt")
    if better:
        run.save("best.pt")
    _record(run, shards, args)


def _record(run: Run, shards: Shards, args: argparse.Namespace) -> None:
    options = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    record = {
        "options": options,
        "network": run.net.config,
        "revision": revision(),
        "torch": torch.__version__,
        "shards": [p.name for p in shards.files],
        "data_sha256": shards.fingerprint(),
        "steps": run.step,
        "best_regret": run.best,
        "history": run.history,
    }
    (run.folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")


def revision() -> str:
    """The commit that is checked out, marked when files differ from it; empty outside of git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
