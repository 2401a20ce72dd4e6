"""Bones of any rig to R15 parts, by their names.

Understood are the names of R15 itself, Mixamo, HumanIK and Maya, Unreal's mannequin, 3ds Max Biped,
Blender's Rigify, VRM's humanoid (and VRoid's own names), and those of free game packs such as
KayKit's and Quaternius'. A bone whose name says nothing belongs to the part of the bone above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import MIRROR, N_PARTS, PARENT, Part
from rigline.avatar.mesh import Floats, Ints

NAMESPACE: Final = re.compile(
    r"^(?:.*[:|]|mixamorig\d*_?|valvebiped\.?|bip\d*[ _.]|character\d+_|j_(?:bip|sec|adj)_|"
    r"(?:def|org|mch|root)[-_](?=.)|b_|bone_)",
    re.IGNORECASE,
)
WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
LEFT: Final = frozenset({"l", "left", "lft"})
RIGHT: Final = frozenset({"r", "right", "rgt"})
CENTRE: Final = frozenset({"c", "ctr", "center", "centre", "mid", "m"})
NOT_DEFORMING: Final = frozenset(
    {"ik", "fk", "ctrl", "control", "pole", "target", "handle", "helper", "mch"}
)
FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky", "little", "finger", "fingers")
NO_PIVOTS: Final = frozenset(
    {
        *FINGERS,
        "toe",
        "toes",
        "ball",
        "heel",
        "handslot",
        "breast",
        "pectoral",
        "jaw",
        "hair",
        "hat",
        "face",
        "eye",
        "ear",
        "nose",
        "tongue",
        "teeth",
        "brow",
        "cheek",
        "lip",
        "end",
        "twist",
        "roll",
    }
)
"""Words of bones that never turn a whole part, whatever part they belong to."""

CENTRAL: Final = {
    **dict.fromkeys(("hips", "hip", "pelvis", "lowertorso", "cog"), Part.LOWER_TORSO),
    **dict.fromkeys(
        ("spine", "chest", "upperchest", "torso", "uppertorso", "abdomen", "waist", "breast",
         "ribcage", "stomach", "belly"),
        Part.UPPER_TORSO,
    ),
    **dict.fromkeys(
        ("neck", "head", "jaw", "hair", "hat", "face", "headtop", "headtopend", "headend",
         "headbase", "eye", "ear", "nose", "tongue", "teeth"),
        Part.HEAD,
    ),
}  # fmt: skip
SIDED: Final = {
    **dict.fromkeys(("clavicle", "collar", "shoulder", "breast", "pectoral"), Part.UPPER_TORSO),
    **dict.fromkeys(("upperarm", "armupper", "uparm", "arm"), Part.LEFT_UPPER_ARM),
    **dict.fromkeys(("forearm", "lowerarm", "loarm", "armlower", "elbow"), Part.LEFT_LOWER_ARM),
    **dict.fromkeys(("hand", "wrist", "palm", "fist", "handslot", *FINGERS), Part.LEFT_HAND),
    **dict.fromkeys(("pelvis", "buttock", "glute"), Part.LOWER_TORSO),
    **dict.fromkeys(("upperleg", "upleg", "thigh", "legupper", "leg", "hip"), Part.LEFT_UPPER_LEG),
    **dict.fromkeys(("lowerleg", "loleg", "calf", "shin", "leglower", "knee"), Part.LEFT_LOWER_LEG),
    **dict.fromkeys(
        ("foot", "ankle", "toe", "toes", "toebase", "toeend", "ball", "heel"), Part.LEFT_FOOT
    ),
    **dict.fromkeys(("eye", "ear", "brow", "cheek", "lip"), Part.HEAD),
}
"""Part of a word on the left side; the right side is its mirror image."""

HIGH_SPINE: Final = 0.3
"""A first bone of the spine that lies so far from hips to neck stands at the waist already."""

HIGH_WAIST: Final = 0.67
"""No bone in the upper third from hips to neck is the waist."""

RIGIFY_SPINE: Final = (
    Part.LOWER_TORSO, Part.UPPER_TORSO, Part.UPPER_TORSO, Part.UPPER_TORSO, Part.HEAD, Part.HEAD,
    Part.HEAD,
)  # fmt: skip
"""Rigify calls hips, spine, neck and head ``spine``, ``spine.001`` … ``spine.006``."""


@dataclass(frozen=True, eq=False)
class MappedRig:
    """A rig in R15 terms: ``joints (15, 3)``, NaN where no bone stands for a part, and
    ``part_of_bone (B,)``, -1 for a bone above and beside the body."""

    joints: Floats
    part_of_bone: Ints

    @property
    def found(self) -> Ints:
        """Parts that have a joint."""
        return np.flatnonzero(np.isfinite(self.joints[:, 0]))


@dataclass(frozen=True)
class _Word:
    """A bone's name taken apart: what it names, side (+1 left, -1 right, 0 neither), number, and
    whether such a bone can be the one that turns its part."""

    core: str
    side: int
    number: int
    is_pivot: bool


def map_rig(
    names: Sequence[str], parents: Sequence[int], positions: Floats, roles: Sequence[str] = ()
) -> MappedRig:
    """Name the part of each bone, and take each part's joint from the first bone of its chain.

    ``roles`` are names that go before the bones' own where they are not empty. Never fails: a rig
    that says nothing gives joints that are all NaN.
    """
    told = [
        _word(role or name) for name, role in zip(names, roles or [""] * len(names), strict=True)
    ]
    own = [_part(word, told) for word in told]
    own = _with_rigify_spine(told, own)
    order = _parents_first(parents)
    own = _with_low_spine(told, own, parents, order, positions)
    part_of_bone = np.full(len(names), -1, np.int64)
    joints = np.full((N_PARTS, 3), np.nan)
    hangs_right = np.zeros(N_PARTS, bool)
    for bone in order:
        above = int(part_of_bone[parents[bone]]) if parents[bone] >= 0 else -1
        part = own[bone]
        part_of_bone[bone] = above if part is None else int(part)
        if part is None or above == part or not told[bone].is_pivot:
            continue
        side_fits = (told[bone].side == 0) == (MIRROR[part] == part)
        better = np.isnan(joints[part, 0]) or (above == PARENT[part] and not hangs_right[part])
        if side_fits and better and np.isfinite(positions[bone]).all():
            joints[part] = positions[bone]
            hangs_right[part] = above == PARENT[part]
    return MappedRig(joints, part_of_bone)


def convention_of(names: Sequence[str], roles: Sequence[str] = ()) -> str:
    """What a rig's names look like, for reports: the tool or format they are known from."""
    joined = " ".join(names).lower()
    for mark, convention in (
        ("mixamorig", "Mixamo"), ("valvebiped", "Valve Biped"), ("bip0", "3ds Max Biped"),
        ("j_bip", "VRoid"), ("def-", "Blender Rigify"),
    ):  # fmt: skip
        if mark in joined:
            return convention
    if any(roles):
        return "VRM"
    if {"LowerTorso", "UpperTorso", "LeftUpperArm"} <= set(names):
        return "R15"
    lower = {name.lower() for name in names}
    if {"upperarm_l", "thigh_l"} <= lower:
        return "Unreal mannequin"
    if "spine.006" in lower or {"upper_arm.l", "shin.l"} <= lower:
        return "Blender Rigify"
    if any(name.endswith("leftupleg") for name in lower):
        return "HumanIK"
    return "other names"


def _word(name: str) -> _Word:
    bare = name
    for _ in range(3):
        shorter = NAMESPACE.sub("", bare)
        if shorter == bare or not shorter:
            break
        bare = shorter
    words = [word.lower() for word in WORDS.findall(bare)]
    side = 0
    kept: list[str] = []
    number = 0
    for word in words:
        if word in LEFT or word in RIGHT:
            side = 1 if word in LEFT else -1
        elif word.isdigit():
            number = int(word[:6])
        elif word not in CENTRE or len(words) == 1:
            kept.append(word)
    told = set(kept)
    is_pivot = not told & NOT_DEFORMING and not told & NO_PIVOTS
    if kept and not side:
        kept, side = _glued_side(kept)
    core = "".join(word for word in kept if word not in NOT_DEFORMING)
    return _Word(core, side, number, is_pivot)


def _glued_side(words: list[str]) -> tuple[list[str], int]:
    """A side that is written together with the first word, as in ``leftarm``."""
    for start, side in (("left", 1), ("right", -1)):
        if words[0].startswith(start) and len(words[0]) > len(start):
            return [words[0][len(start) :], *words[1:]], side
    return words, 0


def _part(word: _Word, told: Sequence[_Word]) -> Part | None:
    if not word.side:
        central = CENTRAL.get(word.core)
        return central if central is not None else _by_beginning(word.core, CENTRAL)
    part = SIDED.get(word.core)
    if part is None:
        part = _by_beginning(word.core, SIDED)
    if part is None:
        return None
    part = _told_apart(word, part, told)
    return part if word.side > 0 else Part(MIRROR[part])


def _by_beginning(core: str, known: dict[str, Part]) -> Part | None:
    """``handthumb`` is of the hand, ``upperarmtwist`` of the upper arm: the longest known start."""
    starts = [name for name in known if len(name) > 2 and core.startswith(name)]
    return known[max(starts, key=len)] if starts else None


def _told_apart(word: _Word, part: Part, told: Sequence[_Word]) -> Part:
    """``leg`` is the lower leg beside an ``upleg``; ``shoulder`` and ``hip`` are limbs where
    nothing else begins the limb."""
    cores = {other.core for other in told if other.side == word.side}
    if word.core == "leg" and cores & {"upleg", "upperleg", "thigh"}:
        return Part.LEFT_LOWER_LEG
    if word.core == "arm" and cores & {"upperarm", "uparm"}:
        return Part.LEFT_LOWER_ARM
    if word.core == "shoulder" and not cores & {"upperarm", "uparm", "arm", "armupper"}:
        return Part.LEFT_UPPER_ARM
    if word.core == "hip" and cores & {"upleg", "upperleg", "thigh", "legupper"}:
        return Part.LOWER_TORSO
    return part


def _with_rigify_spine(told: Sequence[_Word], own: list[Part | None]) -> list[Part | None]:
    if any(not w.side and w.core in ("hips", "hip", "pelvis", "lowertorso") for w in told):
        return own
    spine = [k for k, word in enumerate(told) if word.core == "spine" and not word.side]
    if max((told[k].number for k in spine), default=0) < 4:
        return own
    found = list(own)
    for k in spine:
        found[k] = RIGIFY_SPINE[min(told[k].number, len(RIGIFY_SPINE) - 1)]
    return found


def _with_low_spine(
    told: Sequence[_Word],
    own: list[Part | None],
    parents: Sequence[int],
    order: list[int],
    positions: Floats,
) -> list[Part | None]:
    """The spine's lower bones given to LowerTorso, as docs/conventions.md has the waist.

    Of the bones between hips and neck the first belongs to the hips where there are two or three,
    the first half where there are more; but a spine that begins well above the hips is all chest,
    and a bone near the neck is no waist.
    """
    chain: list[int] = []
    for bone in order:
        if own[bone] == Part.UPPER_TORSO and told[bone].side == 0:
            above = parents[bone]
            if (not chain and above >= 0 and own[above] == Part.LOWER_TORSO) or above in chain[-1:]:
                chain.append(bone)
    neck = next((k for k in order if own[k] == Part.HEAD and parents[k] in chain), -1)
    if len(chain) < 2 or neck < 0:
        return own
    chain = chain[: chain.index(parents[neck]) + 1]
    hips, top = positions[parents[chain[0]]], positions[neck]
    trunk = top - hips
    reach = (positions[chain] - hips) @ trunk / max(float(trunk @ trunk), 1e-30)
    low = 0 if reach[0] > HIGH_SPINE or len(chain) < 2 else 1 if len(chain) < 4 else len(chain) // 2
    while low and reach[low] > HIGH_WAIST:
        low -= 1
    found = list(own)
    for bone in chain[:low]:
        found[bone] = Part.LOWER_TORSO
    return found


def _parents_first(parents: Sequence[int]) -> list[int]:
    children: list[list[int]] = [[] for _ in parents]
    for bone, above in enumerate(parents):
        if above >= 0:
            children[above].append(bone)
    pending = [bone for bone, above in enumerate(parents) if above < 0][::-1]
    order = []
    while pending:
        bone = pending.pop()
        order.append(bone)
        pending += children[bone][::-1]
    return order
