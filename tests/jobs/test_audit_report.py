"""The audit report counts what people found, and says how sure it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rigline.db.ledger import Ledger
from rigline.jobs.audit_report import AGES, age_group, agreement_of, audit_report
from rigline.jobs.resumption import carry_out_due
from rigline.review.decision import Approval, DecisionKind, RejectCode, Rejection
from tests.support.small_jobs import Office

APPROVE, REJECT = DecisionKind.APPROVE, DecisionKind.REJECT
DAY = timedelta(days=1)


def test_risk_is_the_share_of_audited_jobs_that_people_refused(ledger: Ledger) -> None:
    office = Office(ledger).judging(audit_rate=1.0)
    for number in range(4):
        office.in_review(b"one two three %d" % number)
    office.decide(Rejection(RejectCode.BROKEN_MESH), "d0")
    for number in (1, 2):
        office.decide(Approval(), f"d{number}")
    carry_out_due(ledger, office.clock())
    report = audit_report(ledger, office.clock(), DAY)
    assert (report.risk.audited, report.risk.faulty) == (3, 1)
    assert report.risk.estimate == pytest.approx(1 / 3)
    assert report.risk.low < 1 / 3 < report.risk.high
    assert report.queue.backlog == 1
    assert report.decided == {APPROVE: 2, REJECT: 1}
    assert report.median_time == timedelta(seconds=1)
    assert report.backlog_by_age == (1, 0, 0, 0, 0)
    assert report.backlog_by_reason == {"audit": 1}
    office.clock.wait(2 * DAY)
    later = audit_report(ledger, office.clock(), DAY)
    assert (later.decided, later.median_time) == ({}, None)
    assert later.backlog_by_age == (0, 0, 0, 1, 0)
    assert later.risk.audited == 3


def test_a_job_that_was_doubted_tells_nothing_of_the_risk(ledger: Ledger) -> None:
    office = Office(ledger).judging(review_below=1.0)
    office.in_review()
    office.decide(Rejection(RejectCode.BROKEN_MESH))
    report = audit_report(ledger, office.clock(), DAY)
    assert (report.risk.estimate, report.risk.low, report.risk.high) == (None, 0.0, 1.0)


def test_agreement() -> None:
    found = agreement_of([(APPROVE, APPROVE), (APPROVE, REJECT), (REJECT, REJECT)])
    assert (found.pairs, found.alike, found.share) == (3, 2, pytest.approx(2 / 3))
    assert found.low < 2 / 3 < found.high
    assert agreement_of([]).share is None


def test_ages_fall_in_groups() -> None:
    assert [age_group(timedelta()), age_group(AGES[0]), age_group(8 * DAY)] == [0, 1, len(AGES)]
