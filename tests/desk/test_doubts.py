"""Doubts in words."""

from __future__ import annotations

from typing import Any

from rigline.avatar.body import PART_NAMES
from rigline.bootstrap import load_policy
from rigline.desk.doubts import doubts_of, joint_words
from rigline.triage.subject import Subject

SURE = {"expected_error": 0.01, "view_disagreement": 0.0, "symmetry_residual": 0.0}


def evidence(**joints: dict[str, float]) -> dict[str, Any]:
    found = {name: {**SURE, **joints.get(name, {})} for name in PART_NAMES}
    worst = max(joint["expected_error"] for joint in found.values())
    rig = {"expected_error": 0.01, "max_expected_error": worst, "humanoid": 1.0, "joints": found}
    return {"rig": rig}


def doubts(**joints: dict[str, float]) -> list[tuple[str | None, str]]:
    found = doubts_of(evidence(**joints), load_policy(), Subject("j1"))
    return [(doubt.joint, doubt.text) for doubt in found]


def test_nothing_is_said_of_what_is_sure() -> None:
    assert doubts() == []


def test_the_most_doubtful_joint_comes_first_and_has_a_name() -> None:
    found = doubts(LeftLowerArm={"expected_error": 0.08}, RightFoot={"expected_error": 0.09})
    assert [joint for joint, _ in found] == ["RightFoot", "LeftLowerArm"]
    assert found[1][1] == "left elbow: expected to be off by up to 8.0% of the height"


def test_asymmetry_is_told_of_both_sides() -> None:
    off = {"symmetry_residual": 0.09}
    found = doubts(LeftLowerArm=off, RightLowerArm=off)
    text = "left and right elbow differ by 9% of height"
    assert found == [("LeftLowerArm", text), ("RightLowerArm", text)]


def test_a_broken_rule_is_told_once() -> None:
    found = doubts_of({"segment": {"missing_parts": 2, "view_disagreement": 0.0}}, load_policy(),
                      Subject("j1"))  # fmt: skip
    assert [doubt.text for doubt in found] == ["2 of the 15 body parts were not found"]


def test_every_joint_has_a_name_that_people_use() -> None:
    words = [joint_words(part) for part in PART_NAMES]
    assert words[:4] == ["neck", "waist", "root", "left shoulder"]
    assert len(set(words)) == 15
