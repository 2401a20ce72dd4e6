"""The nineteen attachment points of an R15 body: where each belongs, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rigline.avatar.body import PARENT, Part
from rigline.avatar.mesh import Floats, Ints
from rigline.avatar.surface_queries import farthest_hit, lattice_samples, nearest_on_surface

Span = tuple[float, float]
Vector = tuple[float, float, float]
ANYWHERE: Final[Span] = (0.0, 1.0)
LOW_HALF: Final[Span] = (0.0, 0.5)
HIGH_HALF: Final[Span] = (0.5, 1.0)
IDENTITY: Final = np.array([0.0, 0.0, 0.0, 1.0])
FRONT: Final = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class AttachmentSite:
    """What the body specification says of one attachment, and how we choose within it.

    ``region`` is the span allowed along X, Y and Z of the part's bounding box, as shares of it;
    an attachment bound to its joint has ``at_joint`` and no region of its own. From ``start``, in
    shares of the box, we go along ``ray`` to the last surface of the part; without a ray the start
    itself is the place.
    """

    name: str
    part: Part
    region: tuple[Span, Span, Span] = (ANYWHERE, ANYWHERE, ANYWHERE)
    start: Vector = (0.5, 0.5, 0.5)
    ray: Vector | None = None
    at_joint: bool = False


@dataclass(frozen=True, eq=False)
class AttachmentPoint:
    """``position (3,)`` in the canonical frame and ``rotation (4,)``, a quaternion x, y, z, w.

    The rotation is from the attachment's own axes to those of the canonical frame.
    """

    name: str
    part: int
    position: Floats
    rotation: Floats


_TOP = (ANYWHERE, HIGH_HALF, ANYWHERE)
_FRONT = (ANYWHERE, ANYWHERE, HIGH_HALF)
_BACK = (ANYWHERE, ANYWHERE, LOW_HALF)
_UPWARDS, _FORWARDS, _BACKWARDS = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)

SITES: Final = (
    AttachmentSite("FaceCenter_Att", Part.HEAD),
    AttachmentSite("FaceFront_Att", Part.HEAD, _FRONT, ray=_FORWARDS),
    AttachmentSite("Hat_Att", Part.HEAD, _TOP, ray=_UPWARDS),
    AttachmentSite("Hair_Att", Part.HEAD, _TOP, ray=(0.0, 1.0, -0.5)),
    AttachmentSite(
        "LeftCollar_Att", Part.UPPER_TORSO, (HIGH_HALF, HIGH_HALF, ANYWHERE),
        (0.75, 0.6, 0.5), _UPWARDS,
    ),
    AttachmentSite(
        "RightCollar_Att", Part.UPPER_TORSO, (LOW_HALF, HIGH_HALF, ANYWHERE),
        (0.25, 0.6, 0.5), _UPWARDS,
    ),
    AttachmentSite("Neck_Att", Part.UPPER_TORSO, _TOP, (0.5, 1.0, 0.5)),
    AttachmentSite("BodyBack_Att", Part.UPPER_TORSO, _BACK, (0.5, 0.6, 0.5), _BACKWARDS),
    AttachmentSite("BodyFront_Att", Part.UPPER_TORSO, _FRONT, (0.5, 0.6, 0.5), _FORWARDS),
    AttachmentSite("Root_Att", Part.LOWER_TORSO, at_joint=True),
    AttachmentSite("WaistFront_Att", Part.LOWER_TORSO, _FRONT, (0.5, 0.7, 0.5), _FORWARDS),
    AttachmentSite("WaistBack_Att", Part.LOWER_TORSO, _BACK, (0.5, 0.7, 0.5), _BACKWARDS),
    AttachmentSite("WaistCenter_Att", Part.LOWER_TORSO),
    AttachmentSite("LeftShoulder_Att", Part.LEFT_UPPER_ARM, _TOP, (0.4, 0.6, 0.5), _UPWARDS),
    AttachmentSite("RightShoulder_Att", Part.RIGHT_UPPER_ARM, _TOP, (0.6, 0.6, 0.5), _UPWARDS),
    AttachmentSite("LeftGrip_Att", Part.LEFT_HAND),
    AttachmentSite("RightGrip_Att", Part.RIGHT_HAND),
    AttachmentSite("LeftFoot_Att", Part.LEFT_FOOT, start=(0.5, 0.5, 0.5), ray=(0.0, -1.0, 0.0)),
    AttachmentSite("RightFoot_Att", Part.RIGHT_FOOT, start=(0.5, 0.5, 0.5), ray=(0.0, -1.0, 0.0)),
)  # fmt: skip
"""The nineteen, in the order of the published list: head, torso, arms, hands, feet."""


@dataclass(frozen=True, eq=False)
class Attachments:
    """All nineteen, in the order of ``SITES``: ``positions (19, 3)`` and ``rotations (19, 4)``.

    Frame and rotations as in ``AttachmentPoint``.
    """

    positions: Floats
    rotations: Floats

    @classmethod
    def of(cls, points: Sequence[AttachmentPoint]) -> Attachments:
        """The points that ``place_attachments`` gave."""
        return cls(np.stack([p.position for p in points]), np.stack([p.rotation for p in points]))

    def points(self, scale: float = 1.0) -> tuple[AttachmentPoint, ...]:
        """One value each, with positions multiplied by ``scale``."""
        rows = zip(SITES, self.positions, self.rotations, strict=True)
        return tuple(AttachmentPoint(s.name, int(s.part), p * scale, r) for s, p, r in rows)

    def with_point(self, name: str, position: Floats, rotation: Floats | None) -> Attachments:
        """The attachments with one at ``position (3,)``, turned to the quaternion ``rotation (4,)``
        unless that is None. ``ValueError`` for an unknown name."""
        row = [site.name for site in SITES].index(name)
        positions, rotations = self.positions.copy(), self.rotations.copy()
        positions[row] = position
        if rotation is not None:
            rotations[row] = rotation / np.linalg.norm(rotation)
        return Attachments(positions, rotations)


def place_attachments(
    vertices: Floats, faces: Ints, part: Ints, joints: Floats
) -> tuple[AttachmentPoint, ...]:
    """Place the nineteen attachments on a body in the canonical frame.

    ``vertices (N, 3)``, ``faces (M, 3)``, ``part (N,)``, ``joints (15, 3)``. Each lies in its
    region of its part's bounding box, and those meant for the surface lie on it, which sinks the
    thing attached by half. A part without surface lends its joint instead. Deterministic.

    "Root_Att at the origin": the published list gives positions in the frame of the part, whose
    origin is the part's joint. So Root_Att is at the LowerTorso's joint, at the hips, not on the
    floor. Grips stand across the lower arm: their +Y runs back along it to the elbow, their +Z as
    near to the character's front as that allows; a hand that hangs down has the identity.
    """
    face_part = np.sort(part[faces], axis=1)[:, 1]
    placed = []
    for site in SITES:
        own = vertices[part == site.part]
        if site.at_joint or not len(own):
            position = joints[site.part].astype(np.float64)
        else:
            position = _place(site, own, vertices, faces[face_part == site.part])
        grip = site.part in (Part.LEFT_HAND, Part.RIGHT_HAND)
        rotation = _grip_rotation(site.part, joints) if grip else IDENTITY.copy()
        placed.append(AttachmentPoint(site.name, int(site.part), position, rotation))
    return tuple(placed)


def region_box(site: AttachmentSite, own: Floats) -> tuple[Floats, Floats]:
    """Low and high corners of the region allowed, given the vertices ``(n, 3)`` of the part."""
    low, high = own.min(axis=0), own.max(axis=0)
    span = np.array(site.region)
    return low + span[:, 0] * (high - low), low + span[:, 1] * (high - low)


def _place(site: AttachmentSite, own: Floats, vertices: Floats, faces: Ints) -> Floats:
    """The last surface along the site's ray, or else the nearest to where the ray left the box."""
    low, high = own.min(axis=0), own.max(axis=0)
    origin = low + np.array(site.start) * (high - low)
    region_low, region_high = region_box(site, own)
    if site.ray is None or not len(faces):
        return np.asarray(np.clip(origin, region_low, region_high))
    direction = np.array(site.ray)
    distance = farthest_hit(origin, direction, vertices, faces)
    if distance is not None:
        return np.asarray(np.clip(origin + distance * direction, region_low, region_high))
    goal = np.clip(origin + direction * float((high - low).max()), region_low, region_high)
    extent = max(float((high - low).max()), 1e-9)
    samples = lattice_samples(vertices, faces, extent / 20, 4000)
    nearest, _ = nearest_on_surface(goal[None], vertices, faces, samples)
    return np.asarray(np.clip(nearest[0], region_low, region_high))


def _grip_rotation(hand: int, joints: Floats) -> Floats:
    """Quaternion whose +Y points from the wrist back to the elbow, +Z forwards across the arm."""
    up = joints[PARENT[hand]] - joints[hand]
    length = float(np.linalg.norm(up))
    if not length > 1e-9:
        return IDENTITY.copy()
    up = up / length
    forward = FRONT - (FRONT @ up) * up
    if np.linalg.norm(forward) < 0.1:
        # The arm points to the front: the palm's other direction across it is upwards.
        forward = np.array([0.0, 1.0, 0.0]) - up[1] * up
    forward = forward / np.linalg.norm(forward)
    return quaternion(np.stack([np.cross(up, forward), up, forward], axis=1))


def quaternion(rotation: Floats) -> Floats:
    """``(4,)`` x, y, z, w (w ≥ 0) of a rotation matrix ``(3, 3)``.

    Shepperd, "Quaternion from rotation matrix", 1978: divides by the largest of the four.
    """
    trace = float(np.trace(rotation))
    diagonal = np.append(np.diag(rotation), trace)
    k = int(diagonal.argmax())
    q = np.empty(4)
    if k == 3:
        q[:3] = (
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        )
        q[3] = 1 + trace
    else:
        i, j = (k + 1) % 3, (k + 2) % 3
        q[k] = 1 + 2 * rotation[k, k] - trace
        q[i] = rotation[i, k] + rotation[k, i]
        q[j] = rotation[j, k] + rotation[k, j]
        q[3] = rotation[j, i] - rotation[i, j]
    q = q / np.linalg.norm(q)
    return np.asarray(-q if q[3] < 0 else q)


def rotation_matrix(quaternion_xyzw: Floats) -> Floats:
    """``(3, 3)`` the matrix of a unit quaternion ``(4,)``."""
    x, y, z, w = quaternion_xyzw
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
