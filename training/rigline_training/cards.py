"""Triton configurations and model cards, made from the record of a training run."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rigline.inference.contracts import CONTRACTS, STAGE_MODELS
from rigline.inference.triton_config import configure
from rigline_training.curves import curve_picture, one_after_the_other
from rigline_training.exported_weights import shares_in

RIGGING, ORIENTATION = "avatar_rigging", "avatar_orientation"

TRAINING, MEMBERS = "## Training\n\n", "## Members\n\n"

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
        "how far the patches' votes lie apart; and whether what it sees is one standing humanoid "
        "at all."
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
        _real(extras),
    ]
    if name != ORIENTATION:
        text.append(_confidence(extras))
    text.append(f"## Limits\n\n{LIMITS}")
    return "\n".join(part for part in text if part)


def training_section(name: str, run: Path, extras: Extras) -> str:
    """What a card tells of the run that its (large) network came from."""
    record, kept = _record(run), _scores(run)
    start = record["options"].get("init_from")
    return (
        f"{TRAINING}{kept['samples']:,} synthetic characters, {kept['step']:,} steps, "
        f"{kept['seconds'] / 60:.0f} minutes on {record['options']['threads']} thread(s) of a "
        f"{record['options']['device']}; network `{json.dumps(record['network'])}`, seed "
        f"{record['options']['seed']}. "
        + ("It went on from the weights of the version before. " if start else "")
        + _averaged(record)
        + _before(extras.before if name == RIGGING else ())
        + f"Code `{record['revision']}`, data sha256 `{record['data_sha256'][:16]}`. Commands: "
        "`training/README.md`.\n\n"
        "On synthetic characters that were not trained on, single view (`paper dolls` are a style "
        f"that no training character has):\n\n| | |\n|---|---|\n{_figures(kept)}\n\n"
        "![learning curves](curves.png)\n" + (f"\n{_likeness(extras)}" if name == RIGGING else "")
    )


def kept_section(card_before: Path, heading: str) -> str:
    """A section as the card before has it, where the folder of the run is gone."""
    before = card_before.read_text() if card_before.exists() else ""
    _, found, rest = before.partition(heading)
    if not found:
        raise SystemExit(f"There is no run, and no {card_before} that tells of one. See --runs.")
    return f"{heading}{rest.partition('## ')[0].rstrip()}\n"


def _members(runs: Sequence[Path], shares: Sequence[float]) -> str:
    records = [_record(run) for run in runs]
    rows = "\n".join(
        f"| `{json.dumps(record['network'])}` | {record['options']['seed']} | "
        f"{kept['samples']:,} | {kept['step']:,} | {kept['seconds'] / 60:.0f} | "
        f"{kept['joint_error']:.2f} / "
        f"{100 * kept['part_accuracy']:.1f} | {kept['paper_dolls_joint_error']:.2f} / "
        f"{100 * kept['paper_dolls_part_accuracy']:.1f} |"
        for record, kept in zip(records, map(_scores, runs), strict=True)
    )
    made = sorted({(r["revision"], r["data_sha256"][:16]) for r in records})
    return (
        f"{MEMBERS}The file asks smaller networks beside the large one that is told of above, "
        "trained from nothing\nand apart from it, and joins their answers. The large one counts "
        f"{shares[0]:.0%}, each of the {len(runs)} members {shares[-1]:.0%}.\n"
        "On synthetic characters that were not trained on, single view (joint error in % of height "
        "/\npart accuracy in %):\n\n"
        "| network | seed | characters | steps | minutes | usual | paper dolls |\n"
        f"|---|--:|--:|--:|--:|--:|--:|\n{rows}\n\n"
        + "; ".join(f"Code `{code}`, data sha256 `{data}`" for code, data in made)
        + ".\n\n![learning curves of the members](members.png)\n"
    )


def _record(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "record.json").read_text())
    if not record["revision"]:
        raise SystemExit(f"{run}/record.json names no revision: the run was outside of git.")
    return record


def _scores(run: Path) -> dict[str, float]:
    """What the weights that were kept of a run scored, and when."""
    best = torch.load(run / "best.pt", weights_only=False, map_location="cpu")
    return best["history"][-1]


def _figures(scores: dict[str, float]) -> str:
    return "\n".join(
        f"| {k.replace('_', ' ')} | {v:.4g} |" for k, v in scores.items() if isinstance(v, float)
    )


def _averaged(record: dict[str, Any]) -> str:
    share, runs = record.get("averaged_share", 1.0), record.get("averaged_runs", [])
    said = ""
    if len(runs) > 1:
        each = " and ".join(f"{r['steps']:,} steps with seed {r['seed']}" for r in runs)
        said = f"What ships is the mean of {len(runs)} such runs ({each}). "
    if share < 1.0:
        said += (
            f"{share:.0%} of it is these weights and the rest those before, the share that did "
            "best on the held-out styles. "
        )
    return said


def _before(records: Sequence[dict[str, Any]]) -> str:
    if not records:
        return ""
    each = "; ".join(
        f"{r['steps']:,} steps on {r['history'][-1]['samples']:,} characters (seed "
        f"{r['options']['seed']}, code `{r['revision']}`)"
        for r in records
    )
    return f"Runs that led to its start: {each}. "


@dataclass(frozen=True)
class Extras:
    """What cards tell beside the run: scores on real characters, of the likeness head, what
    confidence is worth, the records of runs before, and the members' runs. Each may be missing."""

    real: dict[str, Any] | None
    likeness: dict[str, float] | None
    confidence: dict[str, Any] | None
    before: tuple[dict[str, Any], ...] = ()
    members: tuple[Path, ...] = ()


def _likeness(extras: Extras) -> str:
    if not extras.likeness:
        return ""
    rows = "\n".join(f"| {k.replace('_', ' ')} | {v:.3f} |" for k, v in extras.likeness.items())
    return (
        "`humanoid` comes from a head of its own on the frozen network, trained on odd things\n"
        "(beasts, busts, seated figures, groups, furniture). Share judged right, all\n"
        "of them not trained on:\n\n"
        f"| | |\n|---|---|\n{rows}\n"
    )


def _real(extras: Extras) -> str:
    real = extras.real
    if not real:
        return ""
    keys = (
        "joint_mean", "joint_mean_limb", "pck5", "seg_acc_area", "seg_miou", "weight_l1",
        "deform_mean",
    )  # fmt: skip
    rows = "\n".join(
        f"| {k} | {real['summary'][k]['mean']:.2f} | {real['summary'][k]['median']:.2f} |"
        for k in keys
    )
    return (
        f"## On real characters\n\n{real['n']} rigged game characters, none of them trained "
        f"on, whole pipeline, {real['failures']} failed, {real['lr_swapped']} with "
        f"left and right swapped:\n\n| | mean | median |\n|---|---|---|\n{rows}\n\n"
        "Joint errors and deformation in % of height, accuracy and overlap in %, weight distance\n"
        "from 0 to 2, every vertex alike.\n"
    )


def _confidence(extras: Extras) -> str:
    if not extras.confidence:
        return ""
    keys = ("joint_error", "part_accuracy", "not_acceptable", "auroc", "calibration_error",
            "auroc_joints", "calibration_error_joints")  # fmt: skip
    names = list(extras.confidence)
    rows = "\n".join(
        f"| {k.replace('_', ' ')} | "
        + " | ".join(_number(extras.confidence[n][k]) for n in names) + " |"
        for k in keys
    )  # fmt: skip
    head = " | ".join(n.replace("_", " ") for n in names)
    return (
        "## What the confidence is worth\n\nThe policy's confidence on three styles that no "
        "training character has. The ramps were\nset on the first; the others only report. A "
        "result is acceptable with a mean joint error of\nat most 5 % of height and 85 % of the "
        "area right.\n\n"
        f"| | {head} |\n|---|{'---|' * len(names)}\n{rows}\n\n"
        "![reliability](reliability.png)\n"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


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
        record = _record(run)
        history = (
            one_after_the_other((*extras.before, record)) if name == RIGGING else record["history"]
        )
        keys = [k for k in ("joint_error", "part_accuracy", "turn_accuracy") if k in history[-1]]
        folder.joinpath("curves.png").write_bytes(curve_picture({"": history}, keys))
    shares = shares_in(model)
    if len(shares) > 1 and len(extras.members) == len(shares) - 1:
        training.append(_members(extras.members, shares))
        histories = {
            f"member {k}": _record(run)["history"] for k, run in enumerate(extras.members, start=1)
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
        tuple(args.members),
    )
    for name in STAGE_MODELS:
        run = run_of(name, args.runs)
        picture = args.runs / "confidence" / "reliability.png"
        describe(name, run, args.repository, extras, picture)
    configure(args.repository)


if __name__ == "__main__":
    main()
