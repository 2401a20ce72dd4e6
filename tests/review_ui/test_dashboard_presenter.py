"""The dashboard's figures, from a small past."""

from __future__ import annotations

from datetime import timedelta

import pytest

from review_ui.presenters import dashboard as d
from rigline.db.review_history import Handling, Judged, Waiting
from rigline.jobs.conclusion import AUDIT_REASON
from rigline.review.decision import DecisionKind
from tests.support.tickets import NOW, SECOND

APPROVE, REJECT = DecisionKind.APPROVE, DecisionKind.REJECT


def handling(seconds: int, kind: DecisionKind = APPROVE, days: int = 0) -> Handling:
    return Handling("t1", "ann", NOW - timedelta(days=days), kind, seconds * SECOND)


def test_the_backlog_is_counted_by_age_and_stage() -> None:
    waiting = [
        Waiting(NOW - timedelta(hours=3), ("rig, LeftHand: off", "cage: thin")),
        Waiting(NOW - timedelta(hours=4), ("rig: off",)),
        Waiting(NOW - timedelta(days=30), ()),
        Waiting(NOW, ("audit: drawn",)),
    ]
    assert d.backlog(waiting, NOW) == [
        d.BacklogCell("< 1 hour", "audit", 1), d.BacklogCell("< 1 day", "rig", 2),
        d.BacklogCell("older", "unknown", 1),
    ]  # fmt: skip


def test_pace() -> None:
    found = [handling(4), handling(8, REJECT), handling(9, days=1)]
    assert d.median_seconds(found) == 8
    assert d.median_seconds([]) is None
    today, yesterday = NOW.date(), NOW.date() - timedelta(days=1)
    assert d.throughput(found) == [
        d.DayCount(yesterday, "approve", 1), d.DayCount(today, "approve", 1),
        d.DayCount(today, "reject", 1),
    ]  # fmt: skip


def test_agreement_has_an_interval() -> None:
    assert d.agreement([]) is None
    found = d.agreement([(APPROVE, APPROVE)] * 3 + [(APPROVE, REJECT)])
    assert found is not None
    share, low, high = found
    assert share == 0.75
    assert 0 < low < 0.75 < high < 1


def test_risk_is_that_of_the_audits_alone() -> None:
    audited = [Judged(0.9, kind, (AUDIT_REASON,), 0.05) for kind in (APPROVE, APPROVE, REJECT)]
    others = [Judged(0.1, REJECT, ("rig: off",), 0.05), Judged(0.9, REJECT, (AUDIT_REASON,), None)]
    risk = d.audit_risk([*audited, *others])
    assert (risk.audited, risk.faulty) == (3, 1)
    assert risk.estimate == pytest.approx(1 / 3)


def test_reliability_bins_hold_what_was_believed() -> None:
    judged = [
        Judged(0.1, REJECT, (), None),
        Judged(0.15, APPROVE, (), None),
        Judged(1.0, APPROVE, (), None),
    ]
    low, high = d.reliability(judged)
    assert (low.confidence, low.approved, low.jobs) == (0.125, 0.5, 2)
    assert (high.confidence, high.approved) == (1.0, 1.0)
    assert low.low < 0.5 < low.high
