"""Solid and parted bodies of one smooth skin, for the tests of what is made of them."""

from __future__ import annotations

from functools import cache

import numpy as np

from rigline.avatar.partition import PartedBody, partition
from rigline.avatar.skinning import skin
from rigline.avatar.solid import SolidBody, solid_body
from tests.support.bodies import SyntheticBody, capsule_body


@cache
def synthetic(segments: int = 16) -> SyntheticBody:
    """Capsules that reach into one another, a little stouter than life."""
    return capsule_body(segments, "A").moved(np.diag([1.2, 1.0, 1.2]))


@cache
def one_skin(segments: int = 16) -> SolidBody:
    """The union of the capsules, with weights that flow over the joints."""
    body = synthetic(segments)
    rigid = skin(body.vertices, body.faces, body.part, body.joints)
    solid = solid_body(body.vertices, body.faces, rigid)
    part = solid.weights.argmax(axis=1)
    smooth = skin(solid.vertices, solid.faces, part, body.joints).dense()
    return SolidBody(solid.vertices, solid.faces, smooth, solid.source_face)


@cache
def parted(segments: int = 16) -> PartedBody:
    """The same, cut into fifteen parts."""
    return partition(one_skin(segments), synthetic(segments).joints)
