"""Checks of UVs, textures and vertex colours."""

from __future__ import annotations

from typing import Final

import numpy as np

from rigline.avatar.marketplace.results import (
    Finding,
    at_most,
    at_points,
    none_of,
    not_applicable,
)
from rigline.avatar.marketplace.rules import CheckSettings, limit_of
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.avatar.mesh import Bools

ROLES: Final = ("base_color", "normal", "metalness", "roughness", "metallic_roughness")
"""The four maps; the last packs two of them into one image, as glTF does."""

UV_TOLERANCE: Final = 1e-6
NO_POINTS: Final = np.zeros((0, 3))


def uv_range(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """How far the UVs leave the unit square."""
    if body.uvs is None or not len(body.uvs):
        return not_applicable("The body has no UVs.")
    outside = float(np.maximum(-body.uvs, body.uvs - 1).max())
    if not np.isfinite(outside):
        return Finding(False, "not finite", "0 to 1", "UVs are not finite numbers")
    beyond: Bools = np.asarray((np.abs(body.uvs - 0.5) > 0.5 + UV_TOLERANCE).any(axis=1))
    marks = at_points(body.vertices[beyond] if len(beyond) == len(body.vertices) else NO_POINTS)
    overshoot = max(outside, 0.0)
    return at_most(overshoot, UV_TOLERANCE, "outside 0 to 1", "largest overshoot", marks=marks)


def uv_sets(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """The number of UV sets."""
    return at_most(body.uv_sets, limit_of("texture.uv_sets", "most"), "sets", "UV sets")


def maps(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Textures in another role than the four."""
    if not body.images:
        return not_applicable("The body has no textures.")
    other = [image.role for image in body.images if image.role not in ROLES]
    return none_of(other, ", ".join(ROLES), "textures in other roles")


def size(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """Textures above the limit that the settings choose."""
    if not body.images:
        return not_applicable("The body has no textures.")
    large = []
    for image in body.images:
        if settings.texture_limit == "body":
            limit = limit_of("texture.size", "body")
        elif image.role == "base_color":
            limit = limit_of("texture.size", "validation_colour")
        else:
            limit = limit_of("texture.size", "validation_other")
        if max(image.width, image.height) > limit:
            large.append(f"{image.role} {image.width} x {image.height} (limit {limit:g})")
    words = "≤ 2048 pixels"
    if settings.texture_limit == "validation":
        words = "≤ 1024 pixels for colour, ≤ 256 for the rest"
    return none_of(large, words, "textures too large")


def vertex_colours(body: AvatarUnderTest, settings: CheckSettings) -> Finding:
    """How far the vertex colours, in 0 to 1, are from white."""
    if body.vertex_colours is None or not len(body.vertex_colours):
        return not_applicable("The body has no vertex colours.")
    off = np.abs(body.vertex_colours[:, :3] - 1).max(axis=1)
    limit = limit_of("texture.vertex_colours", "tolerance")
    tinted = off > limit
    marks = at_points(body.vertices[tinted] if len(off) == len(body.vertices) else NO_POINTS)
    return at_most(float(off.max()), limit, "", "offset from white", marks=marks)


CHECKS: Final = {
    "texture.uv_range": uv_range,
    "texture.uv_sets": uv_sets,
    "texture.maps": maps,
    "texture.size": size,
    "texture.vertex_colours": vertex_colours,
}
