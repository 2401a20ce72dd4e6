"""How two policies differ: named by what an entry is about, not by its place."""

from __future__ import annotations

from typing import Any

from rigline.triage.comparison import Change, changes_between, entries_of
from rigline.triage.policy import Policy

BASE: dict[str, Any] = {
    "name": "p", "version": 1, "calibrated": False, "review_below": 0.5,
    "stages": {"rig": [{"evidence": "error", "good": 0.0, "bad": 0.1, "reason": "off"}]},
    "rules": [{"stage": "v", "evidence": "errors", "above": 0, "verdict": "review", "reason": "r"}],
    "overrides": [{"creator": "studio-*", "review_below": 0.7}],
    "priorities": [{"batch": "b", "priority": 3}, {"confidence_below": 0.2, "priority": 5}],
}  # fmt: skip


def policy(**changes: Any) -> Policy:
    return Policy.model_validate({**BASE, **changes})


def test_a_policy_does_not_differ_from_itself() -> None:
    assert changes_between(policy(), policy()) == ()


def test_entries_are_named_by_what_they_are_about() -> None:
    assert set(entries_of(policy())) == {
        "policy",
        "stages.rig.error",
        "rules.v.errors",
        "overrides creator=studio-*",
        "priorities batch=b",
        "priorities confidence_below=0.2",
    }


def test_changed_values_are_told_field_by_field() -> None:
    term = {"evidence": "error", "good": 0.0, "bad": 0.2, "reason": "off"}
    found = changes_between(policy(), policy(version=2, stages={"rig": [term]}))
    assert found == (
        Change("policy", "version", 1, 2),
        Change("stages.rig.error", "bad", 0.1, 0.2),
    )


def test_a_field_on_one_side_only_has_no_value_on_the_other() -> None:
    stricter = {"creator": "studio-*", "review_below": 0.7, "audit_rate": 0.2}
    found = changes_between(policy(), policy(overrides=[stricter]))
    assert found == (Change("overrides creator=studio-*", "audit_rate", None, 0.2),)


def test_entries_come_and_go_whole_and_the_others_keep_their_names() -> None:
    added = {"creator": "a", "audit_rate": 1.0}
    found = changes_between(
        policy(), policy(overrides=[added, *BASE["overrides"]], priorities=BASE["priorities"][1:])
    )
    assert found == (
        Change("priorities batch=b", "", {"priority": 3}, None),
        Change("overrides creator=a", "", None, {"audit_rate": 1.0}),
    )


def test_entries_about_the_same_thing_are_numbered() -> None:
    low = {"evidence": "error", "good": 0.5, "bad": 0.0, "reason": "too sure"}
    both = policy(stages={"rig": [*BASE["stages"]["rig"], low]})
    assert {"stages.rig.error", "stages.rig.error #2"} <= set(entries_of(both))
    assert [c.entry for c in changes_between(policy(), both)] == ["stages.rig.error #2"]
