"""Policies: straight lines between fine and hopeless, refused when they cannot be meant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rigline.avatar.body import PART_NAMES
from rigline.bootstrap import load_policy, open_services, set_up_avatar
from rigline.engine.stage_run import StageRun
from rigline.errors import InvalidInput
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.settings import Settings
from rigline.triage.judgement import judge
from rigline.triage.policy import EVERY_JOINT, Limits, Override, Policy, Priority, Term
from rigline.triage.subject import Subject
from tests.support.bodies import SyntheticBody, box_body

POLICY = """
name = "mine"
version = 2
calibrated = true
review_below = 0.6
[[stages.orient]]
evidence = "margin"
good = 0.5
bad = 0.1
reason = "unclear: {value:.0%}"
"""


def term(good: float, bad: float, reason: str = "doubt") -> Term:
    return Term(evidence="measure", good=good, bad=bad, reason=reason)


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("good", "bad"), [(0.6, 0.2), (0.2, 0.6), (-1.0, 3.0), (4.0, -4.0)])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_confidence_is_a_straight_line_between_bad_and_good(
    good: float, bad: float, share: float
) -> None:
    value = bad + share * (good - bad)
    assert term(good, bad).confidence(value) == pytest.approx(share)


@pytest.mark.parametrize(("good", "bad"), [(0.6, 0.2), (0.2, 0.6)])
def test_beyond_good_and_bad_it_stays_one_and_zero(good: float, bad: float) -> None:
    one = term(good, bad)
    assert one.confidence(good + 10 * (good - bad)) == 1
    assert one.confidence(bad + 10 * (bad - good)) == 0


def test_good_and_bad_must_differ() -> None:
    with pytest.raises(ValidationError, match="must differ"):
        term(0.5, 0.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_limits_are_finite(bad: float) -> None:
    with pytest.raises(ValidationError):
        term(0.5, bad)


@pytest.mark.parametrize("reason", ["{valu}", "{}", "{value.unit}", "{value:%Y}", "{value", "{0}"])
def test_a_reason_that_cannot_be_written_is_refused(reason: str) -> None:
    with pytest.raises(ValidationError):
        term(0, 1, reason)


@pytest.mark.parametrize("name", ["review_below", "reject_below", "audit_rate"])
@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_shares_lie_between_zero_and_one(name: str, share: float) -> None:
    fields: dict[str, Any] = {
        "name": "p", "version": 1, "calibrated": False, "review_below": 0.5, "stages": {},
    }  # fmt: skip
    with pytest.raises(ValidationError, match=name):
        Policy.model_validate({**fields, name: share})


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    policy = load_policy(policy_file(tmp_path, POLICY))
    assert (policy.name, policy.version, policy.calibrated) == ("mine", 2, True)
    assert policy.stages["orient"][0].confidence(0.3) == pytest.approx(0.5)
    assert (policy.reject_below, policy.audit_rate) == (0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("version = 2", "version = 2\nreview_above = 0.5"), "review_above"),
        (("good = 0.5", "good = 0.5\nworse = 0.2"), "worse"),
        (("good = 0.5", "good = 'high'"), "good"),
        (("good = 0.5", ""), "good"),
        (("good = 0.5", "good = 0.1"), "must differ"),
        (("{value:.0%}", "{share:.0%}"), "share"),
        (("calibrated = true", ""), "calibrated"),
        (('name = "mine"', "name = mine"), "Invalid value"),
    ],
)
def test_a_wrong_policy_is_refused_by_file_and_field(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    path = policy_file(tmp_path, POLICY.replace(*change))
    with pytest.raises(InvalidInput, match=told) as caught:
        load_policy(path)
    assert str(path) in caught.value.message


ENTRIES = (
    POLICY
    + """
[[joints.all]]
evidence = "expected_error"
good = 0.01
bad = 0.1
reason = "off"
[[rules]]
stage = "validate"
evidence = "errors"
above = 0
verdict = "reject"
reason = "{value} over {limit}"
[[overrides]]
batch = "trial-*"
audit_rate = 0.5
[[priorities]]
creator = "studio-*"
priority = 10
"""
)


LOGISTIC = Term(evidence="error", good=0.02, bad=0.08, reason="off", curve="logistic")


@pytest.mark.parametrize(
    ("value", "confidence"),
    [(0.02, 0.9), (0.04, 0.5), (0.08, 0.1), (0.0, 1.0), (1e9, 0.0)],
)
def test_a_logistic_term_goes_by_the_logarithm(value: float, confidence: float) -> None:
    assert LOGISTIC.confidence(value) == pytest.approx(confidence, abs=1e-3)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_a_logistic_term_never_gets_surer_as_the_measure_gets_worse(a: float, b: float) -> None:
    better, worse = sorted((a, b))
    assert 0 <= LOGISTIC.confidence(worse) <= LOGISTIC.confidence(better) <= 1


@pytest.mark.parametrize("ends", [{"good": 0.0}, {"bad": 0.0}, {"good": -1.0}])
def test_the_ends_of_a_logistic_term_are_positive(ends: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Term(**{**LOGISTIC.model_dump(), **ends})


def test_every_kind_of_entry_is_read(tmp_path: Path) -> None:
    policy = load_policy(policy_file(tmp_path, ENTRIES))
    assert policy.joints["all"][0].evidence == "expected_error"
    assert (policy.rules[0].limit, policy.rules[0].verdict) == (0, "reject")
    assert policy.limits_for(Subject("job", batch="trial-7")) == Limits(0.6, 0.5)
    assert policy.priority_for(Subject("job", creator="studio-a"), 1.0) == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("above = 0", ""), "either above or below"),
        (("above = 0", "above = 0\nbelow = 0"), "either above or below"),
        (('verdict = "reject"', 'verdict = "accept"'), "verdict"),
        (("{limit}", "{good}"), "good"),
        (('batch = "trial-*"', ""), "creator or a batch"),
        (("audit_rate = 0.5", ""), "review_below or audit_rate"),
        (("audit_rate = 0.5", "audit_rate = 1.5"), "audit_rate"),
        (('creator = "studio-*"', ""), "confidence_below"),
        (("priority = 10", "priority = 1001"), "priority"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    assert change[0] in ENTRIES
    with pytest.raises(InvalidInput, match=told):
        load_policy(policy_file(tmp_path, ENTRIES.replace(*change)))


@pytest.mark.parametrize(
    ("override", "subject", "fits"),
    [
        ({"creator": "a*"}, Subject("j", "anna"), True),
        ({"creator": "a*"}, Subject("j", "Anna"), False),
        ({"creator": "*"}, Subject("j"), False),
        ({"creator": "anna", "batch": "b?"}, Subject("j", "anna", "b1"), True),
        ({"creator": "anna", "batch": "b?"}, Subject("j", "anna", "b12"), False),
        ({"batch": "b[12]"}, Subject("j", None, "b2"), True),
    ],
)
def test_patterns_fit_whole_names(override: dict[str, str], subject: Subject, fits: bool) -> None:
    assert Override(review_below=0.9, **override).fits(subject) == fits  # type: ignore[arg-type]


def test_of_several_overrides_the_later_wins_for_each_limit_that_it_sets() -> None:
    policy = Policy(
        name="p", version=1, calibrated=False, review_below=0.5, stages={},
        overrides=(
            Override(creator="*", review_below=0.7, audit_rate=0.1),
            Override(creator="anna", review_below=0.2),
        ),
    )  # fmt: skip
    assert policy.limits_for(Subject("j", "anna")) == Limits(0.2, 0.1)
    assert policy.limits_for(Subject("j", "bert")) == Limits(0.7, 0.1)
    assert policy.limits_for(Subject("j")) == Limits(0.5, 0.0)


def test_the_largest_priority_wins_and_conditions_must_all_hold() -> None:
    policy = Policy(
        name="p", version=1, calibrated=False, review_below=0.5, stages={},
        priorities=(
            Priority(priority=-5, batch="backfill"),
            Priority(priority=3, batch="backfill", confidence_below=0.2),
        ),
    )  # fmt: skip
    backfill = Subject("j", batch="backfill")
    assert policy.priority_for(backfill, 0.5) == -5
    assert policy.priority_for(backfill, 0.1) == 3
    assert policy.priority_for(Subject("j"), 0.1) == 0


def test_a_policy_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no policy"):
        load_policy(tmp_path / "none.toml")
    with pytest.raises(InvalidInput, match="cannot be used"):
        load_policy(tmp_path)
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="cannot be used"):
        load_policy(path)


def test_the_shipped_policy_names_stages_of_avatar_set_up() -> None:
    policy = load_policy()
    assert policy.name == "default"
    assert not policy.calibrated
    stages = {stage.name for stage in AVATAR_AUTO_SETUP}
    assert {*policy.stages, *(rule.stage for rule in policy.rules)} <= stages
    assert set(policy.joints) <= {EVERY_JOINT, *PART_NAMES}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """What the stages measure on a real run."""
    runs: dict[str, StageRun] = {}

    def keep(run: StageRun) -> None:
        runs[run.stage] = run

    services = open_services(Settings(store=tmp_path_factory.mktemp("store")))
    set_up_avatar(services, obj_bytes(box_body()), "boxes.obj", on_stage=keep)
    return {name: run.record.evidence for name, run in runs.items()}


def obj_bytes(body: SyntheticBody) -> bytes:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in body.vertices]
    lines += [f"f {a} {b} {c}" for a, b, c in body.faces + 1]
    return "\n".join(lines).encode()


def test_the_stages_give_every_evidence_that_the_shipped_policy_asks_for(
    evidence: Mapping[str, Mapping[str, Any]],
) -> None:
    policy = load_policy()
    for stage, terms in policy.stages.items():
        for asked in terms:
            value = evidence[stage][asked.evidence]
            assert isinstance(value, int | float), (stage, asked.evidence)
            assert math.isfinite(value), (stage, asked.evidence)
    found = judge(evidence, policy)
    assert set(found.stage_confidence) == set(policy.stages)
    assert set(found.joint_confidence) == set(PART_NAMES)


def test_the_example_of_the_documentation_judges_as_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/policy.md").read_text("utf-8")
    policy = load_policy(policy_file(tmp_path, page.split("```toml")[1].split("```")[0]))
    joints = {name: {"expected_error": 0.016} for name in PART_NAMES}
    joints["LeftHand"] = {"expected_error": 0.022}
    evidence = {"rig": {"expected_error": 0.024, "joints": joints}, "validate": {"errors": 0}}
    found = judge(evidence, policy, Subject("job", batch="newcomer-07"))
    assert (found.verdict, found.confidence) == ("review", pytest.approx(0.7))
    assert (found.flagged, found.flagged_joints) == (("rig",), ("LeftHand",))
    assert (len(found.reasons), found.priority) == (2, 0)
    assert judge(evidence, policy, Subject("job", batch="other")).verdict == "accept"
