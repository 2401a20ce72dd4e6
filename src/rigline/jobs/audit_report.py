"""How the review queue fares: backlog, pace, agreement, and what slips through unreviewed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from rigline.db.ledger import Ledger
from rigline.jobs.conclusion import AUDIT_REASON
from rigline.review.decision import DecisionKind
from rigline.review.figures import QueueFigures
from rigline.triage.audit import AuditOutcome, Risk, estimate_risk, wilson_interval

AGES: Final = (timedelta(hours=1), timedelta(hours=8), timedelta(days=1), timedelta(days=7))
"""Upper bounds of the age groups; the last group is what is older."""


@dataclass(frozen=True)
class Agreement:
    """Of tickets that two people decided about, how many both decided alike, with its interval."""

    pairs: int
    alike: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """In [0, 1]; None without such tickets."""
        return self.alike / self.pairs if self.pairs else None


@dataclass(frozen=True)
class AuditReport:
    """The queue at ``now``, and what people did in the ``window`` before.

    ``backlog_by_age`` counts undecided tickets by the groups of ``AGES``, one more than those.
    ``median_time`` is from claim to decision. ``risk`` is that of all jobs ever accepted without a
    person.
    """

    now: datetime
    window: timedelta
    queue: QueueFigures
    backlog_by_age: tuple[int, ...]
    backlog_by_reason: Mapping[str, int]
    decided: Mapping[DecisionKind, int]
    median_time: timedelta | None
    agreement: Agreement
    risk: Risk


def audit_report(ledger: Ledger, now: datetime, window: timedelta) -> AuditReport:
    """The report, from one moment of the ledger."""
    with ledger.reading() as work:
        queue, waiting = work.tickets.figures(now), work.history.waiting()
        handled = work.history.handlings(now - window)
        pairs, judged = work.history.double_reviews(), work.history.judged()
    ages = Counter(age_group(now - ticket.created_at) for ticket in waiting)
    reasons = Counter(reason.split(":")[0] for ticket in waiting for reason in ticket.reasons)
    seconds = [one.time.total_seconds() for one in handled]
    outcomes = [
        AuditOutcome(one.kind != DecisionKind.APPROVE, one.audit_rate)
        for one in judged
        if AUDIT_REASON in one.reasons and one.audit_rate
    ]
    return AuditReport(
        now, window, queue, tuple(ages[group] for group in range(len(AGES) + 1)),
        dict(reasons.most_common()), Counter(one.kind for one in handled),
        timedelta(seconds=median(seconds)) if seconds else None,
        agreement_of(pairs), estimate_risk(outcomes),
    )  # fmt: skip


def agreement_of(pairs: Sequence[tuple[DecisionKind, DecisionKind]]) -> Agreement:
    """How often the two decisions of a pair are alike, with Wilson's 95 % interval."""
    alike = sum(first == second for first, second in pairs)
    low, high = wilson_interval(alike / len(pairs) if pairs else 0.0, float(len(pairs)))
    return Agreement(len(pairs), alike, low, high)


def age_group(age: timedelta) -> int:
    """The number of the group of ``AGES`` in which an age falls."""
    return sum(age >= bound for bound in AGES)
