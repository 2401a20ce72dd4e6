"""The log of scoring runs on real characters, so that nobody tunes to them unnoticed.

rigline eval --pred out/real --truth TRUTH --json out/real.json
python -m rigline_training.evaluations --scores out/real.json --why "new models, before export"
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

from rigline_training.training_run import revision

LOG = Path(__file__).resolve().parents[1] / "evaluations.jsonl"
METRICS = (
    "joint_mean", "joint_mean_limb", "pck5", "seg_acc_area", "seg_miou", "weight_l1", "deform_mean",
)  # fmt: skip


def entry_of(scores: dict, why: str, repository: Path) -> dict:
    """One line of the log: when, why, with which code and models, and the mean scores."""
    models = {
        path.parts[-3]: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(repository.glob("*/1/model.onnx"))
    }
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "why": why,
        "revision": revision(),
        "models": models,
        "characters": scores["n"],
        "failures": scores["failures"],
        "swapped": scores["lr_swapped"],
        **{name: round(scores["summary"][name]["mean"], 3) for name in METRICS},
    }


def main() -> None:
    p = argparse.ArgumentParser(description="Note a scoring run on real characters in the log.")
    p.add_argument("--scores", type=Path, required=True, help="JSON of `rigline eval`")
    p.add_argument("--why", required=True)
    p.add_argument("--repository", type=Path, default=LOG.parents[1] / "models_repo")
    args = p.parse_args()
    line = json.dumps(entry_of(json.loads(args.scores.read_text()), args.why, args.repository))
    with LOG.open("a") as log:
        log.write(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
