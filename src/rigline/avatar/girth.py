"""Limbs whose girths are drawn together until they cover half of the box around them.

A thin shin above a long foot, or a thin arm that ends in a big glove, leaves most of the limb's box
empty, and the rule ``visibility.coverage`` then refuses the body. What is thin is thickened across
its bone and what is wide made narrower, both no more than needed; lengths and joints stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from rigline.avatar.body import N_PARTS, PART_NAMES
from rigline.avatar.marketplace.coverage_checks import (
    ASSETS,
    VIEWS,
    at_attention,
    covered_shares,
    turns_to_attention,
)
from rigline.avatar.marketplace.rules import limit_of
from rigline.avatar.mesh import Floats
from rigline.avatar.partition import PartedBody

STEP: Final = 1.04
MOST_GIRTH: Final = 1.5
"""A limb that would have to be changed by a larger factor is left as it is: it would be another."""

CLEAR: Final = 1.03
BARELY: Final = 1.01
"""By how much a share is brought clear of the limit, and by how much at least."""

CLIMB: Final = 1.1
"""The step of the slower search, for one part and axis."""

Girths = dict[str, tuple[float, float]]
"""By what factors parts were changed, across and from front to back, by the part's name."""


def with_girth(body: PartedBody, joints: Floats) -> tuple[PartedBody, Girths]:
    """The body with its limbs filled out, and by what factors. Deterministic.

    ``joints (15, 3)`` stay. A limb that cannot be brought over the limit stays as it was.
    """
    factor = np.ones((N_PARTS, 2))
    for parts in (parts for parts in ASSETS.values() if len(parts) == 3):
        tried: Floats | None = factor
        for axis, (view, _) in enumerate(VIEWS):
            tried = None if tried is None else _filled(body, joints, parts, axis, view, tried)
        factor = factor if tried is None else tried
    changed = np.flatnonzero((factor != 1).any(axis=1))
    girths: Girths = {PART_NAMES[p]: (float(factor[p, 0]), float(factor[p, 1])) for p in changed}
    if not girths:
        return body, girths
    return replace(body, vertices=_reshaped(body, joints, factor)), girths


def _filled(
    body: PartedBody, joints: Floats, parts: tuple[int, ...], axis: int, view: str, factor: Floats
) -> Floats | None:
    """``factor`` with what it takes for the parts to cover enough of their box in a view; None
    where too much would have to change. A limb that lacks a part is not touched."""
    if not np.isin(parts, body.face_part).all():
        return factor
    own = np.isin(body.face_part, parts)

    def corners_at(tried: Floats) -> Floats:
        return _at_attention(body, joints, _reshaped(body, joints, tried))

    def share_at(tried: Floats) -> float:
        return covered_shares(corners_at(tried)[own])[view]

    wanted = CLEAR * limit_of("visibility.coverage", "least")
    corners = corners_at(factor)
    if covered_shares(corners[own])[view] >= wanted:
        return factor
    way = 2 * axis  # X across, Z from front to back
    span = {p: _span(corners[body.face_part == p], way) for p in parts}
    whole = _span(corners[own], way)
    grown = STEP
    while grown <= MOST_GIRTH:
        tried = factor.copy()
        for part in parts:
            tried[part, axis] *= np.clip(whole / grown / max(span[part], 1e-9), 1 / grown, grown)
        if share_at(tried) >= wanted:
            return tried
        grown *= STEP
    return _climbed(factor, share_at, [(part, axis) for part in parts])


def _climbed(
    factor: Floats, share_at: Callable[[Floats], float], places: list[tuple[int, int]]
) -> Floats | None:
    """``factor`` changed step by step where a step helps most, for limbs whose parts do not lie one
    below the other, so that drawing them together widens the box; None where that does not do."""
    limit = limit_of("visibility.coverage", "least")
    best, share = factor, share_at(factor)
    while share < CLEAR * limit:
        tries = []
        for place in places:
            for step in (CLIMB, 1 / CLIMB):
                tried = best.copy()
                tried[place] *= step
                if 1 / MOST_GIRTH <= tried[place] <= MOST_GIRTH:
                    tries.append((share_at(tried), tried))
        found, tried = max(tries, key=lambda pair: pair[0])
        if found <= share:
            break
        best, share = tried, found
    return best if share >= BARELY * limit else None


def _span(corners: Floats, way: int) -> float:
    return float(np.ptp(corners[:, :, way])) if len(corners) else 0.0


def _at_attention(body: PartedBody, joints: Floats, vertices: Floats) -> Floats:
    return at_attention(vertices, body.faces, body.face_part.astype(np.int64), joints)


def _reshaped(body: PartedBody, joints: Floats, factor: Floats) -> Floats:
    """Vertices with every part stretched about its middle, across its bone, blended by weight."""
    turns = turns_to_attention(joints)
    offset = np.zeros_like(body.vertices)
    for part in np.flatnonzero((factor != 1).any(axis=1)):
        turn = turns.get(int(part), np.eye(3))
        own = body.vertices[np.unique(body.faces[body.face_part == part])] @ turn.T
        middle = turn.T @ ((own.min(axis=0) + own.max(axis=0)) / 2)
        change = turn.T @ np.diag([factor[part, 0] - 1, 0.0, factor[part, 1] - 1]) @ turn
        offset += body.weights[:, part, None] * ((body.vertices - middle) @ change.T)
    return np.asarray(body.vertices + offset)
