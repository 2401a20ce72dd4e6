"""What a check finds, and what a report says of it."""

from __future__ import annotations

from dataclasses import dataclass

from rigline.avatar.marketplace.rules import Severity

NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: ``measured`` against ``limit`` (in words), and the worst place."""

    passed: bool
    measured: float | str
    limit: str
    message: str
    where: str = ""


@dataclass(frozen=True)
class RuleResult:
    """One rule's line in the report.

    ``severity`` is what a failure means in the preset that was checked. A rule that cannot be
    judged has passed, with ``measured`` "not applicable" and the reason as its message.
    """

    rule_id: str
    severity: Severity
    passed: bool
    measured: float | str
    limit: str
    message: str
    where: str

    @property
    def applicable(self) -> bool:
        """Whether the rule could be judged at all."""
        return self.measured != NOT_APPLICABLE


def not_applicable(reason: str) -> Finding:
    """The finding of a check that has nothing to look at."""
    return Finding(True, NOT_APPLICABLE, "", reason)


def at_most(measured: float, most: float, unit: str, what: str, where: str = "") -> Finding:
    """The finding of a measure that must not pass a limit."""
    return Finding(
        measured <= most,
        float(measured),
        f"≤ {most:g} {unit}".strip(),
        f"{what}: {measured:.4g}",
        where,
    )


def at_least(measured: float, least: float, unit: str, what: str, where: str = "") -> Finding:
    """The finding of a measure that must reach a limit."""
    return Finding(
        measured >= least,
        float(measured),
        f"≥ {least:g} {unit}".strip(),
        f"{what}: {measured:.4g}",
        where,
    )


def none_of(offenders: list[str], limit: str, what: str) -> Finding:
    """The finding of a list of offenders that must be empty."""
    shown = ", ".join(offenders[:5]) + (" …" if len(offenders) > 5 else "")
    message = f"{what}: {len(offenders)}" if offenders else f"{what}: none"
    return Finding(not offenders, float(len(offenders)), limit, message, shown)
