"""Triton configurations and model cards, made from the record of a training run."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

from rigline.inference.contracts import CONTRACTS
from rigline.inference.triton_config import configure

PURPOSE = {
    "avatar_orientation": (
        "Tells how a humanoid mesh stands: which of the 24 axis-aligned turns, and the yaw beyond "
        "it. The product asks about all 24 turned copies of two samplings and joins the answers."
    ),
    "avatar_segmentation": (
        "Gives the probability of each of the fifteen R15 parts at any query point on the surface "
        "of an upright humanoid. Shares its weights with `avatar_rigging`."
    ),
    "avatar_rigging": (
        "Finds the fifteen R15 joints of an upright humanoid, the error it expects of each, and "
        "how far the patches' votes lie apart. Shares its weights with `avatar_segmentation`."
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


def curve_picture(history: list[dict], keys: list[str]) -> bytes:
    """Learning curves on the held-out synthetic characters."""
    figure, axes = plt.subplots(1, len(keys), figsize=(4.5 * len(keys), 3), squeeze=False)
    for axis, key in zip(axes[0], keys, strict=True):
        axis.plot([h["seconds"] / 60 for h in history], [h[key] for h in history], marker=".")
        axis.set_title(key.replace("_", " "))
        axis.set_xlabel("minutes of training")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90, metadata={"Software": None})
    plt.close(figure)
    return out.getvalue()


def card(name: str, state: dict, model: Path, real: dict | None) -> str:
    """The text of a model card."""
    last = state["history"][-1]
    figures = "\n".join(
        f"| {k.replace('_', ' ')} | {v:.4g} |" for k, v in last.items() if isinstance(v, float)
    )
    data = model.read_bytes()
    text = [
        f"# {name}\n\n{PURPOSE[name]}\n\n{shape_table(name)}\n",
        "Positions are in the models' frame: +Y up, facing +Z, the character's left at +X, height\n"
        "1, the middle of the bounding box at the origin. The patch centres come first among the\n"
        "features; see `rigline.avatar.sampling`.\n",
        f"File: {len(data) / 1e6:.1f} MB, sha256 `{hashlib.sha256(data).hexdigest()}`.\n",
        "Licence: Apache-2.0, like the rest of Rigline; no third-party weights or characters went "
        "into it.\n",
        f"## Training\n\n{_samples(last)}{state['step']} steps, {last['seconds'] / 60:.0f} minutes "
        f"on one core of a CPU; network "
        f"`{json.dumps(state['config'])}`. Commands: `training/README.md`.\n",
        "On 500 synthetic characters that were not trained on (single view):\n\n"
        f"| | |\n|---|---|\n{figures}\n",
        "![learning curves](curves.png)\n",
    ]
    if real:
        keys = [
            "joint_mean",
            "joint_mean_limb",
            "pck5",
            "seg_acc_area",
            "seg_miou",
            "weight_l1_area",
        ]
        rows = "\n".join(
            f"| {k} | {real['summary'][k]['mean']:.2f} | {real['summary'][k]['median']:.2f} |"
            for k in keys
        )
        text.append(
            f"## On real characters\n\n{real['n']} rigged game characters, none of them trained "
            f"on, whole pipeline, {real['failures']} failed, {real['lr_swapped']} with "
            f"left and right swapped:\n\n| | mean | median |\n|---|---|---|\n{rows}\n\n"
            "Joint errors in % of height, accuracy and overlap in %, weight distance from 0 to 2.\n"
        )
    text.append(f"## Limits\n\n{LIMITS}")
    return "\n".join(text)


def _samples(last: dict) -> str:
    return f"{last['samples']:,} synthetic characters, " if "samples" in last else ""


def describe(name: str, checkpoint: Path, repository: Path, real: dict | None) -> None:
    """Write the card and its picture beside an exported model."""
    folder = repository / name
    state = torch.load(checkpoint, weights_only=False, map_location="cpu")
    keys = [
        k for k in ("joint_error", "part_accuracy", "turn_accuracy") if k in state["history"][-1]
    ]
    folder.joinpath("curves.png").write_bytes(curve_picture(state["history"], keys))
    model = folder / "1" / "model.onnx"
    folder.joinpath("MODEL_CARD.md").write_text(card(name, state, model, real))


def main() -> None:
    p = argparse.ArgumentParser(description="Write model cards and Triton configurations.")
    p.add_argument("--body", type=Path, required=True, help="checkpoint of train_body")
    p.add_argument("--orientation", type=Path, required=True)
    p.add_argument("--repository", type=Path, required=True, help="the folder models_repo/")
    p.add_argument("--real", type=Path, help="JSON of `rigline eval` on real characters")
    args = p.parse_args()
    real = json.loads(args.real.read_text()) if args.real else None
    for name in CONTRACTS:
        checkpoint = args.orientation if name == "avatar_orientation" else args.body
        describe(name, checkpoint, args.repository, real)
    configure(args.repository)


if __name__ == "__main__":
    main()
