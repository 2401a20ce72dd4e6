"""What the policy's confidence is worth on style families that nothing was trained on.

Reads the assessments of the held-out families. One family calibrates: ``--fit`` finds, for the
terms of the policy that can be judged there, the two ends for which the job's confidence is nearest
to "the result is acceptable", and a joint's to "it is within 5 %" (Brier score, Brier 1950). The
others only report: area under the ROC curve, calibration error, reliability diagrams.

    python -m rigline_training.confidence --assessment runs/assessment --out runs/confidence --fit
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from rigline.avatar.body import PART_NAMES
from rigline.bootstrap import load_policy
from rigline.triage.judgement import judge
from rigline.triage.policy import Policy, Term
from rigline_training.assessment import ACCEPTABLE_ERROR
from rigline_training.character import Floats
from rigline_training.held_out_families import REPORTING, SELECTION

BINS = 10

FITTED = {
    "jobs": (("segment", "view_disagreement"), ("rig", "expected_error")),
    "joints": (("joint", "expected_error"),),
}
"""The logistic terms that are fitted, those of jobs and those of joints apart."""

FARTHEST = 9.0
"""The largest logarithm that an end may have, either way."""

FLATTEST = 0.35
"""The least distance of a term's ends, in logarithms: nearer ones would be a step."""


@dataclass(frozen=True)
class Cases:
    """``confidence (n,)`` beside whether it ``held (n,)``."""

    confidence: Floats
    held: Floats

    def auroc(self) -> float | None:
        """Chance that a bad case has less confidence than a good one; None without both."""
        bad = self.held < 0.5
        if bad.all() or not bad.any():
            return None
        ranks = rankdata(-self.confidence)
        n_bad, n_good = bad.sum(), (~bad).sum()
        return float((ranks[bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))

    def calibration_error(self) -> float:
        """Mean gap between confidence and share that held, over ten bins, weighted by size."""
        return sum(abs(c - h) * n for c, h, n in self.bins()) / len(self.held)

    def bins(self) -> list[tuple[float, float, int]]:
        """Mean confidence, share that held and count, of every bin that holds any."""
        index = np.minimum((self.confidence * BINS).astype(int), BINS - 1)
        filled = [index == b for b in range(BINS) if (index == b).any()]
        return [
            (float(self.confidence[f].mean()), float(self.held[f].mean()), int(f.sum()))
            for f in filled
        ]

    def brier(self) -> float:
        return float(np.mean((self.confidence - self.held) ** 2))


def cases_of(found: Sequence[Mapping[str, Any]], policy: Policy) -> tuple[Cases, Cases]:
    """The jobs of a family, and all their joints."""
    confidence, held, joint_confidence, joint_held = [], [], [], []
    for one in found:
        judged = judge(one["evidence"], policy)
        confidence.append(judged.confidence)
        held.append(float(one["acceptable"]))
        joint_confidence += [judged.joint_confidence.get(name, 1.0) for name in PART_NAMES]
        joint_held += [float(error <= ACCEPTABLE_ERROR) for error in one["joint_error"]]
    return (
        Cases(np.array(confidence), np.array(held)),
        Cases(np.array(joint_confidence), np.array(joint_held)),
    )


def with_ramps(policy: Policy, ramps: Mapping[tuple[str, str], tuple[float, float]]) -> Policy:
    """The policy with other ends of some ramps."""

    def replaced(group: str, terms: Sequence[Term]) -> tuple[Term, ...]:
        out = []
        for term in terms:
            ends = ramps.get((group, term.evidence))
            out.append(term.model_copy(update={"good": ends[0], "bad": ends[1]}) if ends else term)
        return tuple(out)

    return policy.model_copy(
        update={
            "stages": {k: replaced(k, v) for k, v in policy.stages.items()},
            "joints": {k: replaced("joint", v) for k, v in policy.joints.items()},
        }
    )


def fitted(policy: Policy, found: Sequence[Mapping[str, Any]]) -> Policy:
    """The policy with the ends of its logistic terms that fit one family best. Deterministic.

    Jobs and joints are fitted apart, which is right for a policy whose joints do not count.
    """
    for k, which in enumerate(FITTED.values()):
        policy = _fitted_terms(policy, found, which, k)
    return policy


def _fitted_terms(
    policy: Policy, found: Sequence[Mapping[str, Any]], which: Sequence[tuple[str, str]], kind: int
) -> Policy:
    terms = [
        (group, term)
        for group, name in which
        for term in (policy.joints["all"] if group == "joint" else policy.stages[group])
        if term.evidence == name and term.curve == "logistic"
    ]
    start = np.log([end for _, term in terms for end in (term.good, term.bad)])

    def policy_at(x: Floats) -> Policy:
        ends = np.exp(x).reshape(-1, 2)
        return with_ramps(
            policy,
            {
                (group, term.evidence): (float(good), float(bad))
                for (group, term), (good, bad) in zip(terms, ends, strict=True)
            },
        )

    def cost(x: Floats) -> float:
        ends = x.reshape(-1, 2)
        turn = np.sign([np.log(t.good / t.bad) for _, t in terms])
        apart = (ends[:, 0] - ends[:, 1]) * turn
        beyond = max(FLATTEST - apart.min(), 0.0) + max(np.abs(x).max() - FARTHEST, 0.0)
        if beyond > 0:
            return 10.0 + beyond
        return cases_of(found, policy_at(x))[kind].brier()

    best = minimize(cost, start, method="Powell", options={"maxiter": 8, "xtol": 0.01})
    return policy_at(best.x)


def reliability_picture(families: Mapping[str, tuple[Cases, Cases]], path: Path) -> None:
    """Share that held over confidence, for jobs and for joints, one line a family."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4))
    for axis, k, title in zip(axes, (0, 1), ("whole avatars", "joints"), strict=True):
        axis.plot([0, 1], [0, 1], color="0.8")
        for name, cases in families.items():
            bins = cases[k].bins()
            axis.plot([b[0] for b in bins], [b[1] for b in bins], marker=".", label=name)
        axis.set(title=title, xlabel="confidence", ylabel="share that was right")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.02)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)


def summary_of(cases: tuple[Cases, Cases], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    jobs, joints = cases
    return {
        "characters": len(jobs.held),
        "joint_error": float(np.mean([f["joint_error"] for f in found])),
        "part_accuracy": float(np.mean([f["accuracy"] for f in found])),
        "front_right": float(np.mean([f["front_right"] for f in found])),
        "not_acceptable": float(1 - jobs.held.mean()),
        "auroc": jobs.auroc(),
        "calibration_error": jobs.calibration_error(),
        "auroc_joints": joints.auroc(),
        "calibration_error_joints": joints.calibration_error(),
    }


def main() -> None:
    p = argparse.ArgumentParser(description="Measure confidence on the held-out families.")
    p.add_argument("--assessment", type=Path, required=True, help="folder with FAMILY.json")
    p.add_argument("--policy", type=Path, help="policy; by default the one that ships")
    p.add_argument("--fit", action="store_true", help="fit the ramps on the calibration family")
    p.add_argument("--out", type=Path, required=True, help="folder for figures and picture")
    args = p.parse_args()
    found = {
        name: json.loads((args.assessment / f"{name}.json").read_text())
        for name in (SELECTION, *REPORTING)
    }
    policy = load_policy(args.policy)
    if args.fit:
        policy = fitted(policy, found[SELECTION])
        for group, terms in {**policy.stages, "joint": policy.joints["all"]}.items():
            for term in terms:
                print(f"{group} {term.evidence}: good {term.good:.4g}, bad {term.bad:.4g}")
    cases = {name: cases_of(subjects, policy) for name, subjects in found.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    reliability_picture(cases, args.out / "reliability.png")
    figures = {name: summary_of(cases[name], found[name]) for name in found}
    (args.out / "confidence.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
