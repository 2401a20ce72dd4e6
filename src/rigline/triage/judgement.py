"""Confidence of each stage, the verdict over a job, and the reasons a person reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rigline.errors import ContractViolation
from rigline.triage.policy import Policy, Term, Verdict

StageEvidence = Mapping[str, Any]


@dataclass(frozen=True)
class Judgement:
    """``confidence`` in [0, 1] is that of the most doubtful stage; ``stage_confidence`` by name.

    ``reasons`` name every doubtful measure, worst first; empty when the verdict is ``accept``.
    """

    confidence: float
    stage_confidence: Mapping[str, float]
    calibrated: bool
    verdict: Verdict
    reasons: tuple[str, ...]


def judge(evidence: Mapping[str, StageEvidence], policy: Policy) -> Judgement:
    """Judge a job by the evidence of its stages.

    Stages without terms in the policy are not judged. A measure that is not finite is hopeless.
    Raises ``ContractViolation`` when the policy asks for evidence that a stage did not give.
    """
    doubts: list[tuple[float, str]] = []
    by_stage: dict[str, float] = {}
    for stage, terms in policy.stages.items():
        if stage not in evidence:
            continue
        by_stage[stage] = 1.0
        for term in terms:
            value = _measure(stage, term, evidence[stage])
            confidence = term.confidence(value) if math.isfinite(value) else 0.0
            by_stage[stage] = min(by_stage[stage], confidence)
            if confidence < policy.review_below:
                doubts.append((confidence, _reason(stage, term, value)))
    overall = min(by_stage.values(), default=0.0)
    verdict: Verdict = "accept"
    if overall < policy.review_below:
        verdict = "reject" if overall < policy.reject_below else "review"
    reasons = tuple(text for _, text in sorted(doubts))
    return Judgement(overall, by_stage, policy.calibrated, verdict, reasons)


def _measure(stage: str, term: Term, evidence: StageEvidence) -> float:
    value = evidence.get(term.evidence)
    if not isinstance(value, int | float):
        raise ContractViolation(
            f"The policy asks {stage} for {term.evidence!r}, which is no number of its evidence.",
            remedy=f"It gives {', '.join(k for k, v in evidence.items() if _is_number(v))}.",
        )
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _reason(stage: str, term: Term, value: float) -> str:
    return f"{stage}: {term.reason.format(value=value, good=term.good, bad=term.bad)}"
