"""Judgement: a job is as sure as its most doubtful measure, and the reasons say which."""

from __future__ import annotations

import math
from typing import Literal

import pytest

from rigline.errors import ContractViolation
from rigline.triage.judgement import judge
from rigline.triage.policy import Override, Policy, Priority, Rule, Term
from rigline.triage.subject import Subject

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


JOINT_ERROR = Term(evidence="error", good=0.0, bad=0.1, reason="off by up to {value:.1%}")
HAND_ERROR = Term(evidence="error", good=0.0, bad=0.4, reason="hand off by {value:.1%}")
SPREAD = Term(evidence="spread", good=0.0, bad=1.0, reason="spread {value}")


def rig(**errors: float) -> dict[str, dict[str, object]]:
    return {"rig": {"joints": {n: {"error": e, "position": [0]} for n, e in errors.items()}}}


def with_joints(**terms: tuple[Term, ...]) -> Policy:
    return policy().model_copy(update={"joints": terms})


def test_terms_for_every_joint_judge_the_rig_by_its_worst_joint() -> None:
    found = judge(rig(Head=0.02, LeftHand=0.09, LeftFoot=0.06), with_joints(all=(JOINT_ERROR,)))
    assert found.stage_confidence == {"rig": pytest.approx(0.1)}
    assert found.joint_confidence["Head"] == pytest.approx(0.8)
    assert found.flagged == ("rig",)
    assert found.flagged_joints == ("LeftHand", "LeftFoot")
    assert found.reasons == ("rig, LeftHand and LeftFoot: off by up to 9.0%",)


def test_a_named_joint_has_its_own_threshold_for_that_measure_alone() -> None:
    terms = with_joints(all=(JOINT_ERROR, SPREAD), LeftHand=(HAND_ERROR,))
    evidence = rig(Head=0.0, LeftHand=0.1)
    for joint in evidence["rig"]["joints"].values():  # type: ignore[attr-defined]
        joint["spread"] = 0.1
    found = judge(evidence, terms)
    assert found.joint_confidence == {"Head": pytest.approx(0.9), "LeftHand": pytest.approx(0.75)}
    assert found.verdict == "accept"


def test_joints_that_do_not_count_are_pointed_out_and_leave_the_job_as_sure_as_it_is() -> None:
    told = with_joints(all=(JOINT_ERROR,)).model_copy(
        update={"joints_count": False, "stages": {"orient": (MARGIN,)}}
    )
    joints = rig(Head=0.02, LeftHand=0.09)
    found = judge({"orient": {"margin": 0.9}, **joints}, told)
    assert (found.verdict, found.reasons, found.flagged) == ("accept", (), ())
    assert found.confidence == pytest.approx(0.9)
    assert found.flagged_joints == ("LeftHand",)
    found = judge({"orient": {"margin": 0.3}, **joints}, told)
    assert (found.verdict, found.flagged) == ("review", ("orient",))
    assert found.confidence == pytest.approx(0.3)
    assert [reason.partition(":")[0] for reason in found.reasons] == ["rig, LeftHand", "orient"]


def test_many_doubtful_joints_make_one_reason() -> None:
    joints = {name: 0.09 - i / 1000 for i, name in enumerate("ABCDE")}
    found = judge(rig(**joints), with_joints(all=(JOINT_ERROR,)))
    assert found.reasons == ("rig, A, B, C and 2 more: off by up to 9.0%",)
    assert found.flagged_joints == tuple("ABCDE")


def test_stage_and_joint_terms_of_the_rig_are_judged_together() -> None:
    both = policy(rig=[STRAY]).model_copy(update={"joints": {"all": (JOINT_ERROR,)}})
    evidence = rig(Head=0.02)
    evidence["rig"]["stray"] = 0.4
    assert judge(evidence, both).stage_confidence == {"rig": pytest.approx(0.6)}


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        ({"rig": {}}, "gave none"),
        (rig(Head=0.0), "LeftHand"),
        ({"rig": {"joints": {"LeftHand": {"spread": 1.0}}}}, "the joint LeftHand for 'error'"),
    ],
)
def test_joints_that_the_rig_did_not_give_break_the_contract(
    evidence: dict[str, dict[str, object]], told: str
) -> None:
    with pytest.raises(ContractViolation, match=told):
        judge(evidence, with_joints(LeftHand=(JOINT_ERROR,)))


def test_joints_of_a_rig_that_did_not_run_are_not_judged() -> None:
    both = policy(orient=[MARGIN]).model_copy(update={"joints": {"all": (JOINT_ERROR,)}})
    assert judge({"orient": {"margin": 1.0}}, both).verdict == "accept"


def rule(verdict: Literal["review", "reject"] = "review", **limit: float) -> Rule:
    return Rule(
        stage="validate",
        evidence="errors",
        verdict=verdict,
        reason="{value:.0f} > {limit}",
        **limit,
    )


def with_rules(*rules: Rule, **stages: list[Term]) -> Policy:
    return policy(orient=[MARGIN], **stages).model_copy(update={"rules": rules})


@pytest.mark.parametrize("verdict", ["review", "reject"])
def test_a_broken_rule_outweighs_any_confidence(verdict: Literal["review", "reject"]) -> None:
    evidence = {"orient": {"margin": 1.0}, "validate": {"errors": 2}}
    found = judge(evidence, with_rules(rule(verdict, above=0)))
    assert (found.verdict, found.confidence) == (verdict, 1)
    assert found.reasons == ("validate: 2 > 0.0",)
    assert found.flagged == ("validate",)


@pytest.mark.parametrize(
    ("limit", "value", "broken"),
    [
        ({"above": 1}, 1, False), ({"above": 1}, 2, True), ({"above": 1}, math.nan, True),
        ({"below": 1}, 1, False), ({"below": 1}, 0, True), ({"below": 1}, math.inf, True),
        ({"below": 0}, -1, True), ({"above": 1}, -math.inf, True),
    ],
)  # fmt: skip
def test_a_rule_is_broken_beyond_its_limit(
    limit: dict[str, float], value: float, broken: bool
) -> None:
    evidence = {"orient": {"margin": 1.0}, "validate": {"errors": value}}
    plain = Rule(stage="validate", evidence="errors", verdict="review", reason="no", **limit)
    assert (judge(evidence, with_rules(plain)).verdict == "review") == broken


def test_the_severest_verdict_wins_and_rules_are_told_first() -> None:
    mild = Rule(stage="orient", evidence="specks", above=0, verdict="review", reason="specks")
    evidence = {"orient": {"margin": 0.1, "specks": 3}, "validate": {"errors": 1}}
    found = judge(evidence, with_rules(mild, rule("reject", above=0)))
    assert found.verdict == "reject"
    assert found.reasons == ("validate: 1 > 0.0", "orient: specks", "orient: the lead is 10%")
    assert found.flagged == ("orient", "validate")


def test_a_measure_that_breaks_a_rule_is_named_once() -> None:
    term = Term(evidence="errors", good=0, bad=1, reason="errors")
    evidence = {"orient": {"margin": 1.0}, "validate": {"errors": 1}}
    found = judge(evidence, with_rules(rule(above=0), validate=[term]))
    assert found.reasons == ("validate: 1 > 0.0",)
    assert found.confidence == 0


def test_rules_of_stages_that_did_not_run_are_not_broken() -> None:
    assert judge({"orient": {"margin": 1.0}}, with_rules(rule(above=0))).verdict == "accept"


def test_a_rule_about_evidence_that_is_not_there_breaks_the_contract() -> None:
    with pytest.raises(ContractViolation, match="'errors'"):
        judge({"validate": {}}, with_rules(rule(above=0)))


@pytest.mark.parametrize(
    ("creator", "verdict"), [("studio-a", "review"), ("hobby", "accept"), (None, "accept")]
)
def test_an_override_moves_the_threshold_of_those_it_names(
    creator: str | None, verdict: str
) -> None:
    strict = Override(creator="studio-*", review_below=0.9, audit_rate=1.0)
    overridden = policy(orient=[MARGIN]).model_copy(update={"overrides": (strict,)})
    found = judge({"orient": {"margin": 0.8}}, overridden, Subject("job", creator))
    assert found.verdict == verdict
    assert found.audit_rate == (1.0 if verdict == "review" else 0.0)
    assert found.flagged == (("orient",) if verdict == "review" else ())


def test_an_accepted_job_may_be_audited_and_keeps_its_verdict() -> None:
    all_audited = policy(orient=[MARGIN]).model_copy(update={"audit_rate": 1.0})
    fine = judge({"orient": {"margin": 1.0}}, all_audited, Subject("job"))
    assert (fine.verdict, fine.audit, fine.flagged) == ("accept", True, ())
    doubtful = judge({"orient": {"margin": 0.1}}, all_audited, Subject("job"))
    assert (doubtful.verdict, doubtful.audit) == ("review", False)


def test_the_audit_does_not_know_the_confidence() -> None:
    some_audited = policy(orient=[MARGIN]).model_copy(update={"audit_rate": 0.3})

    def drawn(margin: float) -> list[bool]:
        evidence = {"orient": {"margin": margin}}
        return [judge(evidence, some_audited, Subject(f"job-{n}")).audit for n in range(300)]

    assert drawn(0.51) == drawn(0.99)
    assert 50 < sum(drawn(0.51)) < 130


def test_the_priority_comes_from_the_policy() -> None:
    entries = (Priority(priority=5, creator="studio"), Priority(priority=9, confidence_below=0.2))
    ranked = policy(orient=[MARGIN]).model_copy(update={"priorities": entries})

    def priority_of(margin: float, creator: str) -> int:
        return judge({"orient": {"margin": margin}}, ranked, Subject("job", creator)).priority

    assert priority_of(0.3, "hobby") == 0
    assert priority_of(0.3, "studio") == 5
    assert priority_of(0.1, "studio") == 9
