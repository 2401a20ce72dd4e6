"""Whom a judgement is about: the job and where it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """``id`` is the job's or asset's, the same whenever the job is judged, and draws the audit
    sample. An unknown ``creator`` or ``batch`` is None and fits no pattern, not even ``*``.
    """

    id: str = ""
    creator: str | None = None
    batch: str | None = None
