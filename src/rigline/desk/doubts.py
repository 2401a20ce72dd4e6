"""What is in doubt about a job, in words that point at the body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rigline.avatar.body import JOINT_NAMES, MIRROR, PART_NAMES, SIDE
from rigline.triage.evidence import JOINT_STAGE, JobEvidence, broken_rules, measures_of
from rigline.triage.policy import Policy
from rigline.triage.subject import Subject

ASYMMETRY: Final = 0.03
"""Shares of height by which a joint may miss its mirror image before it is worth a word."""


@dataclass(frozen=True)
class Doubt:
    """One sentence about a stage, or about one joint (by the name of the part it turns).

    ``confidence`` in [0, 1]: the smaller, the more it matters.
    """

    stage: str
    joint: str | None
    text: str
    confidence: float


def doubts_of(evidence: JobEvidence, policy: Policy, subject: Subject) -> tuple[Doubt, ...]:
    """All that the policy doubts, the worst first, and joints that are far from symmetric."""
    limit = policy.limits_for(subject).review_below
    found = [
        Doubt(b.rule.stage, None, b.rule.reason_for(b.value), 0.0)
        for b in broken_rules(evidence, policy)
    ]
    told = {(doubt.stage, doubt.text) for doubt in found}
    for measure in measures_of(evidence, policy):
        text = measure.term.reason_for(measure.value)
        if measure.confidence >= limit or (measure.stage, text) in told:
            continue
        if measure.joint is not None:
            text = f"{joint_words(measure.joint)}: {text}"
        found.append(Doubt(measure.stage, measure.joint, text, measure.confidence))
    joints = evidence.get(JOINT_STAGE, {}).get("joints")
    if isinstance(joints, Mapping):
        found += _asymmetries(joints)
    return tuple(sorted(found, key=lambda doubt: doubt.confidence))


def joint_words(part: str) -> str:
    """How people call the joint of a part: ``LeftLowerArm`` is the left elbow."""
    if part not in PART_NAMES:
        return part
    name = JOINT_NAMES[PART_NAMES.index(part)]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _asymmetries(joints: Mapping[str, Any]) -> Iterator[Doubt]:
    for part, name in enumerate(PART_NAMES):
        residual = joints.get(name, {}).get("symmetry_residual", 0.0)
        if SIDE[part] > 0 and residual > ASYMMETRY:
            word = joint_words(name).removeprefix("left ")
            text = f"left and right {word} differ by {residual:.0%} of height"
            confidence = max(0.0, 1.0 - residual)
            yield Doubt(JOINT_STAGE, name, text, confidence)
            yield Doubt(JOINT_STAGE, PART_NAMES[MIRROR[part]], text, confidence)
