"""A policy: which evidence is doubtful, and how much doubt sends a job to a person.

A first policy is a table of plain thresholds. Each term turns one measure into a confidence by a
straight line between a value that is fine and one that is hopeless; a stage is as sure as its most
doubtful term, and a job as its most doubtful stage. Such numbers rank jobs but are no
probabilities: ``calibrated`` says so until they have been fitted to what reviewers accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Verdict = Literal["accept", "review", "reject"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Term(_Frozen):
    """One measure of a stage. ``reason`` is what a person reads when it is doubtful; ``{value}``,
    ``{good}`` and ``{bad}`` stand for numbers and take a format, as in ``{value:.1%}``."""

    evidence: str
    good: float
    bad: float
    reason: str

    @model_validator(mode="after")
    def _distinct(self) -> Term:
        if self.good == self.bad:
            raise ValueError(f"good and bad of {self.evidence!r} must differ")
        try:
            self.reason.format(value=1.0, good=1.0, bad=1.0)
        except (LookupError, AttributeError) as error:
            raise ValueError(f"the reason {self.reason!r} names an unknown {error}") from error
        return self

    def confidence(self, value: float) -> float:
        """1 at ``good`` and beyond, 0 at ``bad`` and beyond, straight in between."""
        share = (value - self.bad) / (self.good - self.bad)
        return min(1.0, max(0.0, share))


class Policy(_Frozen):
    """Terms by stage, and the confidences below which a job is reviewed or rejected."""

    name: str
    version: int
    calibrated: bool
    review_below: Share
    reject_below: Share = 0.0
    audit_rate: Share = 0.0
    stages: Mapping[str, tuple[Term, ...]]
