"""The audit: a sample of accepted jobs that people look at, and the risk it lets us estimate.

Jobs are drawn by a hash of their identity, so that everybody who judges a job again gets the same
answer, nobody can try until they pass, and the draw knows nothing of how sure the policy was. That
independence is what makes the faulty share of the sample an estimate of the faulty share of all
accepted jobs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from rigline.errors import InvalidInput
from rigline.triage.policy import Policy

DRAWS: Final = 2**64


def draw(policy_name: str, policy_version: int, subject_id: str) -> float:
    """A number in [0, 1], uniform over ids: the first 64 bits of a SHA-256, as a share.

    Another version of the policy draws anew and independently.
    """
    identity = json.dumps(["rigline.audit", policy_name, policy_version, subject_id])
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / DRAWS


def is_in_sample(policy: Policy, subject_id: str, rate: float) -> bool:
    """Whether the job would be audited if it were accepted. A larger rate keeps who is drawn."""
    return rate >= 1.0 or draw(policy.name, policy.version, subject_id) < rate


@dataclass(frozen=True)
class AuditOutcome:
    """What a person found in one audited job, and the rate in (0, 1] at which it was drawn."""

    faulty: bool
    rate: float

    def __post_init__(self) -> None:
        if not 0.0 < self.rate <= 1.0:
            raise InvalidInput(f"No job is drawn at the rate {self.rate}.", rate=self.rate)


@dataclass(frozen=True)
class Risk:
    """The share of accepted jobs that a person would not accept, with its interval.

    Without audited jobs ``estimate`` is None and the interval [0, 1].
    """

    estimate: float | None
    low: float
    high: float
    level: float
    audited: int
    faulty: int


def estimate_risk(outcomes: Iterable[AuditOutcome], level: float = 0.95) -> Risk:
    """The risk of what was accepted, from its audit; ``level`` is the interval's coverage.

    Each job stands for 1/rate accepted ones. With one rate the estimate is the plain share, which
    is unbiased; where overrides mix rates it is the ratio estimator of Hájek (in Foundations of
    Statistical Inference, 1971, p. 236), whose bias vanishes as 1/n. The interval is Wilson's, with
    n the effective size (sum w)² / sum w² of Kish (Survey Sampling, 1965), which is the number of
    jobs when all rates are equal.

    Raises ``InvalidInput`` for a level outside (0, 1).
    """
    found = list(outcomes)
    weights = [1.0 / outcome.rate for outcome in found]
    faulty = sum(outcome.faulty for outcome in found)
    if not found:
        low, high = wilson_interval(0.0, 0.0, level)
        return Risk(None, low, high, level, 0, 0)
    total = math.fsum(weights)
    bad = math.fsum(w for w, outcome in zip(weights, found, strict=True) if outcome.faulty)
    estimate = bad / total
    effective = total**2 / math.fsum(w * w for w in weights)
    low, high = wilson_interval(estimate, effective, level)
    return Risk(estimate, low, high, level, len(found), faulty)


def wilson_interval(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a binomial share seen in ``n`` trials; [0, 1] for no trials.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927) 209-212; recommended for small n over the textbook interval by Brown, Cai and DasGupta,
    Statistical Science 16 (2001) 101-133. ``n`` may be an effective size and need not be whole.

    Raises ``InvalidInput`` for a level outside (0, 1), a share outside [0, 1] or a negative ``n``.
    """
    if not (0.0 < level < 1.0 and 0.0 <= share <= 1.0 and n >= 0.0):
        raise InvalidInput(f"No interval for the share {share} of {n} at the level {level}.")
    if n == 0.0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1.0 + level) / 2.0)
    shrink = 1.0 + z * z / n
    centre = (share + z * z / (2.0 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    low = 0.0 if share == 0.0 else max(0.0, centre - half)
    high = 1.0 if share == 1.0 else min(1.0, centre + half)
    return low, high
