"""How far a batch has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rigline.engine.batch import ItemState
from rigline.engine.job import JobState

WINDOW_S: Final = 60.0
"""The rate is that of the last minute."""
_ENDED: Final = (ItemState.DONE, ItemState.DUPLICATE, ItemState.DEAD)


@dataclass(frozen=True)
class Figures:
    """Items of a batch by what became of them. ``dead`` were given up; ``total`` may be unknown.

    ``in_flight`` are those that somebody has at this moment; ``per_second`` ended in the last
    minute, and ``seconds_left`` is what the rest takes at that rate.
    """

    published: int = 0
    in_review: int = 0
    rejected: int = 0
    dead: int = 0
    duplicates: int = 0
    other: int = 0
    waiting: int = 0
    in_flight: int = 0
    total: int | None = None
    per_second: float = 0.0
    workers: int = 0
    said: str = ""

    @property
    def ended(self) -> int:
        """Items that need nothing more."""
        known = (self.published, self.in_review, self.rejected, self.dead, self.duplicates)
        return sum(known) + self.other

    @property
    def seconds_left(self) -> float | None:
        """The estimate; None while there is nothing to make one from."""
        if self.total is None or not self.per_second:
            return None
        return max(0, self.total - self.ended) / self.per_second

    @property
    def share(self) -> float | None:
        """What has ended of the total, in [0, 1]."""
        return None if self.total is None else min(1.0, self.ended / max(1, self.total))


def figures_of(counts: Mapping[tuple[ItemState, JobState | None], int]) -> Figures:
    """The figures of counts by the states of item and job."""
    found = Figures()
    for (item, job), count in counts.items():
        name = _column(item, job)
        found = replace(found, **{name: getattr(found, name) + count})
    return found


def _column(item: ItemState, job: JobState | None) -> str:
    if item not in _ENDED:
        return "waiting"
    if item == ItemState.DEAD:
        return "dead"
    if item == ItemState.DUPLICATE:
        return "duplicates"
    known = {
        JobState.PUBLISHED: "published",
        JobState.IN_REVIEW: "in_review",
        JobState.REJECTED: "rejected",
    }
    return known.get(job, "other") if job else "other"


@dataclass
class Pace:
    """Counts what ends, and how fast of late."""

    figures: Figures = Figures()
    _ends: deque[tuple[float, int]] = field(default_factory=deque)

    def count(self, counts: Mapping[tuple[ItemState, JobState | None], int], now_s: float) -> None:
        """Items have ended in these states at that time."""
        for (item, job), count in counts.items():
            name = _column(item, job)
            self.figures = replace(self.figures, **{name: getattr(self.figures, name) + count})
        ended = sum(counts.values())
        if ended:
            self._ends.append((now_s, ended))

    def at(self, now_s: float, since_s: float, **shown: object) -> Figures:
        """The figures at a time, for a run that began at ``since_s``."""
        while self._ends and self._ends[0][0] < now_s - WINDOW_S:
            self._ends.popleft()
        span = max(1e-3, min(WINDOW_S, now_s - since_s))
        rate = sum(count for _, count in self._ends) / span
        return replace(self.figures, per_second=rate, **shown)  # type: ignore[arg-type]
