"""A good file passes; for every rule there is a bad file that breaks just that rule."""

from __future__ import annotations

from functools import cache

import pytest

from rigline.avatar.marketplace.rules import RULE_BY_ID, RULES
from rigline.formats.rigged_glb import read_rigged
from rigline.pipelines.cage_template_file import template_of
from rigline.validation import FileVerdict, ValidationRequest, validate_file
from tests.support.avatar_files import avatar_glb
from tests.support.avatars import STUDS
from tests.support.flawed_avatars import BAD_FILES, good_avatar

CHECKED = [rule.id for rule in RULES if rule.presets]


@cache
def request_with_template() -> ValidationRequest:
    """The good avatar's cages play the official template."""
    official = read_rigged(avatar_glb(good_avatar()))
    return ValidationRequest(studs_per_unit=STUDS, cage_template=template_of(official))


def judged(data: bytes) -> FileVerdict:
    verdict = validate_file(data, "avatar.glb", request_with_template())
    assert not verdict.error
    return verdict


def test_the_good_file_breaks_no_rule_and_every_rule_is_judged() -> None:
    verdict = judged(avatar_glb(good_avatar()))
    assert [r.rule_id for r in verdict.results if not r.passed or not r.applicable] == []
    assert [r.rule_id for r in verdict.results] == CHECKED
    assert verdict.conformant


def test_there_is_a_bad_file_for_every_rule() -> None:
    assert set(BAD_FILES) == set(CHECKED)


@pytest.mark.parametrize("rule_id", CHECKED)
def test_a_bad_file_breaks_just_its_rule(rule_id: str) -> None:
    rule = RULE_BY_ID[rule_id]
    verdict = judged(BAD_FILES[rule_id]())
    broken = {r.rule_id: r for r in verdict.results if not r.passed}
    assert rule_id in broken, f"not found; broken are {sorted(broken)}"
    others = set(broken) - {rule_id}
    assert others <= set(rule.follows_from)
    assert bool(others) == bool(rule.follows_from)
    found = broken[rule_id]
    assert found.severity == rule.severity
    assert verdict.conformant == (rule.severity != "error")
    assert found.remedy
    assert found.document
    assert found.as_of
