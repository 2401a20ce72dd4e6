"""The audit: a fair, stable draw, and an interval that covers the truth."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest

from rigline.errors import InvalidInput
from rigline.triage.audit import (
    AuditOutcome,
    draw,
    estimate_risk,
    is_in_sample,
    wilson_interval,
)
from rigline.triage.policy import Policy

PUBLISHED = 0.5922610441600252
"""Pinned: audit rows of the past say who was drawn, so the draw may never move."""

IDS = [f"job-{n}" for n in range(10_000)]


def policy(version: int = 1, name: str = "test") -> Policy:
    return Policy(name=name, version=version, calibrated=False, review_below=0.5, stages={})


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("version", [1, 2])
def test_the_share_drawn_is_the_rate(rate: float, version: int) -> None:
    drawn = sum(is_in_sample(policy(version), name, rate) for name in IDS)
    spread = math.sqrt(len(IDS) * rate * (1 - rate))
    assert abs(drawn - len(IDS) * rate) < 4 * spread


def test_draws_are_uniform_over_the_whole_range() -> None:
    tenths = [0] * 10
    for name in IDS:
        tenths[int(10 * draw("test", 1, name))] += 1
    chi_squared = sum((count - 1000) ** 2 / 1000 for count in tenths)
    assert chi_squared < 27.9  # the 99.9 % quantile with nine degrees of freedom


def test_the_draw_never_changes() -> None:
    assert draw("default", 1, "a" * 64) == draw("default", 1, "a" * 64)
    assert draw("default", 1, "a" * 64) == pytest.approx(PUBLISHED, abs=1e-15)


def test_nobody_is_drawn_at_rate_zero_and_everybody_at_one() -> None:
    assert not any(is_in_sample(policy(), name, 0.0) for name in IDS)
    assert all(is_in_sample(policy(), name, 1.0) for name in IDS)


def test_a_larger_rate_keeps_who_is_drawn() -> None:
    few = {name for name in IDS if is_in_sample(policy(), name, 0.05)}
    many = {name for name in IDS if is_in_sample(policy(), name, 0.2)}
    assert few < many


@pytest.mark.parametrize("other", [policy(version=2), policy(name="other")])
def test_another_policy_draws_independently(other: Policy) -> None:
    both = sum(is_in_sample(policy(), n, 0.3) and is_in_sample(other, n, 0.3) for n in IDS)
    assert abs(both - 900) < 4 * math.sqrt(10_000 * 0.09 * 0.91)


def test_name_version_and_id_are_not_glued_together() -> None:
    assert draw("a1", 1, "x") != draw("a", 11, "x")
    assert draw("a", 1, "1x") != draw("a", 11, "x")


def outcomes(faulty: int, fine: int, rate: float = 0.05) -> list[AuditOutcome]:
    return [AuditOutcome(True, rate)] * faulty + [AuditOutcome(False, rate)] * fine


@pytest.mark.parametrize(
    ("faulty", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 10, 0.0179, 0.4042), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_the_interval_is_that_of_wilson(faulty: int, n: int, low: float, high: float) -> None:
    risk = estimate_risk(outcomes(faulty, n - faulty))
    assert (risk.low, risk.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert (risk.estimate, risk.audited, risk.faulty) == (faulty / n, n, faulty)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.7])
@pytest.mark.parametrize("n", [7, 60, 2000])
def test_the_interval_solves_the_score_equation(share: float, n: int) -> None:
    z = NormalDist().inv_cdf(0.975)
    for bound in wilson_interval(share, n):
        assert abs(share - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(z)


def test_the_rate_alone_does_not_move_the_estimate() -> None:
    rare, often = estimate_risk(outcomes(2, 38, 0.01)), estimate_risk(outcomes(2, 38, 0.5))
    assert rare.estimate == often.estimate == pytest.approx(0.05)
    assert (rare.low, rare.high) == pytest.approx((often.low, often.high))


def test_jobs_drawn_at_mixed_rates_are_weighed_by_what_they_stand_for() -> None:
    risk = estimate_risk(outcomes(10, 90, 0.5) + outcomes(0, 10, 0.01))
    assert risk.estimate == pytest.approx(20 / 1200)
    assert risk.high > estimate_risk(outcomes(10, 590, 0.5)).high


def test_estimates_of_many_audits_centre_on_the_truth_and_intervals_cover_it() -> None:
    chance = random.Random(7)
    estimates, covered, rounds = [], 0, 400
    for _ in range(rounds):
        found = [
            AuditOutcome(chance.random() < (0.3 if studio else 0.04), 0.8 if studio else 0.1)
            for studio in (chance.random() < 0.25 for _ in range(2000))
            if chance.random() < (0.8 if studio else 0.1)
        ]
        risk = estimate_risk(found)
        assert risk.estimate is not None
        estimates.append(risk.estimate)
        covered += risk.low <= 0.25 * 0.3 + 0.75 * 0.04 <= risk.high
    assert sum(estimates) / rounds == pytest.approx(0.105, abs=0.003)
    assert covered / rounds > 0.92


def test_without_audits_nothing_is_known() -> None:
    risk = estimate_risk([])
    assert (risk.estimate, risk.low, risk.high, risk.audited) == (None, 0, 1, 0)


def test_a_higher_level_gives_a_wider_interval() -> None:
    narrow, wide = estimate_risk(outcomes(3, 40), 0.8), estimate_risk(outcomes(3, 40), 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, math.nan])
def test_no_job_was_drawn_at_an_impossible_rate(rate: float) -> None:
    with pytest.raises(InvalidInput, match="rate"):
        AuditOutcome(False, rate)


@pytest.mark.parametrize("level", [0.0, 1.0, math.nan])
def test_an_impossible_level_is_refused(level: float) -> None:
    with pytest.raises(InvalidInput, match="level"):
        estimate_risk(outcomes(1, 9), level)
    with pytest.raises(InvalidInput, match="level"):
        estimate_risk([], level)
