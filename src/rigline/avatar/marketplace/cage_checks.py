"""Checks of the outer cages."""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.body import PART_NAMES
from rigline.avatar.cage_template import CAGE_NAMES
from rigline.avatar.marketplace.results import (
    Finding,
    at_most,
    at_points,
    none_of,
    not_applicable,
    on_parts,
)
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.surface_queries import nearest_on_surface, share_inside

MIN_UV_AREA: Final = 1e-10


def present(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Each of the fifteen names once."""
    names = [cage.name for cage in body.cages]
    wrong = [f"{name} ({names.count(name)} times)" for name in CAGE_NAMES if names.count(name) != 1]
    wrong += [name for name in names if name not in CAGE_NAMES]
    missing = on_parts(k for k, name in enumerate(CAGE_NAMES) if names.count(name) != 1)
    what = "cages missing, doubled or misnamed"
    return none_of(wrong, "the fifteen, each once", what, missing)


def distance(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The farthest cage vertex from the body, in studs."""
    if not body.cages:
        return not_applicable("There is no cage.")
    points = np.concatenate([cage.vertices for cage in body.cages])
    owner = np.repeat(np.arange(len(body.cages)), [len(cage.vertices) for cage in body.cages])
    nearest, _ = nearest_on_surface(points, body.vertices, body.faces, body.samples)
    gap = np.linalg.norm(points - nearest, axis=1) * body.studs_per_unit
    worst = int(gap.argmax())
    where = body.cages[int(owner[worst])].name
    limit = limit_of("cage.distance", "most")
    marks = at_points(points[np.argsort(-gap)][: int((gap > limit).sum())])
    return at_most(float(gap[worst]), limit, "studs", "largest distance", where, marks)


def inside(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The share of the cage's vertices that the body encloses."""
    if not body.cages:
        return not_applicable("There is no cage.")
    points = np.concatenate([cage.vertices for cage in body.cages])
    share = share_inside(points, body.vertices, body.faces)
    return at_most(share, limit_of("cage.inside", "most"), "of the vertices", "share inside")


def box(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Cage against part along each axis, after a slack for thin parts and for parts cut askew."""
    low, high = limit_of("cage.box", "least"), limit_of("cage.box", "most")
    slack = limit_of("cage.box", "slack") / body.studs_per_unit
    unlike: list[int] = []
    for cage in body.cages:
        if cage.name not in CAGE_NAMES:
            continue
        part = CAGE_NAMES.index(cage.name)
        own = body.of_part(part)
        if not len(own):
            continue
        size, ours = np.ptp(own, axis=0), np.ptp(cage.vertices, axis=0)
        if (ours > high * size + slack).any() or (ours < low * size - slack).any():
            unlike.append(part)
    limit = f"{low:g} to {high:g} times, slack {slack * body.studs_per_unit:g} studs"
    names = [PART_NAMES[part] for part in unlike]
    return none_of(names, limit, "cages whose box is unlike their part's", on_parts(unlike))


def uv_area(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Cage triangles without area in UV."""
    flat, where = 0, []
    spots = [np.zeros((0, 3))]
    for cage in body.cages:
        a, b, c = (cage.uvs[cage.faces[:, k]] for k in range(3))
        first, second = b - a, c - a
        area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
        bare = ~(area > MIN_UV_AREA)
        number = int(bare.sum())
        spots.append(cage.vertices[cage.faces[bare]].mean(axis=1)[:3])
        flat += number
        where += [cage.name] if number else []
    limit = limit_of("cage.uv_area", "most")
    what, names = "triangles without UV area", ", ".join(where[:5])
    return at_most(flat, limit, "triangles", what, names, at_points(np.concatenate(spots)))


def template(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Whether the cages keep the official template; Rigline's own never do."""
    if body.cage_template_conformant is None:
        return not_applicable("Without the official template the cages cannot be compared.")
    if body.cage_template_conformant:
        return Finding(True, "conformant", "the official template", "The official template is kept")
    return Finding(
        False,
        "not conformant",
        "the official template",
        "The cages do not have the vertices and UVs of the official template",
    )


CHECKS: Final = {
    "cage.present": present,
    "cage.distance": distance,
    "cage.inside": inside,
    "cage.box": box,
    "cage.uv_area": uv_area,
    "cage.template": template,
}
