"""What a rule of the published character specification is, and where it was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["error", "warning", "info"]
Preset = Literal["development", "marketplace"]
BodyType = Literal["normal", "slender", "classic"]
TextureLimit = Literal["body", "validation"]

AS_OF: Final = "2026-08-22"
SOURCE: Final = "Roblox/creator-docs b0bf2f1"
"""The commit of the published documents that the rules restate."""

BOTH: Final[tuple[Preset, ...]] = ("development", "marketplace")
MARKETPLACE: Final[tuple[Preset, ...]] = ("marketplace",)
BODIES: Final = "character-body specification"
MESHES: Final = "mesh specification"
TEXTURES: Final = "texture specification"
VALIDATION: Final = "validation reference"
HEADS: Final = "dynamic-head specification"

Limit = float | str | tuple[float, ...]
NOTHING: Final[Mapping[str, Limit]] = MappingProxyType({})


@dataclass(frozen=True)
class Rule:
    """One rule: what is asked, by which document, in which presets, and how to mend a breach.

    ``limits`` are numbers in ``unit`` by name. A failure in a preset of ``advisory_in`` is a
    warning, whatever the severity. ``disagreement`` says what the documents leave open, or where
    they contradict each other, and what was made of it; ``follows_from`` names rules of which one
    at least must break before this one can.
    """

    id: str
    title: str
    document: str
    severity: Severity
    presets: tuple[Preset, ...]
    limits: Mapping[str, Limit] = field(default_factory=lambda: NOTHING)
    unit: str = ""
    advisory_in: tuple[Preset, ...] = ()
    remedy: str = ""
    disagreement: str = ""
    follows_from: tuple[str, ...] = ()
    as_of: str = AS_OF


@dataclass(frozen=True)
class CheckSettings:
    """The choices that the documents, or their disagreements, leave to the user.

    ``body_type`` picks the table of largest sizes; ``texture_limit`` the document that bounds
    textures ("body": one limit for all, "validation": colour and the rest apart).
    """

    body_type: BodyType = "normal"
    texture_limit: TextureLimit = "validation"


def limits(**named: Limit) -> Mapping[str, Limit]:
    """A rule's limits, read-only."""
    return MappingProxyType(named)
