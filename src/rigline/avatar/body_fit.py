"""A body in studs, within the sizes of its body type; its proportions changed where they must be.

The sizes are those of the published tables: of head, torso, arms and legs, each with a least and a
most along every axis, arms hanging. First one scale for the whole body is sought. Where none fits,
because a head is too large for legs that short, groups are stretched on their own: every part by
its own factors along its own axes, its joints moving along, blended by the skin's weights. Limbs
that stand too far out of the frontal plane are turned towards it, and limbs that do not fill half
of their boxes are filled out (:mod:`rigline.avatar.girth`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import N_PARTS, PARENT, TOP_DOWN, Part
from rigline.avatar.girth import Girths, with_girth
from rigline.avatar.joint_reach import within_reach
from rigline.avatar.marketplace.mesh_rules import LARGEST, SMALLEST
from rigline.avatar.marketplace.rules import BodyType
from rigline.avatar.marketplace.shape_checks import GROUPS, LIMBS, hanging
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.partition import PartedBody, with_volume
from rigline.avatar.posing import axis_rotation

Proportions = Literal["fit", "keep"]

TYPICAL_STUDS: Final = 5.2
MARGIN: Final = 1.004
"""How much clear of its limits a size is brought."""

MAX_STRETCH: Final = 2.2
"""No group is stretched or shrunk farther along an axis, whatever the tables want."""

OUT_OF_REACH: Final = 100.0
"""What a size beyond the largest stretch weighs, against the squares of the changes within it."""

NEARBY_SCALES: Final = (1.05, 0.95, 1.1, 0.9)
"""What is tried, as shares of the best scale, where that does not bring the sizes to fit."""

ROUNDS: Final = 6
LENGTH: Final = 1
"""The axis along a hanging limb."""

ARMS: Final = (Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM)
CANDIDATES: Final = np.geomspace(2.5, 12.0, 240)

MAX_LEAN_RAD: Final = np.deg2rad(18.0)
AIM_LEAN_RAD: Final = np.deg2rad(5.0)
"""A limb farther out of the frontal plane than the first comes as near as the second; the
specification allows 20°."""

Factors = dict[str, Floats]
"""How much each group is stretched along X, Y and Z, arms hanging."""


@dataclass(frozen=True, eq=False)
class FittedBody:
    """A parted body whose height is 1 again, its joints ``(15, 3)``, and the studs of that height.

    The first six fields are those of :class:`PartedBody`, rows in the same order.
    """

    vertices: Floats
    faces: Ints
    face_part: npt.NDArray[np.uint8]
    lid: npt.NDArray[np.bool_]
    source_face: Ints
    weights: Floats
    joints: Floats
    studs_per_height: float

    @property
    def body(self) -> PartedBody:
        """The body without joints and scale."""
        return PartedBody(*(getattr(self, field.name) for field in fields(PartedBody)))


@dataclass(frozen=True)
class BodyFit:
    """What was done to fit: ``studs`` per height of the unchanged body, ``factors`` by group that
    differ from 1, ``turned`` limbs, ``broken``, the sizes still out of bounds, in words, and
    ``girths``, the factors by which parts of limbs were changed across and from front to back."""

    studs: float
    factors: Mapping[str, tuple[float, float, float]]
    turned: tuple[str, ...]
    broken: tuple[str, ...]
    girths: Mapping[str, tuple[float, float]]

    def evidence(self) -> dict[str, Any]:
        """As plain JSON; ``stretch`` is the largest change of a proportion, as a factor above 1."""
        changed = [max(f, 1 / f) for factor in self.factors.values() for f in factor]
        return {
            "studs_per_height": self.studs,
            "stretch": float(max(changed, default=1.0)),
            "factors": {group: list(factor) for group, factor in self.factors.items()},
            "turned_limbs": list(self.turned),
            "girths": {part: list(girth) for part, girth in self.girths.items()},
            "sizes_out_of_bounds": list(self.broken),
        }


def fit_body(
    body: PartedBody, joints: Floats, body_type: BodyType, proportions: Proportions = "fit"
) -> tuple[FittedBody, BodyFit]:
    """The body in the sizes of a body type, and what that took. Deterministic.

    ``joints (15, 3)`` in the frame of the body. With ``proportions`` "keep" it is only scaled. A
    body that cannot be brought within its bounds comes as near to them as may be; nothing raises.
    """
    limits = _limits(body_type)
    studs = _scale(_sizes(body.vertices, body, joints), limits)
    factors = _unchanged()
    girths: Girths = {}
    turned: tuple[str, ...] = ()
    vertices, placed = body.vertices, joints
    if proportions == "fit":
        turned = _turned(joints)
        vertices, placed = _within(body, joints, studs, limits, factors)
        if _broken(_sizes(vertices, body, placed), studs, limits):
            studs, factors = _nearby_scale(body, joints, studs, limits), _unchanged()
            vertices, placed = _within(body, joints, studs, limits, factors)
        filled, girths = with_girth(replace(body, vertices=vertices), placed)
        if girths:
            vertices, placed = _within(filled, placed, studs, limits, factors)
    broken = _broken(_sizes(vertices, body, placed), studs, limits)
    changed = {g: tuple(f.tolist()) for g, f in factors.items() if not np.allclose(f, 1, atol=1e-3)}
    vertices = with_volume(replace(body, vertices=vertices)).vertices
    placed = within_reach(body, joints, vertices, placed)
    fitted = _on_floor(body, vertices, placed, studs)
    return fitted, BodyFit(studs, changed, turned, broken, girths)


def _unchanged() -> Factors:
    return {group: np.ones(3) for group in GROUPS if group != "total"}


def _nearby_scale(body: PartedBody, joints: Floats, studs: float, limits: Sizes) -> float:
    """A scale near ``studs`` with which the groups can be brought within their sizes; else itself.

    Where groups blend into each other a stretch does not do all that its factor says.
    """
    for share in NEARBY_SCALES:
        vertices, placed = _within(body, joints, share * studs, limits, _unchanged())
        if not _broken(_sizes(vertices, body, placed), share * studs, limits):
            return share * studs
    return studs


def _within(
    body: PartedBody, joints: Floats, studs: float, limits: Sizes, factors: Factors
) -> tuple[Floats, Floats]:
    """Vertices and joints with the groups stretched until their sizes fit, or as far as may be.

    ``factors`` are what was done before, and take in what is done here.
    """
    before = {group: factor.copy() for group, factor in factors.items()}
    own: Factors = {group: np.ones(3) for group in factors}
    vertices, placed = _stretched(body, joints, own)
    for _ in range(ROUNDS):
        wanted = _wanted(_sizes(vertices, body, placed), studs, limits)
        if all(np.allclose(w, 1) for w in wanted.values()):
            break
        for group, base in before.items():
            whole = np.clip(base * own[group] * wanted[group], 1 / MAX_STRETCH, MAX_STRETCH)
            factors[group], own[group] = whole, whole / base
        vertices, placed = _stretched(body, joints, own)
    return vertices, placed


Sizes = dict[str, tuple[Floats, Floats]]
"""Smallest and largest extent ``(3,)`` over the sides of each group."""


def misfits(fitted: FittedBody, body_type: BodyType) -> tuple[str, ...]:
    """The sizes of a fitted body that are out of the bounds of a body type, in words."""
    sizes = _sizes(fitted.vertices, fitted.body, fitted.joints)
    return _broken(sizes, fitted.studs_per_height, _limits(body_type))


def _limits(body_type: BodyType) -> Sizes:
    return {
        group: (np.array(SMALLEST[group]), np.array(LARGEST[group][body_type])) for group in GROUPS
    }


def _sizes(vertices: Floats, body: PartedBody, joints: Floats) -> Sizes:
    """As the rules measure them."""
    found: dict[str, list[Floats]] = {}
    for group, sides in GROUPS.items():
        for parts in sides:
            used = np.unique(body.faces[np.isin(body.face_part, parts)])
            if len(used):
                points = vertices[used]
                if parts[0] in ARMS:
                    points = hanging(points, parts[0], joints)
                found.setdefault(group, []).append(np.ptp(points, axis=0))
    return {group: (np.min(s, axis=0), np.max(s, axis=0)) for group, s in found.items()}


def _scale(sizes: Sizes, limits: Sizes) -> float:
    """Studs per height that leave the least to be changed, and of those the most typical.

    What would have to change by more than groups may be stretched counts before everything else.
    """
    cost = np.zeros(len(CANDIDATES))
    for group, (small, large) in sizes.items():
        least, most = limits[group]
        under = MARGIN * least / (CANDIDATES[:, None] * np.maximum(small, 1e-9))
        over = MARGIN * CANDIDATES[:, None] * large / most
        worst = np.log(np.maximum(np.maximum(under, over), 1.0))
        beyond = np.maximum(worst - np.log(MAX_STRETCH), 0.0)
        cost += (worst**2 + OUT_OF_REACH * beyond).sum(axis=1)
    return float(CANDIDATES[np.argmin(cost + 1e-6 * np.log(CANDIDATES / TYPICAL_STUDS) ** 2)])


def _wanted(sizes: Sizes, studs: float, limits: Sizes) -> Factors:
    """By how much each group still has to change; the head by one factor for all axes if it can."""
    wanted: Factors = {group: np.ones(3) for group in GROUPS if group != "total"}
    for group in wanted:
        if group not in sizes:
            continue
        (small, large), (least, most) = sizes[group], limits[group]
        grow = np.maximum(MARGIN * least / np.maximum(studs * small, 1e-9), 1.0)
        shrink = np.minimum(most / np.maximum(MARGIN * studs * large, 1e-9), 1.0)
        if group == "head" and (grow == 1).all():
            shrink = np.full(3, shrink.min())
        wanted[group] = grow * shrink
    least, total = sizes["total"]
    short = max(MARGIN * limits["total"][0][LENGTH] / max(studs * least[LENGTH], 1e-9), 1.0)
    within = np.minimum(limits["total"][1] / np.maximum(MARGIN * studs * total, 1e-9), 1.0)
    for group, factor in wanted.items():
        factor[2] = min(factor[2], within[2]) if factor[2] <= 1 else factor[2]
        if group == "arm":
            factor[LENGTH] *= within[0]
        if group in ("leg", "torso"):
            factor[LENGTH] *= short
    return wanted


def _stretched(body: PartedBody, joints: Floats, factors: Factors) -> tuple[Floats, Floats]:
    """Vertices and joints with every part stretched about its joint, from the hips outwards."""
    linear = np.zeros((N_PARTS, 3, 3))
    placed = joints.copy()
    turns = _turns(joints)
    for part in TOP_DOWN:
        group = next(g for g, sides in GROUPS.items() if any(part in side for side in sides))
        linear[part] = turns.get(part, np.eye(3)) @ _along_axes(part, factors[group], joints)
        parent = PARENT[part]
        if parent >= 0:
            placed[part] = placed[parent] + linear[parent] @ (joints[part] - joints[parent])
    vertices = np.zeros_like(body.vertices)
    for part in range(N_PARTS):
        moved = placed[part] + (body.vertices - joints[part]) @ linear[part].T
        vertices += body.weights[:, part, None] * moved
    return vertices, placed


def _along_axes(part: int, factor: Floats, joints: Floats) -> Floats:
    """``(3, 3)`` stretching along the axes, of an arm along those of the arm as it would hang."""
    down = hanging(np.eye(3), part, joints).T
    return down.T @ np.diag(factor) @ down


def _turns(joints: Floats) -> dict[int, Floats]:
    """The rotation of every part of a limb that leans too far, first joint to last, to the front or
    to the back."""
    turns: dict[int, Floats] = {}
    for chain in LIMBS.values():
        line = joints[chain[2]] - joints[chain[0]]
        length = float(np.linalg.norm(line))
        lean = float(np.arcsin(np.clip(line[2] / max(length, 1e-9), -1, 1)))
        flat = np.array([line[0], line[1], 0.0])
        if abs(lean) > MAX_LEAN_RAD and np.linalg.norm(flat) > 1e-6:
            axis = np.cross(line, flat)
            turn = axis_rotation(axis, abs(lean) - AIM_LEAN_RAD)
            turns |= {int(part): turn for part in chain}
    return turns


def _turned(joints: Floats) -> tuple[str, ...]:
    turns = _turns(joints)
    return tuple(name for name, chain in LIMBS.items() if chain[0] in turns)


def _broken(sizes: Sizes, studs: float, limits: Sizes) -> tuple[str, ...]:
    words = []
    for group, (small, large) in sizes.items():
        least, most = limits[group]
        for axis, name in enumerate("XYZ"):
            if studs * small[axis] < least[axis] - 1e-9:
                words.append(f"{group} {name} {studs * small[axis]:.2f} < {least[axis]:g} studs")
            if studs * large[axis] > most[axis] + 1e-9:
                words.append(f"{group} {name} {studs * large[axis]:.2f} > {most[axis]:g} studs")
    return tuple(words)


def _on_floor(body: PartedBody, vertices: Floats, joints: Floats, studs: float) -> FittedBody:
    """The stretched body in a canonical frame of its own: feet on the floor, height 1."""
    used = vertices[np.unique(body.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    height = float(high[1] - low[1])
    origin = np.array([0.0, low[1], 0.0])
    return FittedBody(
        (vertices - origin) / height, body.faces, body.face_part, body.lid, body.source_face,
        body.weights, (joints - origin) / height, studs * height,
    )  # fmt: skip
