"""Scores over a folder of predictions, and their means and medians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rigline.avatar.body import JOINT_NAMES
from rigline.errors import InvalidInput
from rigline.evaluation.metrics import METRICS, Scores, score_rig
from rigline.evaluation.rigs import read_rig, read_truth
from rigline.formats.isolation import Isolation
from rigline.formats.limits import Limits


@dataclass(frozen=True)
class Evaluation:
    """Scores by character, characters without a prediction, and those whose prediction failed."""

    scores: dict[str, Scores]
    missing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: means, medians, failures, and every character's scores; NaN as null."""
        return {**summary_of(self), "models": _plain(self.scores)}


def find_prediction(folder: Path, name: str) -> Path | None:
    """``NAME.glb``, ``NAME.avatar.glb``, ``NAME.fbx`` or ``NAME.npz`` in a folder."""
    for suffix in (".glb", ".avatar.glb", ".fbx", ".npz"):
        path = folder / f"{name}{suffix}"
        if path.exists():
            return path
    return None


def known_truth(folder: Path) -> list[str]:
    """Names of all characters that a folder has truth for; ``InvalidInput`` when there is none."""
    names = sorted(path.stem for path in folder.glob("*.npz"))
    if not names:
        raise InvalidInput(
            f"{folder} holds no truth.", remedy="Name a folder with one ID.npz per character."
        )
    return names


def evaluate(
    predictions: Path,
    truth: Path,
    names: Sequence[str],
    align: bool = True,
    on_scored: Callable[[str], None] = lambda name: None,
    *,
    limits: Limits | None = None,
    isolation: Isolation | None = None,
) -> Evaluation:
    """Score each character; a broken prediction is counted and stops no other.

    With ``isolation`` predictions are read in a process of their own. Raises what that process
    itself fails with (``ServiceUnavailable``, ``ContractViolation``): no prediction is to blame.
    """
    result = Evaluation({})
    for name in names:
        path = find_prediction(predictions, name)
        if path is None:
            result.missing.append(name)
        else:
            reference = read_truth(truth / f"{name}.npz")
            try:
                result.scores[name] = score_rig(reference, read_rig(path, limits, isolation), align)
            except InvalidInput as error:
                result.failed[name] = str(error)
        on_scored(name)
    return result


def summary_of(evaluation: Evaluation) -> dict[str, Any]:
    """Means and medians over the characters scored, and how many were not."""
    scores = list(evaluation.scores.values())

    def over(function: Callable[[list[float]], Any], metric: str) -> float | None:
        values = [s[metric] for s in scores if s[metric] is not None]
        return float(function(values)) if values else None

    by_joint = {
        joint: [s["joint_err"][joint] for s in scores if joint in s["joint_err"]]
        for joint in JOINT_NAMES
    }
    poses = [p for s in scores for p in s["deform"].values()]
    return {
        "summary": {
            metric: {"mean": over(np.mean, metric), "median": over(np.median, metric)}
            for metric in METRICS
        },
        "per_joint": {joint: float(np.mean(e)) for joint, e in by_joint.items() if e},
        "n": len(scores) + len(evaluation.missing) + len(evaluation.failed),
        "scored": len(scores),
        "failures": len(evaluation.missing) + len(evaluation.failed),
        "missing": evaluation.missing,
        "failed": evaluation.failed,
        "lr_swapped": sum(s["lr_swapped"] for s in scores),
        "missing_joints": sum(len(s["joint_missing"]) for s in scores),
        "poses_not_scored": sum(p is None for p in poses),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
