"""Confidence of each stage, the verdict over a job, and the reasons a person reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rigline.triage.audit import is_in_sample
from rigline.triage.evidence import (
    JOINT_STAGE,
    BrokenRule,
    JobEvidence,
    Measure,
    broken_rules,
    measures_of,
)  # fmt: skip
from rigline.triage.policy import Policy, Term, Verdict
from rigline.triage.subject import Subject

SEVERITY: Final[tuple[Verdict, ...]] = ("accept", "review", "reject")
"""The verdicts, mildest first."""

NAMED_JOINTS: Final = 3
"""How many joints a reason names before it counts the rest."""


@dataclass(frozen=True)
class Judgement:
    """``confidence`` in [0, 1] is that of the most doubtful stage; ``stage_confidence`` by name.

    ``reasons`` name every doubtful measure and broken rule, worst first; empty when the verdict is
    ``accept``. ``flagged`` are the stages below the threshold or against a rule, in running order,
    and ``flagged_joints`` the joints below it, worst first. ``audit`` marks an accepted job that
    was drawn at ``audit_rate``: the verdict stays, and a person looks nonetheless. ``priority`` is
    that of the ticket, should there be one; larger goes first.
    """

    confidence: float
    stage_confidence: Mapping[str, float]
    calibrated: bool
    verdict: Verdict
    reasons: tuple[str, ...]
    joint_confidence: Mapping[str, float] = field(default_factory=dict)
    flagged: tuple[str, ...] = ()
    flagged_joints: tuple[str, ...] = ()
    audit: bool = False
    audit_rate: float = 0.0
    priority: int = 0


def judge(
    evidence: JobEvidence,
    policy: Policy,
    subject: Subject | None = None,
    vetted: Collection[str] = (),
) -> Judgement:
    """Judge a job by the evidence of its stages.

    Stages without terms in the policy are not judged. Those that a person has ``vetted`` are beyond
    doubt, whatever they measured. A measure that is not finite is hopeless, and
    breaks every rule about it. The same evidence, policy and subject always give the same answer.
    Raises ``ContractViolation`` when the policy asks for evidence that a stage did not give.
    """
    subject = subject or Subject()
    limits = policy.limits_for(subject)
    measures = [m for m in measures_of(evidence, policy) if m.stage not in vetted]
    broken = [b for b in broken_rules(evidence, policy) if b.rule.stage not in vetted]
    by_stage, by_joint = _confidences(evidence, policy, measures)
    overall = min(by_stage.values(), default=0.0)
    verdict = _verdict(overall, limits.review_below, policy.reject_below, broken)
    against_rules = {found.rule.stage for found in broken}
    doubtful_joints = [name for name, c in by_joint.items() if c < limits.review_below]
    doubtful = [
        m
        for m in measures
        if m.confidence < limits.review_below and (m.joint is None or verdict != "accept")
    ]
    return Judgement(
        confidence=overall,
        stage_confidence=by_stage,
        calibrated=policy.calibrated,
        verdict=verdict,
        reasons=_reasons(doubtful, broken),
        joint_confidence=by_joint,
        flagged=tuple(
            stage
            for stage in evidence
            if stage in against_rules or by_stage.get(stage, 1.0) < limits.review_below
        ),
        flagged_joints=tuple(sorted(doubtful_joints, key=by_joint.__getitem__)),
        audit=verdict == "accept" and is_in_sample(policy, subject.id, limits.audit_rate),
        audit_rate=limits.audit_rate,
        priority=policy.priority_for(subject, overall),
    )


def _confidences(
    evidence: JobEvidence, policy: Policy, measures: Sequence[Measure]
) -> tuple[dict[str, float], dict[str, float]]:
    by_stage = {stage: 1.0 for stage in policy.stages if stage in evidence}
    by_joint: dict[str, float] = {}
    for measure in measures:
        stage, confidence = measure.stage, measure.confidence
        if measure.joint is None or policy.joints_count:
            by_stage[stage] = min(by_stage.get(stage, 1.0), confidence)
        if measure.joint is not None:
            by_joint[measure.joint] = min(by_joint.get(measure.joint, 1.0), confidence)
    return by_stage, by_joint


def _verdict(
    confidence: float, review_below: float, reject_below: float, broken: Sequence[BrokenRule]
) -> Verdict:
    verdicts: list[Verdict] = ["accept", *(found.rule.verdict for found in broken)]
    if confidence < review_below:
        verdicts.append("reject" if confidence < reject_below else "review")
    return max(verdicts, key=SEVERITY.index)


def _reasons(doubtful: Sequence[Measure], broken: Sequence[BrokenRule]) -> tuple[str, ...]:
    """Broken rules first, then measures by doubt; a measure that breaks a rule is named once."""
    ranked = [(-float(SEVERITY.index(found.rule.verdict)), _rule_reason(found)) for found in broken]
    told = {(found.rule.stage, found.rule.evidence) for found in broken}
    by_joint_term: dict[Term, list[Measure]] = {}
    for measure in doubtful:
        if measure.joint is not None:
            by_joint_term.setdefault(measure.term, []).append(measure)
        elif (measure.stage, measure.term.evidence) not in told:
            reason = f"{measure.stage}: {measure.term.reason_for(measure.value)}"
            ranked.append((measure.confidence, reason))
    for term, measures in by_joint_term.items():
        worst_first = sorted(measures, key=lambda m: m.confidence)
        joints = _listed([str(m.joint) for m in worst_first])
        reason = f"{JOINT_STAGE}, {joints}: {term.reason_for(worst_first[0].value)}"
        ranked.append((worst_first[0].confidence, reason))
    return tuple(text for _, text in sorted(ranked))


def _rule_reason(found: BrokenRule) -> str:
    return f"{found.rule.stage}: {found.rule.reason_for(found.value)}"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:NAMED_JOINTS])
    if len(names) > NAMED_JOINTS:
        return f"{', '.join(shown)} and {len(names) - NAMED_JOINTS} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
