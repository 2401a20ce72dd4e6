"""What validation says of one file, as a value and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from rigline.avatar.marketplace.results import RuleResult
from rigline.avatar.marketplace.rules import (
    AS_OF,
    RULES,
    SOURCE,
    CheckSettings,
    Rule,
    Severity,
)
from rigline.avatar.marketplace.subject import AvatarUnderTest

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class FileVerdict:
    """One file against every rule of a preset.

    ``subject`` is the avatar that was judged; a file that could not be read has none, and says why
    in ``error``.
    """

    name: str
    preset: str
    settings: CheckSettings
    results: tuple[RuleResult, ...] = ()
    subject: AvatarUnderTest | None = None
    error: str = ""

    @property
    def conformant(self) -> bool:
        """Whether the file was read and breaks no rule whose breach is an error."""
        return self.subject is not None and not self.failed("error")

    def failed(self, severity: Severity) -> tuple[RuleResult, ...]:
        """The broken rules of one severity, in the order of the rules."""
        return tuple(r for r in self.results if not r.passed and r.severity == severity)

    @property
    def passed(self) -> tuple[RuleResult, ...]:
        """The rules that were judged and kept."""
        return tuple(r for r in self.results if r.passed and r.applicable)

    @property
    def not_applicable(self) -> tuple[RuleResult, ...]:
        """The rules that had nothing to look at; each says why."""
        return tuple(r for r in self.results if not r.applicable)

    @property
    def not_checked(self) -> tuple[Rule, ...]:
        """Published rules that no preset or not this one checks."""
        return tuple(rule for rule in RULES if self.preset not in rule.presets)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON."""
        subject = self.subject
        return {
            "schema_version": SCHEMA_VERSION,
            "file": self.name,
            "conformant": self.conformant,
            "error": self.error or None,
            "preset": self.preset,
            "body_type": self.settings.body_type,
            "texture_limit": self.settings.texture_limit,
            "studs_per_unit": None if subject is None else subject.studs_per_unit,
            "source": SOURCE,
            "as_of": AS_OF,
            "errors": len(self.failed("error")),
            "warnings": len(self.failed("warning")),
            "rules": [asdict(result) for result in self.results],
            "not_checked": [rule.id for rule in self.not_checked],
        }
