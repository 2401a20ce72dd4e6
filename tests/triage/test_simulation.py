"""Simulation: stored evidence judged anew, and what that would have changed."""

from __future__ import annotations

from rigline.triage.judgement import judge
from rigline.triage.policy import Override, Policy, Term
from rigline.triage.simulation import PastJob, simulate
from rigline.triage.subject import Subject

MARGIN = Term(evidence="margin", good=1.0, bad=0.0, reason="the lead is {value:.0%}")


def policy(review_below: float, **changes: object) -> Policy:
    fields = {"name": "p", "version": 1, "calibrated": False, "stages": {"orient": (MARGIN,)}}
    return Policy.model_validate({**fields, "review_below": review_below, **changes})


def past(name: str, margin: float, judged_by: Policy, creator: str | None = None) -> PastJob:
    evidence, subject = {"orient": {"margin": margin}}, Subject(name, creator)
    found = judge(evidence, judged_by, subject)
    return PastJob(name, subject, evidence, found.verdict, found.confidence, found.audit)


def test_the_policy_that_judged_changes_nothing() -> None:
    same = policy(0.5, audit_rate=0.5)
    found = simulate([past(f"job-{n}", n / 20, same) for n in range(21)], same)
    assert found.changed == ()
    assert found.before == found.after == {"accept": 11, "review": 10, "reject": 0}
    assert found.audits[0] == found.audits[1] > 0


def test_a_stricter_policy_changes_the_jobs_in_between() -> None:
    jobs = [past(f"job-{n}", n / 10, policy(0.5)) for n in range(11)]
    found = simulate(jobs, policy(0.75, reject_below=0.15))
    assert [one.job.name for one in found.changed] == ["job-0", "job-1", "job-5", "job-6", "job-7"]
    assert found.after == {"accept": 3, "review": 6, "reject": 2}
    assert found.changed[2].judgement.reasons == ("orient: the lead is 50%",)


def test_overrides_reach_the_jobs_that_they_name() -> None:
    jobs = [past(name, 0.6, policy(0.5), name) for name in ("studio", "hobby")]
    found = simulate(jobs, policy(0.5, overrides=(Override(creator="studio", review_below=0.9),)))
    assert [one.job.name for one in found.changed] == ["studio"]


def test_jobs_without_the_evidence_are_told_and_stop_no_other() -> None:
    lacking = PastJob("old", Subject("old"), {"orient": {"up": 1.0}}, "accept", 1.0)
    found = simulate([lacking, past("new", 1.0, policy(0.5))], policy(0.5))
    assert [one.job.name for one in found.judged] == ["new"]
    assert "margin" in found.failed["old"]


def test_no_jobs_give_an_empty_answer() -> None:
    found = simulate([], policy(0.5))
    assert (found.judged, found.changed, found.after["accept"]) == ((), (), 0)
