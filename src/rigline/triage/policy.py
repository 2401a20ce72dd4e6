"""A policy: which evidence is doubtful, and how much doubt sends a job to a person.

Each term turns one measure into a confidence, by a straight line between a value that is fine and
one that is hopeless, or by a logistic curve that was fitted to cases whose outcome is known; a
stage is as sure as its most doubtful term, and a job as its most doubtful stage. ``calibrated``
is false until the numbers have been fitted to what reviewers accepted.

Beside the terms stand rules that no confidence outweighs, overrides for some creators and batches,
priorities of tickets, and the share of accepted jobs that is audited.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rigline.triage.subject import Subject

Share = Annotated[float, Field(ge=0, le=1)]
Verdict = Literal["accept", "review", "reject"]

EVERY_JOINT: Final = "all"
"""The key of ``Policy.joints`` whose terms hold for joints without terms of their own."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Curve = Literal["straight", "logistic"]

LOGISTIC_ENDS: Final = 0.9
"""The confidence of a logistic term at ``good``; at ``bad`` it is as far from 0."""

LEAST_MEASURE: Final = 1e-6
"""Logistic terms go by the logarithm of a measure, and take smaller ones for this."""


class Term(_Frozen):
    """One measure of a stage. ``reason`` is what a person reads when it is doubtful; ``{value}``,
    ``{good}`` and ``{bad}`` stand for numbers and take a format, as in ``{value:.1%}``."""

    evidence: str
    good: float
    bad: float
    reason: str
    curve: Curve = "straight"

    @model_validator(mode="after")
    def _distinct(self) -> Term:
        if self.good == self.bad:
            raise ValueError(f"good and bad of {self.evidence!r} must differ")
        if self.curve == "logistic" and min(self.good, self.bad) < LEAST_MEASURE:
            raise ValueError(f"good and bad of {self.evidence!r} must be positive: it is logistic")
        _check_reason(self.reason, value=1.0, good=1.0, bad=1.0)
        return self

    def confidence(self, value: float) -> float:
        """How sure the term is of a finite measure, in [0, 1].

        Straight: 1 at ``good`` and beyond, 0 at ``bad`` and beyond. Logistic: 0.9 at ``good``, 0.1
        at ``bad``, over the logarithm of the measure.
        """
        if self.curve == "straight":
            share = (value - self.bad) / (self.good - self.bad)
            return min(1.0, max(0.0, share))
        share = math.log(max(value, LEAST_MEASURE) / self.bad) / math.log(self.good / self.bad)
        log_odds = (2 * share - 1) * math.log(LOGISTIC_ENDS / (1 - LOGISTIC_ENDS))
        return 1 / (1 + math.exp(-min(max(log_odds, -500.0), 500.0)))

    def reason_for(self, value: float) -> str:
        """The sentence about this value."""
        return self.reason.format(value=value, good=self.good, bad=self.bad)


class Rule(_Frozen):
    """A hard rule: a measure ``above`` or ``below`` its limit makes the verdict at least this.

    Exactly one limit is given. ``{value}`` and ``{limit}`` in ``reason`` stand for numbers.
    """

    stage: str
    evidence: str
    above: float | None = None
    below: float | None = None
    verdict: Literal["review", "reject"]
    reason: str

    @model_validator(mode="after")
    def _meant(self) -> Rule:
        if (self.above is None) == (self.below is None):
            raise ValueError(f"the rule on {self.evidence!r} needs either above or below")
        _check_reason(self.reason, value=1.0, limit=1.0)
        return self

    @property
    def limit(self) -> float:
        """The number that must not be passed."""
        return self.above if self.above is not None else self.below or 0.0

    def is_broken_by(self, value: float) -> bool:
        """Whether the value lies beyond the limit; NaN does."""
        return not (value <= self.limit if self.above is not None else value >= self.limit)

    def reason_for(self, value: float) -> str:
        """The sentence about this value."""
        return self.reason.format(value=value, limit=self.limit)


class _ForSome(_Frozen):
    """For jobs whose creator and batch fit the patterns (``*``, ``?``, ``[abc]``; case counts)."""

    creator: str | None = None
    batch: str | None = None

    def fits(self, subject: Subject) -> bool:
        """Whether all patterns that are given fit; an unknown creator or batch fits none."""
        pairs = ((self.creator, subject.creator), (self.batch, subject.batch))
        return all(
            pattern is None or (name is not None and fnmatchcase(name, pattern))
            for pattern, name in pairs
        )


class Override(_ForSome):
    """Other limits, stricter or looser, for some creators or batches."""

    review_below: Share | None = None
    audit_rate: Share | None = None

    @model_validator(mode="after")
    def _meant(self) -> Override:
        if self.creator is None and self.batch is None:
            raise ValueError("an override needs a creator or a batch")
        if self.review_below is None and self.audit_rate is None:
            raise ValueError("an override needs review_below or audit_rate")
        return self


class Priority(_ForSome):
    """The priority of tickets that fulfil every condition given; larger numbers go first."""

    priority: int = Field(ge=-1000, le=1000)
    confidence_below: Share | None = None

    @model_validator(mode="after")
    def _meant(self) -> Priority:
        if self.creator is None and self.batch is None and self.confidence_below is None:
            raise ValueError("a priority needs a creator, a batch or confidence_below")
        return self


@dataclass(frozen=True)
class Limits:
    """What holds for one job once the overrides have been applied."""

    review_below: float
    audit_rate: float


class Policy(_Frozen):
    """Terms by stage and by joint, rules, and the confidences below which a job is reviewed or
    rejected. A job is as sure as its most doubtful joint if ``joints_count``; else doubtful joints
    are only pointed out to whoever reviews it. Whoever changes a policy raises its ``version``:
    verdicts are recorded with it."""

    name: str
    version: int
    calibrated: bool
    review_below: Share
    reject_below: Share = 0.0
    audit_rate: Share = 0.0
    stages: Mapping[str, tuple[Term, ...]]
    joints: Mapping[str, tuple[Term, ...]] = {}
    joints_count: bool = True
    rules: tuple[Rule, ...] = ()
    overrides: tuple[Override, ...] = ()
    priorities: tuple[Priority, ...] = ()

    def joint_terms(self, joint: str) -> tuple[Term, ...]:
        """The terms for a joint: its own, and those for every joint on its other measures."""
        own = self.joints.get(joint, ()) if joint != EVERY_JOINT else ()
        named = {term.evidence for term in own}
        general = self.joints.get(EVERY_JOINT, ())
        return (*own, *(term for term in general if term.evidence not in named))

    def limits_for(self, subject: Subject) -> Limits:
        """The limits for a job. Of several overrides that fit, the later one wins, per limit."""
        review_below, audit_rate = self.review_below, self.audit_rate
        for override in self.overrides:
            if override.fits(subject):
                if override.review_below is not None:
                    review_below = override.review_below
                if override.audit_rate is not None:
                    audit_rate = override.audit_rate
        return Limits(review_below, audit_rate)

    def priority_for(self, subject: Subject, confidence: float) -> int:
        """The largest priority among those whose conditions hold; 0 when none does."""
        return max(
            (
                entry.priority
                for entry in self.priorities
                if entry.fits(subject)
                and (entry.confidence_below is None or confidence < entry.confidence_below)
            ),
            default=0,
        )


def _check_reason(reason: str, **numbers: float) -> None:
    try:
        reason.format(**numbers)
    except (LookupError, AttributeError) as error:
        raise ValueError(f"the reason {reason!r} names an unknown {error}") from error
