"""All checks of a finished avatar, run against the rules of a preset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, get_args

from rigline.avatar.body import PART_NAMES
from rigline.avatar.marketplace import (
    attachment_checks,
    cage_checks,
    coverage_checks,
    mesh_checks,
    shape_checks,
    skeleton_checks,
    skin_checks,
    texture_checks,
)
from rigline.avatar.marketplace.results import Finding, RuleResult
from rigline.avatar.marketplace.rules import RULES, CheckSettings, Preset, Rule, Severity
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.errors import InvalidInput

Check = Callable[[AvatarUnderTest, CheckSettings], Finding]

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        **skeleton_checks.CHECKS,
        **skin_checks.CHECKS,
        **mesh_checks.CHECKS,
        **coverage_checks.CHECKS,
        **shape_checks.CHECKS,
        **attachment_checks.CHECKS,
        **cage_checks.CHECKS,
        **texture_checks.CHECKS,
    }
)
"""The check of each rule, by the rule's id."""


def check_avatar(
    body: AvatarUnderTest, preset: str, settings: CheckSettings | None = None
) -> tuple[RuleResult, ...]:
    """Judge a body by every rule of a preset, in the order of ``RULES``.

    ``preset`` is "development" (one skinned mesh that keeps the input's geometry) or "marketplace".
    A failed check is a value, never an exception. Raises ``InvalidInput`` for another preset.
    """
    if preset not in get_args(Preset):
        raise InvalidInput(
            f"There is no preset {preset!r}.", remedy="Use development or marketplace."
        )
    chosen = settings or CheckSettings()
    return tuple(
        _result(rule, preset, CHECKS[rule.id](body, chosen))
        for rule in RULES
        if preset in rule.presets
    )


def failed(results: tuple[RuleResult, ...], severity: Severity = "error") -> tuple[RuleResult, ...]:
    """The results that failed with this severity."""
    return tuple(r for r in results if not r.passed and r.severity == severity)


def _result(rule: Rule, preset: str, finding: Finding) -> RuleResult:
    severity: Severity = rule.severity
    if severity == "error" and preset in rule.advisory_in:
        severity = "warning"
    return RuleResult(
        rule.id,
        rule.title,
        severity,
        finding.passed,
        finding.measured,
        finding.limit,
        finding.message,
        finding.where,
        () if finding.passed else finding.marks.points,
        () if finding.passed else tuple(PART_NAMES[part] for part in finding.marks.parts),
        rule.remedy,
        rule.document,
        rule.as_of,
        rule.disagreement,
    )
