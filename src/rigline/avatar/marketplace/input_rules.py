"""What the input must be like for the marketplace to take it, and which breach explains a failure.

The rules restate what Roblox's own set-up asks of a model: one humanoid with all its limbs, an A or
T pose, no accessories. A set-up may change proportions, but not without end; where an input breaks
one of these rules, the finished body breaks one of the published rules, whatever is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES
from rigline.avatar.marketplace.coverage_checks import ASSETS, at_attention, covered_shares
from rigline.avatar.marketplace.rules import limit_of
from rigline.avatar.marketplace.shape_checks import LIMBS
from rigline.avatar.mesh import Floats, Ints, face_areas, islands, weld

STANDS_OUT: Final = 1.25
"""A piece stands out where the box of its part would be so much smaller without it."""

NEAR_JOINT: Final = 0.03
"""A piece is around its part's joint if its box comes so near to it, in heights."""

CLEARLY: Final = 0.02
LIMB_PARTS: Final = frozenset(part for chain in LIMBS.values() for part in chain)
_AXES: Final = ([0, 1, 2], [0, 2])
NONE: Final[Ints] = np.zeros(0, np.int64)


@dataclass(frozen=True)
class InputRule:
    """One rule on inputs: what it asks, and what its author can do."""

    id: str
    title: str
    remedy: str


INPUT_RULES: Final[Mapping[str, InputRule]] = {
    rule.id: rule
    for rule in (
        InputRule("input.parts", "The model has all fifteen body parts",
                  "Model the missing parts, or send a whole character."),
        InputRule("input.accessories", "The model wears and holds no accessories",
                  "Remove these pieces and upload them as accessories of their own."),
        InputRule("input.proportions", "The proportions can be brought within the size tables",
                  "Bring this group nearer to its size table, or choose another body type."),
        InputRule("input.limbs", "Limbs fill half of the box around them",
                  "Make what is thin thicker, or hands, feet and sleeves smaller."),
        InputRule("input.pose", "The model stands in an A, I or T pose",
                  "Export the rest pose with arms and legs straight, beside the body."),
    )
}  # fmt: skip
"""By id, in the order in which causes are looked for."""


@dataclass(frozen=True)
class InputCause:
    """Why a published rule cannot be kept: the ``rule_id`` that broke, where, and the rule of the
    input that it comes from, with what was found and what can be done."""

    rule_id: str
    where: str
    input_rule: str
    found: str
    remedy: str

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return asdict(self)


def in_words(causes: Sequence[InputCause]) -> list[str]:
    """A line for each breach of the input: the rule and what it asks, what was found, the published
    rules that it breaks, and what can be done."""
    breaches: dict[tuple[str, str, str], list[str]] = {}
    for cause in causes:
        breaches.setdefault((cause.input_rule, cause.found, cause.remedy), []).append(cause.rule_id)
    return [
        f"{rule} ({INPUT_RULES[rule].title}): {found}, so that {', '.join(broken)} cannot be kept. "
        f"{remedy}"
        for (rule, found, remedy), broken in breaches.items()
    ]


@dataclass(frozen=True, eq=False)
class InputBody:
    """The input as it came: ``vertices (N, 3)`` canonical, ``faces (M, 3)``, ``part (N,)``,
    ``joints (15, 3)``, and the name of the source's piece that each face is of ``(M,)``."""

    vertices: Floats
    faces: Ints
    part: Ints
    joints: Floats
    names: Sequence[str]


def input_causes(
    body: InputBody, broken: Sequence[Mapping[str, Any]], misfits: Sequence[str]
) -> list[InputCause]:
    """For each broken published rule the rule of the input that makes it impossible, if one does.

    ``broken`` are results as JSON, ``misfits`` the sizes that no change of proportions reached, in
    words. What has no cause in the input is not among the answers: it is ours to mend.
    """
    worn = accessories(body)
    found = [_cause(body, result, misfits, worn) for result in broken]
    return [cause for cause in found if cause is not None]


def _cause(
    body: InputBody,
    result: Mapping[str, Any],
    misfits: Sequence[str],
    worn: Mapping[int, Mapping[str, Ints]],
) -> InputCause | None:
    rule, where = str(result["rule_id"]), str(result["where"])
    missing = [PART_NAMES[p] for p in _missing(body.part)]
    if missing:
        return _of(rule, where, "input.parts", f"it has no {', '.join(missing)}")
    concerned = _concerned(result)
    pieces = sorted({name for p in concerned for name in worn.get(p, {})})
    rows = np.unique([row for p in concerned for rows in worn.get(p, {}).values() for row in rows])
    if pieces and (
        rule.startswith(("cage.box", "mesh.part_axes", "size.largest"))
        or (rule == "visibility.coverage" and _fills(body, concerned, rows.astype(np.int64)))
    ):
        words = "stands out" if len(pieces) == 1 else "stand out"
        return _of(rule, where, "input.accessories", f"{', '.join(pieces)} {words} of the body")
    if rule.startswith(("size.", "mesh.part_axes")) and misfits:
        return _of(rule, where, "input.proportions", "; ".join(misfits))
    if rule == "visibility.coverage":
        share = _least_share(body, concerned)
        if share < limit_of(rule, "least"):
            return _of(
                rule,
                where,
                "input.limbs",
                f"in the input too {where} covers {share:.0%} of its box",
            )
    if rule == "pose.limbs":
        return _of(rule, where, "input.pose", str(result["message"]))
    return None


def _missing(part: Ints) -> list[int]:
    """The parts that no vertex belongs to, nor to any part that hangs on them: a shin that was not
    found above a foot is no fault of the input."""
    there = set(np.unique(part).tolist())
    for number in sorted(there):
        while (number := PARENT[number]) >= 0:
            there.add(number)
    return [p for p in range(N_PARTS) if p not in there]


def _of(rule: str, where: str, input_rule: str, found: str) -> InputCause:
    return InputCause(rule, where, input_rule, found, INPUT_RULES[input_rule].remedy)


def _concerned(result: Mapping[str, Any]) -> list[int]:
    """The parts that a failure concerns, by index."""
    named = [PART_NAMES.index(name) for name in result["parts"] if name in PART_NAMES]
    return named or list(range(N_PARTS))


def accessories(body: InputBody) -> dict[int, dict[str, Ints]]:
    """For each part the pieces that stand out of it, by name, with their faces.

    Such a piece is not the one around the part's bone, and without it the part's box is smaller by
    a quarter across the bone; along a bone a limb may well be made of several pieces.
    """
    piece = _pieces(body.vertices, body.faces)
    face_part = _face_part(body)
    corners = at_attention(body.vertices, body.faces, face_part, body.joints)
    found: dict[int, dict[str, Ints]] = {}
    for part in np.unique(face_part):
        own = np.flatnonzero(face_part == part)
        main = _main_piece(body, int(part), own, piece[own])
        across = _AXES[part in LIMB_PARTS]
        for number in _standing_out(corners[own], piece[own], main, across):
            this = own[piece[own] == number]
            name = _named(body, int(this[0]), int(own[piece[own] == main][0]))
            of_part = found.setdefault(int(part), {})
            of_part[name] = np.concatenate([of_part.get(name, NONE), this])
    return found


def _standing_out(corners: Floats, piece: Ints, main: int, across: Sequence[int]) -> list[int]:
    """The pieces, but the ``main`` one, without which the box of all that are left is so much
    smaller; one after the other, each by the boxes of those before that stayed and those after.
    """
    numbers, low, high = _boxes(corners, piece)
    bounds = np.concatenate([low, -high], axis=1)  # so that a box around boxes is the minimum
    stay = bounds[numbers == main][0]
    bounds, numbers = bounds[numbers != main], numbers[numbers != main]
    after = np.minimum.accumulate(np.concatenate([bounds, stay[None]])[::-1])[::-1][1:]
    gone = []
    for number, bound, later in zip(numbers.tolist(), bounds, after, strict=True):
        rest = np.minimum(stay, later)
        left = np.minimum(rest, bound)
        if (_extent(left) > STANDS_OUT * _extent(rest))[across].any():
            gone.append(int(number))
        else:
            stay = np.minimum(stay, bound)
    return gone


def _main_piece(body: InputBody, part: int, own: Ints, piece: Ints) -> int:
    """The largest of the part's pieces around its joint, or the largest of all where none is.

    ``own`` are the part's faces, ``piece`` what they are of; the answer is one of these.
    """
    faces = body.faces[own]
    numbers, low, high = _boxes(body.vertices[faces], piece)
    size = np.bincount(np.searchsorted(numbers, piece), face_areas(body.vertices, faces))
    gap = np.maximum(low - body.joints[part], body.joints[part] - high)
    around = size * (gap.max(axis=1) < NEAR_JOINT)
    return int(numbers[(around if around.any() else size).argmax()])


def _boxes(corners: Floats, piece: Ints) -> tuple[Ints, Floats, Floats]:
    """The pieces' numbers ``(K,)``, each once, and the corners ``(K, 3)`` of the box of each."""
    order = np.argsort(piece, kind="stable")
    numbers, start = np.unique(piece[order], return_index=True)
    low = np.minimum.reduceat(corners.min(axis=1)[order], start, axis=0)
    high = np.maximum.reduceat(corners.max(axis=1)[order], start, axis=0)
    return numbers, low, high


def _named(body: InputBody, face: int, main: int) -> str:
    """The name of a face's piece; of one that is of the mesh of the ``main`` face, that it is a
    loose one."""
    name, own = body.names[face], body.names[main]
    return f"a loose piece of {own or 'the mesh'}" if name == own else name


def _extent(bound: Floats) -> Floats:
    """The lengths of the box that goes from ``bound[:3]`` to ``-bound[3:]``."""
    return np.maximum(-bound[3:] - bound[:3], 1e-3)


def _pieces(vertices: Floats, faces: Ints) -> Ints:
    """The connected piece ``(M,)`` of each face, seams welded."""
    first, inverse = weld(vertices)
    _, label = islands(len(first), inverse[faces])
    return np.asarray(label[inverse[faces[:, 0]]])


def _face_part(body: InputBody) -> Ints:
    return np.asarray(np.sort(body.part[body.faces], axis=1)[:, 1])


def _least_share(body: InputBody, concerned: Sequence[int], without: Ints = NONE) -> float:
    """The least share of its box that a concerned asset of the input covers, 1 without any."""
    face_part = _face_part(body).copy()
    face_part[without] = -1
    corners = at_attention(body.vertices, body.faces, face_part, body.joints)
    shares = [
        min(covered_shares(corners[own]).values())
        for parts in ASSETS.values()
        if set(parts) & set(concerned) and (own := np.isin(face_part, parts)).any()
    ]
    return min(shares, default=1.0)


def _fills(body: InputBody, concerned: Sequence[int], without: Ints) -> bool:
    """Whether without some faces the concerned assets would cover more of their boxes."""
    return _least_share(body, concerned, without) > _least_share(body, concerned) + CLEARLY
