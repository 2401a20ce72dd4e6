"""What stands in for a stage's own output: a correction made before, or one that is to be made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Override:
    """A corrected artifact that later stages see instead of the stage's own output.

    In force as long as the stage's own output is ``base_sha256``, whatever else runs again.
    """

    stage: str
    base_sha256: str
    sha256: str


@dataclass(frozen=True)
class Amendment:
    """A correction that is still to be applied to the artifact ``base_sha256``.

    That is the stage's own output, or what an earlier correction made of it. ``apply`` is called
    with the artifact's value and the values of the stage's inputs by name; it returns the corrected
    value, the same for the same arguments, changes nothing in place, and raises ``InvalidInput``
    for a correction that does not fit the artifact.
    """

    stage: str
    base_sha256: str
    apply: Callable[[Any, Mapping[str, Any]], Any]
