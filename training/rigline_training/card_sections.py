"""The sections of a model card: training, members, real characters, confidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

RIGGING = "avatar_rigging"

TRAINING, MEMBERS = "## Training\n\n", "## Members\n\n"


@dataclass(frozen=True)
class Extras:
    """What cards tell beside the run: scores on real characters, of the likeness head, what
    confidence is worth, the records of runs before, and the members' runs. Each may be missing."""

    real: dict[str, Any] | None
    likeness: dict[str, float] | None
    confidence: dict[str, Any] | None
    before: tuple[dict[str, Any], ...] = ()
    members: tuple[Path, ...] = ()


def training_section(name: str, run: Path, extras: Extras) -> str:
    """What a card tells of the run that its (large) network came from."""
    record, kept = record_of(run), _scores(run)
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


def members_section(runs: Sequence[Path], shares: Sequence[float]) -> str:
    records = [record_of(run) for run in runs]
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
        f"{MEMBERS}Beside the large network the file asks "
        + ("a smaller one" if len(runs) == 1 else f"{len(runs)} smaller ones")
        + ", trained from nothing and apart from it. A joint is the\nmean of their answers, each "
        f"weighted by its share ({shares[0]:.0%} for the large one, {shares[-1]:.0%} for a smaller "
        "one)\ndivided by the variance that it expects.\n"
        "On synthetic characters that were not trained on, single view (joint error in % of height "
        "/\npart accuracy in %):\n\n"
        "| network | seed | characters | steps | minutes | usual | paper dolls |\n"
        f"|---|--:|--:|--:|--:|--:|--:|\n{rows}\n\n"
        + "; ".join(f"Code `{code}`, data sha256 `{data}`" for code, data in made)
        + ".\n\n![learning curves of the members](members.png)\n"
    )


def record_of(run: Path) -> dict[str, Any]:
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


def real_section(extras: Extras) -> str:
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


def confidence_section(extras: Extras) -> str:
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
