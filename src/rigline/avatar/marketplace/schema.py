"""The bones of an R15 skeleton: the seventeen it must have, and those it may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from rigline.avatar.body import PARENT, PART_NAMES

ROOT: Final = "Root"
HUMANOID_ROOT: Final = "HumanoidRootNode"
FINGERS: Final = ("Thumb", "Index", "Middle", "Ring", "Pinky")

REQUIRED_PARENT: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        ROOT: None,
        HUMANOID_ROOT: ROOT,
        **{
            name: PART_NAMES[PARENT[part]] if PARENT[part] >= 0 else HUMANOID_ROOT
            for part, name in enumerate(PART_NAMES)
        },
    }
)
"""The required bones and the required bone above each."""


def _optional() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Optional bones and the bones that each may hang on."""
    yield "Spine", ("UpperTorso",)
    yield "Chest", ("Spine",)
    yield "HeadBase", ("Head",)
    for side in ("Left", "Right"):
        yield f"{side}Clavicle", ("Chest",)
        yield f"{side}ToeBase", (f"{side}Foot",)
        for finger in FINGERS:
            above = f"{side}Hand"
            for k in (1, 2, 3):
                name = f"{side}Hand{finger}{k}"
                yield name, (above,)
                above = name


OPTIONAL_PARENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(dict(_optional()))
"""The 37 optional bones; with Spine and Chest there, Head and clavicles hang on Chest."""

DETOURS: Final = frozenset({"Spine", "Chest", "LeftClavicle", "RightClavicle"})
"""Optional bones that may come between a required bone and the required bone above it."""

SCHEMA: Final = frozenset(REQUIRED_PARENT) | frozenset(OPTIONAL_PARENTS)
