"""Average a run's weights with those that it started from, as much as held-out styles ask for.

A network that went on from another has often unlearned something that the first one knew of unusual
characters; weights between the two keep it (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models"). The share is chosen on the characters that choose checkpoints, never on real ones.

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


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("--run", type=Path, required=True, help="folder with best.pt and record.json")
    p.add_argument("--with", type=Path, required=True, dest="start", help="ONNX file it began from")
    p.add_argument("--data", type=Path, required=True, help="folder with held_out/ and selection/")
    p.add_argument("--out", type=Path, required=True, help="folder of the averaged run")
    args = p.parse_args()
    state: dict[str, Any] = torch.load(args.run / "best.pt", weights_only=False)
    lesson = lesson_of(state["config"], "cpu", judges_of(args.data))
    net, start, last = lesson.build().eval(), lesson.build(), state["average"]
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
    record = json.loads((args.run / "record.json").read_text())
    record |= {"averaged_share": share, "best_regret": regret}
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(state, args.out / "best.pt")
    (args.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
