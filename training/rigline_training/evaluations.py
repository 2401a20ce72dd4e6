"""The log of scoring runs on real characters, so that nobody tunes to them unnoticed.

rigline eval --pred out/real --truth TRUTH --json out/real.json
python -m rigline_training.evaluations --scores out/real.json --why "new models, before export"

`rigline_training.turns --why` notes its own runs.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

from rigline_training.training_run import revision

LOG = Path(__file__).resolve().parents[1] / "evaluations.jsonl"
REPOSITORY = LOG.parents[1] / "models_repo"
METRICS = (
    "joint_mean", "joint_mean_limb", "pck5", "seg_acc_area", "seg_miou", "weight_l1",
    "weight_l1_area", "deform_mean",
)  # fmt: skip


def occasion_of(why: str, repository: Path) -> dict:
    """When, why, with which code and models."""
    models = {
        path.parts[-3]: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(repository.glob("*/1/model.onnx"))
    }
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "why": why,
        "revision": revision(),
        "models": models,
    }


def scores_of(scores: dict) -> dict:
    """The mean scores of `rigline eval`, and what went wrong."""
    return {
        "characters": scores["n"],
        "failures": scores["failures"],
        "swapped": scores["lr_swapped"],
        **{name: round(scores["summary"][name]["mean"], 3) for name in METRICS},
    }


def note(entry: dict) -> None:
    """Append a line to the log, and print it."""
    line = json.dumps(entry)
    with LOG.open("a") as log:
        log.write(line + "\n")
    print(line)


def main() -> None:
    p = argparse.ArgumentParser(description="Note a scoring run on real characters in the log.")
    p.add_argument("--scores", type=Path, required=True, help="JSON of `rigline eval`")
    p.add_argument("--why", required=True)
    p.add_argument("--repository", type=Path, default=REPOSITORY)
    args = p.parse_args()
    scores = json.loads(args.scores.read_text())
    note({**occasion_of(args.why, args.repository), **scores_of(scores)})


if __name__ == "__main__":
    main()
