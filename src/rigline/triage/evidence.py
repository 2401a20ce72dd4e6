"""Reading evidence as a policy asks for it: measures, and rules that are broken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rigline.errors import ContractViolation
from rigline.triage.policy import EVERY_JOINT, Policy, Rule, Term

StageEvidence = Mapping[str, Any]
JobEvidence = Mapping[str, StageEvidence]
"""Evidence of the stages that ran, by name, in the order in which they ran."""

JOINT_STAGE: Final = "rig"
"""The stage whose evidence ``joints`` holds measures by joint."""


@dataclass(frozen=True)
class Measure:
    """One value that a term judges; ``joint`` is None for a measure of the whole stage."""

    stage: str
    joint: str | None
    term: Term
    value: float

    @property
    def confidence(self) -> float:
        """The term's confidence; a measure that is not finite is hopeless."""
        return self.term.confidence(self.value) if math.isfinite(self.value) else 0.0


@dataclass(frozen=True)
class BrokenRule:
    """A hard rule and the value that breaks it."""

    rule: Rule
    value: float


def measures_of(evidence: JobEvidence, policy: Policy) -> tuple[Measure, ...]:
    """The values of all terms whose stage ran, stages first.

    Raises ``ContractViolation`` when the policy asks for evidence that a stage did not give.
    """
    by_stage = (
        Measure(stage, None, term, _number(stage, term.evidence, evidence[stage]))
        for stage, terms in policy.stages.items()
        if stage in evidence
        for term in terms
    )
    return (*by_stage, *_measures_of_joints(evidence, policy))


def broken_rules(evidence: JobEvidence, policy: Policy) -> tuple[BrokenRule, ...]:
    """The rules that the evidence breaks, in the policy's order. Without its stage none breaks.

    Raises ``ContractViolation`` when the policy asks for evidence that a stage did not give.
    """
    values = (
        BrokenRule(rule, _number(rule.stage, rule.evidence, evidence[rule.stage]))
        for rule in policy.rules
        if rule.stage in evidence
    )
    return tuple(
        found
        for found in values
        if not math.isfinite(found.value) or found.rule.is_broken_by(found.value)
    )


def as_measured(value: Any) -> Any:
    """Stored evidence as the stage gave it: JSON has no NaN, and holds null in its place."""
    if isinstance(value, Mapping):
        return {name: as_measured(inner) for name, inner in value.items()}
    return math.nan if value is None else value


def _measures_of_joints(evidence: JobEvidence, policy: Policy) -> Iterator[Measure]:
    if not policy.joints or JOINT_STAGE not in evidence:
        return
    joints = evidence[JOINT_STAGE].get("joints")
    if not isinstance(joints, Mapping):
        raise ContractViolation(f"The policy judges joints, and {JOINT_STAGE} gave none.")
    unknown = [name for name in policy.joints if name != EVERY_JOINT and name not in joints]
    if unknown:
        raise ContractViolation(
            f"The policy judges {', '.join(unknown)}, which {JOINT_STAGE} does not know.",
            remedy=f"Its joints are {', '.join(joints)}.",
        )
    for joint, measured in joints.items():
        for term in policy.joint_terms(joint):
            value = _number(f"the joint {joint}", term.evidence, measured)
            yield Measure(JOINT_STAGE, joint, term, value)


def _number(whose: str, name: str, evidence: StageEvidence) -> float:
    value = evidence.get(name)
    if not isinstance(value, int | float):
        raise ContractViolation(
            f"The policy asks {whose} for {name!r}, which is no number of its evidence.",
            remedy=f"It gives {', '.join(k for k, v in evidence.items() if _is_number(v))}.",
        )
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
