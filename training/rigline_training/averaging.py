"""Average the weights of runs, and those with what the runs started from.

Runs that went on from the same weights with other seeds err differently, and their mean errs less
than each (Wortsman et al. 2022, "Model soups"). A network that went on from another has often
unlearned something that the first one knew of unusual characters; weights between the two keep it
(Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). Which runs, and the share of the
start, are chosen on the characters that choose checkpoints, never on real ones.

    python -m rigline_training.averaging --run runs/body --with models_repo/…/model.onnx \
        --data data --out runs/averaged
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rigline_training.exported_weights import load_exported
from rigline_training.shards import judges_of
from rigline_training.train_body import lesson_of
from rigline_training.training_run import Scores

SHARES = (0.3, 0.5, 0.7, 0.85, 1.0)
"""How much of the run's own weights is tried."""


def between(first: dict[str, Tensor], last: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights that are ``share`` of the last and the rest of the first."""
    return {
        k: torch.lerp(first[k], v, share) if v.is_floating_point() else v for k, v in last.items()
    }


def mean_of(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of weights, entry by entry; what is no weight comes from the first."""
    return {
        k: torch.stack([s[k] for s in states]).mean(0) if v.is_floating_point() else v
        for k, v in states[0].items()
    }


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument(
        "--run", type=Path, required=True, nargs="+",
        help="folders with best.pt and record.json; several began from the same weights",
    )  # fmt: skip
    p.add_argument(
        "--with", type=Path, required=True, dest="start", help="ONNX file they began from"
    )
    p.add_argument("--data", type=Path, required=True, help="folder with held_out/ and selection/")
    p.add_argument("--out", type=Path, required=True, help="folder of the averaged run")
    args = p.parse_args()
    states: list[dict[str, Any]] = [
        torch.load(folder / "best.pt", weights_only=False) for folder in args.run
    ]
    state = states[0]
    lesson = lesson_of(state["config"], "cpu", judges_of(args.data))
    net, start = lesson.build().eval(), lesson.build()
    last = mean_of([s["average"] for s in states])
    load_exported(start, args.start)
    found: dict[float, tuple[float, Scores, dict[str, Tensor]]] = {}
    for share in SHARES:
        weights = between(start.state_dict(), last, share)
        net.load_state_dict(weights)
        scores = lesson.scores(net)
        found[share] = lesson.regret(scores), scores, weights
        print(json.dumps({"share": share, "regret": found[share][0], **scores}), flush=True)
    share = min(found, key=lambda s: found[s][0])
    regret, scores, state["average"] = found[share]
    state["history"][-1] |= scores
    records = [json.loads((folder / "record.json").read_text()) for folder in args.run]
    record = records[0] | {
        "averaged_runs": [
            {"seed": r["options"]["seed"], "steps": r["steps"], "revision": r["revision"]}
            for r in records
        ],
        "averaged_share": share,
        "best_regret": regret,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(state, args.out / "best.pt")
    (args.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
