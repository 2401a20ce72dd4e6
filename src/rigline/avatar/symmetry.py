"""Bodies that are the mirror image of themselves, as most characters are modelled.

What is alike on both sides is to be named and bent alike: a rig that differs a little between left
and right looks broken, and the mean of both sides errs less than each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from rigline.avatar.body import FLIP, SWAP
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import Floats, Ints, vertex_areas, weld

TOLERANCE = 0.003
"""How far from the mirror image of a vertex its counterpart may lie, in shares of height."""

SYMMETRIC_SHARE = 0.8
"""A body is symmetric when so much of its area has a counterpart. The rest is what is worn or held
on one side alone."""

NOBODY = -1


def mirrored(points: Floats, middle: float) -> Floats:
    """Points ``(…, 3)`` mirrored in the plane x = ``middle``."""
    return points * FLIP + np.array([2 * middle, 0, 0])


@dataclass(frozen=True, eq=False)
class Symmetry:
    """The sagittal plane x = ``middle`` of a symmetric body in the canonical frame.

    ``partner (W,)`` is the welded vertex nearest to each one's mirror image, or ``NOBODY``. A
    vertex in the plane has none: evened out with itself, it would be of both sides alike.
    """

    middle: float
    partner: Ints

    def even_joints(self, joints: Floats) -> Floats:
        """Joints ``(15, 3)`` that are each other's mirror image, the mean of both sides."""
        return (joints + mirrored(joints[SWAP], self.middle)) / 2

    def even_parts(self, columns: Floats) -> Floats:
        """Per-part columns ``(W, 15)``: the mean of each vertex and its counterpart, if any."""
        others = columns[self.partner][:, SWAP]
        return np.where((self.partner == NOBODY)[:, None], columns, (columns + others) / 2)


def find_symmetry(mesh: CanonicalMesh) -> Symmetry | None:
    """The symmetry of a body, or None.

    The plane is looked for where modellers put it, through the middle of the body's box or the
    origin of its file. A body in an uneven pose has none.
    """
    first, inverse = weld(mesh.vertices)
    vertices = mesh.vertices[first]
    area = vertex_areas(vertices, inverse[mesh.faces])
    tree = cKDTree(vertices)
    for middle in dict.fromkeys((0.0, float(mesh.canonical_from_asset[0, 3]))):
        away, partner = tree.query(mirrored(vertices, middle), distance_upper_bound=TOLERANCE)
        found = np.isfinite(away)
        if area[found].sum() >= SYMMETRIC_SHARE * area.sum():
            other = found & (partner != np.arange(len(vertices)))
            return Symmetry(middle, np.where(other, partner, NOBODY).astype(np.int64))
    return None
