"""The rules of the published character specification, as data.

They restate facts of Roblox's documents on character bodies, dynamic heads, meshes, textures and
validation as of ``AS_OF``. Where two documents disagree, the limit is a setting of
:class:`CheckSettings` and the rule's ``disagreement`` says so. ``face.*`` rules are listed but
belong to no preset: they are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rigline.avatar.marketplace.mesh_rules import LARGEST, MESH_RULES, SIZE_RULES, SMALLEST
from rigline.avatar.marketplace.outfit_rules import (
    ATTACHMENT_RULES,
    CAGE_RULES,
    FACE_POSES,
    FACE_RULES,
    TEXTURE_RULES,
)
from rigline.avatar.marketplace.rig_rules import POSE_RULES, SKELETON_RULES, SKIN_RULES
from rigline.avatar.marketplace.rule import (
    AS_OF,
    SOURCE,
    BodyType,
    CheckSettings,
    Preset,
    Rule,
    Severity,
    TextureLimit,
)

__all__ = [
    "AS_OF", "FACE_POSES", "LARGEST", "RULES", "RULE_BY_ID", "SMALLEST", "SOURCE", "BodyType",
    "CheckSettings", "Preset", "Rule", "Severity", "TextureLimit", "limit_of",
]  # fmt: skip

RULES: Final = (
    *SKELETON_RULES,
    *SKIN_RULES,
    *MESH_RULES,
    *POSE_RULES,
    *SIZE_RULES,
    *ATTACHMENT_RULES,
    *CAGE_RULES,
    *TEXTURE_RULES,
    *FACE_RULES,
)
"""Every rule, in the order that reports use."""

RULE_BY_ID: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in RULES})


def limit_of(rule_id: str, name: str) -> float:
    """A rule's limit that is one number."""
    limit = RULE_BY_ID[rule_id].limits[name]
    assert isinstance(limit, int | float)
    return float(limit)
