"""Judgement: a job is as sure as its most doubtful measure, and the reasons say which."""

from __future__ import annotations

import math

import pytest

from rigline.errors import ContractViolation
from rigline.triage.judgement import judge
from rigline.triage.policy import Policy, Term

MARGIN = Term(evidence="margin", good=1.0, bad=0.0, reason="the lead is {value:.0%}")
ERROR = Term(evidence="error", good=0.0, bad=0.1, reason="off by {value:.1%}, {good} to {bad}")
STRAY = Term(evidence="stray", good=0.0, bad=1.0, reason="astray")


def policy(reject_below: float = 0.0, review_below: float = 0.5, **stages: list[Term]) -> Policy:
    return Policy(
        name="test",
        version=1,
        calibrated=False,
        review_below=review_below,
        reject_below=reject_below,
        stages={name: tuple(terms) for name, terms in stages.items()},
    )


def test_a_job_without_doubt_is_accepted_without_reasons() -> None:
    found = judge({"orient": {"margin": 0.8}}, policy(orient=[MARGIN]))
    assert (found.verdict, found.reasons) == ("accept", ())
    assert found.confidence == pytest.approx(0.8)


def test_a_stage_is_as_sure_as_its_most_doubtful_term() -> None:
    evidence = {"rig": {"margin": 0.9, "error": 0.03, "stray": 0.2}}
    found = judge(evidence, policy(rig=[MARGIN, ERROR, STRAY]))
    assert found.stage_confidence == {"rig": pytest.approx(0.7)}


def test_a_job_is_as_sure_as_its_most_doubtful_stage() -> None:
    evidence = {"orient": {"margin": 0.9}, "rig": {"error": 0.04}, "skin": {"stray": 0.1}}
    found = judge(evidence, policy(orient=[MARGIN], rig=[ERROR], skin=[STRAY]))
    assert found.stage_confidence == {
        "orient": pytest.approx(0.9),
        "rig": pytest.approx(0.6),
        "skin": pytest.approx(0.9),
    }
    assert found.confidence == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("margin", "verdict"),
    [(0.51, "accept"), (0.5, "accept"), (0.49, "review"), (0.2, "review"), (0.19, "reject")],
)
def test_the_verdict_follows_the_limits(margin: float, verdict: str) -> None:
    found = judge({"orient": {"margin": margin}}, policy(reject_below=0.2, orient=[MARGIN]))
    assert found.verdict == verdict


def test_nothing_is_rejected_unless_the_policy_says_so() -> None:
    assert judge({"orient": {"margin": -5}}, policy(orient=[MARGIN])).verdict == "review"


def test_reasons_are_sentences_with_the_measure_and_the_worst_comes_first() -> None:
    evidence = {"orient": {"margin": 0.4}, "rig": {"error": 0.09}, "skin": {"stray": 0.7}}
    found = judge(evidence, policy(orient=[MARGIN], rig=[ERROR], skin=[STRAY]))
    assert found.reasons == (
        "rig: off by 9.0%, 0.0 to 0.1",
        "skin: astray",
        "orient: the lead is 40%",
    )


def test_every_doubtful_term_of_a_stage_gives_a_reason_and_the_others_none() -> None:
    evidence = {"rig": {"margin": 0.1, "error": 0.0, "stray": 0.8}}
    found = judge(evidence, policy(rig=[MARGIN, ERROR, STRAY]))
    assert found.reasons == ("rig: the lead is 10%", "rig: astray")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("term", [MARGIN, ERROR])
def test_a_measure_that_is_not_finite_is_hopeless(value: float, term: Term) -> None:
    found = judge({"rig": {term.evidence: value}}, policy(rig=[term]))
    assert (found.confidence, found.verdict) == (0, "review")
    assert len(found.reasons) == 1


@pytest.mark.parametrize("value", [0, 1, True, False])
def test_whole_numbers_and_truth_values_are_measures(value: int) -> None:
    found = judge({"orient": {"margin": value}}, policy(orient=[MARGIN]))
    assert found.confidence == float(value)


@pytest.mark.parametrize("evidence", [{}, {"margin": None}, {"margin": "0.5"}, {"margin": [0.5]}])
def test_evidence_that_the_stage_did_not_give_breaks_the_contract(
    evidence: dict[str, object],
) -> None:
    with pytest.raises(ContractViolation, match="asks orient for 'margin'") as caught:
        judge({"orient": {"up_margin": 1.0, "up": "+Y", **evidence}}, policy(orient=[MARGIN]))
    assert "up_margin" in caught.value.remedy


def test_stages_without_terms_are_not_judged() -> None:
    evidence = {"orient": {"margin": 0.9}, "ingest": {"triangles": 12}}
    found = judge(evidence, policy(orient=[MARGIN]))
    assert set(found.stage_confidence) == {"orient"}


def test_stages_that_did_not_run_are_not_judged() -> None:
    found = judge({"orient": {"margin": 0.9}}, policy(orient=[MARGIN], rig=[ERROR]))
    assert set(found.stage_confidence) == {"orient"}
    assert found.verdict == "accept"


def test_a_job_of_which_nothing_is_known_is_reviewed() -> None:
    found = judge({}, policy(orient=[MARGIN]))
    assert (found.confidence, found.verdict) == (0, "review")


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_judgement_says_whether_its_numbers_are_probabilities(calibrated: bool) -> None:
    plain = policy(orient=[MARGIN]).model_copy(update={"calibrated": calibrated})
    assert judge({"orient": {"margin": 1}}, plain).calibrated == calibrated
