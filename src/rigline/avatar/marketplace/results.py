"""What a check finds, and what a report says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.marketplace.rule import Severity
from rigline.avatar.mesh import Floats

NOT_APPLICABLE: Final = "not applicable"
MOST_MARKS: Final = 12

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Marks:
    """Where a rule is broken, for pictures: ``points`` in the body's frame, ``parts`` by index."""

    points: tuple[Point, ...] = ()
    parts: tuple[int, ...] = ()


NOWHERE: Final = Marks()


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: ``measured`` against ``limit`` (in words), and the worst place."""

    passed: bool
    measured: float | str
    limit: str
    message: str
    where: str = ""
    marks: Marks = NOWHERE


@dataclass(frozen=True)
class RuleResult:
    """One rule's line in the report.

    ``severity`` is what a failure means in the preset that was checked. A rule that cannot be
    judged has passed, with ``measured`` "not applicable" and the reason as its message. ``points``
    (in the body's frame and unit) and ``parts`` (by name) mark the places of a failure. ``note`` is
    what the documents leave open, or disagree on.
    """

    rule_id: str
    title: str
    severity: Severity
    passed: bool
    measured: float | str
    limit: str
    message: str
    where: str
    points: tuple[Point, ...]
    parts: tuple[str, ...]
    remedy: str
    document: str
    as_of: str
    note: str

    @property
    def applicable(self) -> bool:
        """Whether the rule could be judged at all."""
        return self.measured != NOT_APPLICABLE


def at_points(points: Floats) -> Marks:
    """Marks on places ``(k, 3)``, the first of them where there are many."""
    rows = np.asarray(points, np.float64).reshape(-1, 3)
    rows = rows[np.isfinite(rows).all(axis=1)][:MOST_MARKS]
    return Marks(points=tuple((float(x), float(y), float(z)) for x, y, z in rows))


def on_parts(parts: Iterable[int]) -> Marks:
    """Marks on whole parts."""
    return Marks(parts=tuple(sorted({int(part) for part in parts})))


def not_applicable(reason: str) -> Finding:
    """The finding of a check that has nothing to look at."""
    return Finding(True, NOT_APPLICABLE, "", reason)


def at_most(
    measured: float, most: float, unit: str, what: str, where: str = "", marks: Marks = NOWHERE
) -> Finding:
    """The finding of a measure that must not pass a limit."""
    return Finding(
        measured <= most,
        float(measured),
        f"≤ {most:g} {unit}".strip(),
        f"{what}: {measured:.4g}",
        where,
        marks,
    )


def at_least(
    measured: float, least: float, unit: str, what: str, where: str = "", marks: Marks = NOWHERE
) -> Finding:
    """The finding of a measure that must reach a limit."""
    return Finding(
        measured >= least,
        float(measured),
        f"≥ {least:g} {unit}".strip(),
        f"{what}: {measured:.4g}",
        where,
        marks,
    )


def none_of(offenders: list[str], limit: str, what: str, marks: Marks = NOWHERE) -> Finding:
    """The finding of a list of offenders that must be empty."""
    shown = ", ".join(offenders[:5]) + (" …" if len(offenders) > 5 else "")
    message = f"{what}: {len(offenders)}" if offenders else f"{what}: none"
    return Finding(not offenders, float(len(offenders)), limit, message, shown, marks)
