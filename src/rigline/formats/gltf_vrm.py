"""What VRM, the avatar format on top of glTF, says of a body: its humanoid bones and its front.

VRM 0.x (extension ``VRM``) has bodies that face -Z, VRM 1.0 (``VRMC_vrm``) bodies that face +Z.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rigline.formats.gltf_json import JsonObject, clean_text


@dataclass(frozen=True)
class VrmHumanoid:
    """``roles`` names the humanoid bone that a node is; ``front`` is the axis that bodies face."""

    front: str
    roles: dict[int, str] = field(default_factory=dict)


def read_vrm(document: JsonObject) -> VrmHumanoid | None:
    """The humanoid of a VRM file; None for plain glTF. Malformed entries are left out."""
    extensions = document.values.get("extensions")
    if not isinstance(extensions, dict):
        return None
    if isinstance(extensions.get("VRMC_vrm"), dict):
        return VrmHumanoid("Z", dict(_named(extensions["VRMC_vrm"])))
    if isinstance(extensions.get("VRM"), dict):
        return VrmHumanoid("-Z", dict(_listed(extensions["VRM"])))
    return None


def _bones(extension: dict[str, Any]) -> Any:
    humanoid = extension.get("humanoid")
    return humanoid.get("humanBones") if isinstance(humanoid, dict) else None


def _named(extension: dict[str, Any]) -> Iterator[tuple[int, str]]:
    bones = _bones(extension)
    for role, bone in bones.items() if isinstance(bones, dict) else ():
        yield from _entry(bone, role)


def _listed(extension: dict[str, Any]) -> Iterator[tuple[int, str]]:
    bones = _bones(extension)
    for bone in bones if isinstance(bones, list) else ():
        yield from _entry(bone, bone.get("bone") if isinstance(bone, dict) else None)


def _entry(bone: Any, role: Any) -> Iterator[tuple[int, str]]:
    node = bone.get("node") if isinstance(bone, dict) else None
    if isinstance(role, str) and isinstance(node, int) and not isinstance(node, bool):
        yield node, clean_text(role, 32)
