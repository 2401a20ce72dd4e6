"""What a policy would have done to past jobs: their stored evidence judged anew, nothing run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rigline.errors import ContractViolation
from rigline.triage.evidence import JobEvidence
from rigline.triage.judgement import SEVERITY, Judgement, judge
from rigline.triage.policy import Policy, Verdict
from rigline.triage.subject import Subject


@dataclass(frozen=True)
class PastJob:
    """A job as it was judged then. ``name`` is how a person knows it."""

    name: str
    subject: Subject
    evidence: JobEvidence
    verdict: Verdict
    confidence: float
    audit: bool = False


@dataclass(frozen=True)
class JudgedAgain:
    """A past job and what the policy makes of it."""

    job: PastJob
    judgement: Judgement

    @property
    def changed(self) -> bool:
        """Whether the verdict differs; being audited or not is no change."""
        return self.job.verdict != self.judgement.verdict


@dataclass(frozen=True)
class Simulation:
    """All jobs that could be judged, and by name why the others could not."""

    judged: tuple[JudgedAgain, ...]
    failed: Mapping[str, str]

    @property
    def changed(self) -> tuple[JudgedAgain, ...]:
        """The jobs with another verdict."""
        return tuple(one for one in self.judged if one.changed)

    @property
    def before(self) -> dict[Verdict, int]:
        """How many jobs had each verdict."""
        return _counts(one.job.verdict for one in self.judged)

    @property
    def after(self) -> dict[Verdict, int]:
        """How many jobs would have each verdict."""
        return _counts(one.judgement.verdict for one in self.judged)

    @property
    def audits(self) -> tuple[int, int]:
        """How many accepted jobs were audited, and would be."""
        return (
            sum(one.job.audit for one in self.judged),
            sum(one.judgement.audit for one in self.judged),
        )


def simulate(jobs: Iterable[PastJob], policy: Policy) -> Simulation:
    """Judge past jobs by a policy. Jobs without evidence that it asks for are in ``failed``."""
    judged: list[JudgedAgain] = []
    failed: dict[str, str] = {}
    for job in jobs:
        try:
            judged.append(JudgedAgain(job, judge(job.evidence, policy, job.subject)))
        except ContractViolation as error:
            failed[job.name] = str(error)
    return Simulation(tuple(judged), failed)


def _counts(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in SEVERITY}
