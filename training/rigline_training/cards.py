"""Triton configurations and model cards, made from the record of a training run."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rigline.inference.contracts import CONTRACTS, STAGE_MODELS
from rigline.inference.triton_config import configure
from rigline_training.card_sections import (
    MEMBERS,
    RIGGING,
    TRAINING,
    Extras,
    confidence_section,
    kept_section,
    members_section,
    real_section,
    record_of,
    training_section,
)
from rigline_training.curves import curve_picture, one_after_the_other
from rigline_training.exported_weights import shares_in

ORIENTATION = "avatar_orientation"

PURPOSE = {
    "avatar_orientation": (
        "Tells how a humanoid mesh stands: which of the 24 axis-aligned turns, and the yaw beyond "
        "it. The product asks about all 24 turns, shared out over two samplings, and joins the "
        "answers."
    ),
    "avatar_segmentation": (
        "Gives the probability of each of the fifteen R15 parts at any query point on the surface "
        "of an upright humanoid."
    ),
    "avatar_rigging": (
        "Finds the fifteen R15 joints of an upright humanoid, the error it expects of each, and "
        "how far the votes of patches and networks lie apart; and whether what it sees is one "
        "standing humanoid at all."
    ),
}

LIMITS = """\
- Trained on synthetic characters alone: parametric bodies (the `anny` package, CC0 data) with
  strong stylisation, and characters of primitives, dressed by our own generator. No scanned or
  authored character was used.
- Knows humanoids with two arms and two legs, standing, near a T, A, I or relaxed pose. Others get
  an answer all the same; the evidence is there to tell.
- Weak points: boundaries at waist and hip (rigs disagree there themselves), rigid pieces that
  touch, very large heads, and the front of characters that look alike from both sides.
- The probabilities are not calibrated. On real characters the largest probability of a vertex says
  next to nothing about being right; the disagreement of views says more.
"""


def shape_table(name: str) -> str:
    contract, rows = CONTRACTS[name], []
    for title, tensors in (("input", contract.inputs), ("output", contract.outputs)):
        for tensor in tensors:
            shape = ", ".join(["B", *("Q" if d < 0 else str(d) for d in tensor.dims)])
            rows.append(f"| {title} | `{tensor.name}` | {tensor.datatype} | ({shape}) |")
    return "\n".join(["| | tensor | type | shape |", "|---|---|---|---|", *rows])


def card(name: str, training: Sequence[str], model: Path, extras: Extras) -> str:
    """The text of a model card, around its sections on ``training``."""
    data = model.read_bytes()
    text = [
        f"# {name}\n\n{PURPOSE[name]}\n\n{shape_table(name)}\n",
        "Positions are in the models' frame: +Y up, facing +Z, the character's left at +X, height\n"
        "1, the middle of the bounding box at the origin. The patch centres come first among the\n"
        "features; see `rigline.avatar.sampling`.\n",
        f"File: {len(data) / 1e6:.1f} MB, sha256 `{hashlib.sha256(data).hexdigest()}`.\n",
        "Licence: Apache-2.0, like the rest of Rigline; no third-party weights or characters went "
        "into it.\n",
        *training,
        real_section(extras),
    ]
    if name != ORIENTATION:
        text.append(confidence_section(extras))
    text.append(f"## Limits\n\n{LIMITS}")
    return "\n".join(part for part in text if part)


def describe(
    name: str, run: Path | None, repository: Path, extras: Extras, picture: Path | None
) -> None:
    """Write the card and its pictures beside an exported model."""
    folder = repository / name
    card_file, model = folder / "MODEL_CARD.md", folder / "1" / "model.onnx"
    if run is None:
        print(f"{name}: its run is gone, so the card keeps what it says of training.")
        training = [kept_section(card_file, TRAINING)]
    else:
        training = [training_section(name, run, extras)]
        record = record_of(run)
        history = (
            one_after_the_other((*extras.before, record)) if name == RIGGING else record["history"]
        )
        keys = [k for k in ("joint_error", "part_accuracy", "turn_accuracy") if k in history[-1]]
        folder.joinpath("curves.png").write_bytes(curve_picture({"": history}, keys))
    shares = shares_in(model)
    if name == RIGGING and extras.members and len(extras.members) != len(shares) - 1:
        raise SystemExit(
            f"{model} has {len(shares) - 1} members, --members names {len(extras.members)} runs."
        )
    if len(shares) > 1 and extras.members:
        training.append(members_section(extras.members, shares))
        histories = {
            f"member {k}": record_of(run)["history"]
            for k, run in enumerate(extras.members, start=1)
        }
        curves = curve_picture(histories, ("joint_error", "part_accuracy"))
        folder.joinpath("members.png").write_bytes(curves)
    elif len(shares) > 1:
        training.append(kept_section(card_file, MEMBERS))
    if picture and picture.exists() and name != ORIENTATION:
        folder.joinpath("reliability.png").write_bytes(picture.read_bytes())
    card_file.write_text(card(name, training, model, extras))


def run_of(name: str, runs: Path) -> Path | None:
    """The folder of the run that a model came from, if it is there; parts may have their own."""
    if name == ORIENTATION:
        run = runs / "orientation"
    elif name == "avatar_segmentation" and (runs / "parts").exists():
        run = runs / "parts"
    else:
        run = runs / "body"
    return run if (run / "record.json").exists() else None


def _read(path: Path | None) -> Any:
    return json.loads(path.read_text()) if path and path.exists() else None


def main() -> None:
    p = argparse.ArgumentParser(description="Write Triton configurations and model cards.")
    p.add_argument("--runs", type=Path, required=True, help="folder with body/, orientation/, …")
    p.add_argument("--repository", type=Path, required=True, help="the folder models_repo/")
    p.add_argument("--real", type=Path, help="JSON of `rigline eval` on real characters")
    p.add_argument(
        "--before", type=Path, nargs="*", default=[],
        help="folders of runs that led to the start of the body run, in their order",
    )  # fmt: skip
    p.add_argument(
        "--members", type=Path, nargs="*", default=[],
        help="folders of the runs of the members, where the body models have some",
    )  # fmt: skip
    args = p.parse_args()
    likeness = args.runs / "likeness.pt"
    extras = Extras(
        _read(args.real),
        torch.load(likeness, weights_only=False)["scores"] if likeness.exists() else None,
        _read(args.runs / "confidence" / "confidence.json"),
        tuple(_read(folder / "record.json") for folder in args.before),
        tuple(run for run in args.members if (run / "record.json").exists()),
    )
    for name in STAGE_MODELS:
        run = run_of(name, args.runs)
        picture = args.runs / "confidence" / "reliability.png"
        describe(name, run, args.repository, extras, picture)
    configure(args.repository)


if __name__ == "__main__":
    main()
