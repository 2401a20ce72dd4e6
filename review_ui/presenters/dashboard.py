"""The dashboard's figures, from what the ledger remembers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Final

from rigline.db.review_history import Handling, Judged, Waiting
from rigline.jobs.conclusion import AUDIT_REASON
from rigline.review.decision import DecisionKind
from rigline.triage.audit import AuditOutcome, Risk, estimate_risk, wilson_interval

AGES: Final = (
    ("< 1 hour", timedelta(hours=1)),
    ("< 1 day", timedelta(days=1)),
    ("< 1 week", timedelta(weeks=1)),
    ("older", timedelta.max),
)
BINS: Final = 5
"""Bins of confidence, equally wide."""


@dataclass(frozen=True)
class BacklogCell:
    """How many tickets of an age wait for a reason."""

    age: str
    reason: str
    tickets: int


@dataclass(frozen=True)
class DayCount:
    """Decisions of one kind on one day (UTC)."""

    day: date
    kind: str
    decisions: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Jobs believed with a confidence within a bin: their mean confidence, and the share that a
    person approved, with its interval."""

    confidence: float
    approved: float
    low: float
    high: float
    jobs: int


def backlog(waiting: Iterable[Waiting], now: datetime) -> list[BacklogCell]:
    """The backlog by age and by the stage that the first reason names."""
    counts: Counter[tuple[str, str]] = Counter()
    for ticket in waiting:
        counts[_age(now - ticket.created_at), _about(ticket.reasons)] += 1
    order = [name for name, _ in AGES]
    return [
        BacklogCell(age, reason, count)
        for (age, reason), count in sorted(
            counts.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def throughput(handlings: Iterable[Handling]) -> list[DayCount]:
    """Decisions by day and kind, oldest first."""
    counts = Counter((h.decided_at.date(), str(h.kind)) for h in handlings)
    return [DayCount(day, kind, count) for (day, kind), count in sorted(counts.items())]


def median_seconds(handlings: Sequence[Handling]) -> float | None:
    """The median time from claim to decision, in seconds; None without decisions."""
    return median(h.time.total_seconds() for h in handlings) if handlings else None


def agreement(
    pairs: Sequence[tuple[DecisionKind, DecisionKind]],
) -> tuple[float, float, float] | None:
    """The share of double-reviewed tickets with the same decision, and its 95 % interval."""
    if not pairs:
        return None
    share = sum(first == second for first, second in pairs) / len(pairs)
    return share, *wilson_interval(share, len(pairs))


def audit_risk(judged: Iterable[Judged]) -> Risk:
    """The risk of what is accepted, from those audits that a person has decided."""
    return estimate_risk(
        AuditOutcome(found.kind != DecisionKind.APPROVE, found.audit_rate)
        for found in judged
        if AUDIT_REASON in found.reasons and found.audit_rate
    )


def reliability(judged: Sequence[Judged]) -> list[ReliabilityBin]:
    """Confidence against acceptance; bins without jobs are left out."""
    found = []
    for number in range(BINS):
        within = [j for j in judged if min(int(j.confidence * BINS), BINS - 1) == number]
        if within:
            share = sum(j.kind == DecisionKind.APPROVE for j in within) / len(within)
            mean = sum(j.confidence for j in within) / len(within)
            interval = wilson_interval(share, len(within))
            found.append(ReliabilityBin(mean, share, *interval, len(within)))
    return found


def _age(age: timedelta) -> str:
    return next(name for name, limit in AGES if age < limit)


def _about(reasons: Sequence[str]) -> str:
    """The stage that a reason begins with: ``rig, LeftHand: …`` is about ``rig``."""
    if not reasons:
        return "unknown"
    return reasons[0].partition(":")[0].partition(",")[0]
