"""Skin weights that listen to both labels and skeleton.

Labels say which surface belongs to which part; the skeleton says where it bends. Where they
disagree along a bone, the labels' boundary is carried to the joint first, so that moving a joint
moves the bend with it; then the labels are diffused over the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from rigline.avatar.body import CHILD, N_PARTS, PARENT, Part
from rigline.avatar.diffusion import SurfaceDiffusion
from rigline.avatar.mesh import Floats, Ints, islands, unique_edges, vertex_areas, weld

BLEND_RADIUS = 0.015
"""√t of the diffusion, in shares of height; half of a bend's width, roughly."""

MAX_INFLUENCES = 4
MIN_WEIGHT = 0.01
"""Influences below this are dropped before normalising."""

CARRY_DEAD_ZONE = 0.025
"""A boundary this close to where the found joint wants it stays as it is, in shares of height: the
labels see the surface, and are the better judge of a small difference."""

CARRIED_TO_JOINT = frozenset((Part.LEFT_FOOT, Part.RIGHT_FOOT))
"""Joints that the boundary is carried to, also when nobody has moved them. Elsewhere it has a shape
of its own; along the arms it has been settled before, by ``settled_arms``."""

ARMS = (
    (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND),
    (Part.RIGHT_UPPER_ARM, Part.RIGHT_LOWER_ARM, Part.RIGHT_HAND),
)

JOINT_SPREAD = 0.015
"""How far along an arm its joints are found from where they are, in shares of height, roughly."""

MAX_EVIDENCE = 3.0
"""Log odds that a joint gives at most to the part on its side, however far away."""

CARRIED_JOINTS = (
    Part.LEFT_LOWER_ARM, Part.LEFT_HAND, Part.RIGHT_LOWER_ARM, Part.RIGHT_HAND,
    Part.LEFT_LOWER_LEG, Part.LEFT_FOOT, Part.RIGHT_LOWER_LEG, Part.RIGHT_FOOT,
    Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM, Part.UPPER_TORSO, Part.HEAD,
)  # fmt: skip
"""Joints whose boundary crosses the bone; hips are left to the labels, whose boundary follows the
crease of the groin rather than a cut across the thigh."""


@dataclass(frozen=True, eq=False)
class SkinWeights:
    """At most four influences a vertex.

    ``joints (N, 4)`` uint8 part indices, ``weights (N, 4)`` float32, descending, rows sum to one;
    unused slots are joint 0 with weight 0. Vertices that coincide have equal rows.
    """

    joints: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32]

    def dense(self) -> Floats:
        """``(N, 15)`` float64 weights by part."""
        out = np.zeros((len(self.joints), N_PARTS))
        rows = np.repeat(np.arange(len(self.joints)), MAX_INFLUENCES)
        np.add.at(out, (rows, self.joints.ravel()), self.weights.ravel())
        return out


def bone_direction(joints: Floats, part: int) -> Floats:
    """Unit vector ``(3,)`` along which a joint's boundary is carried.

    The mean of the bones that meet at the joint: from the parent's joint and to the child's.
    """
    parent, child = PARENT[part], CHILD[part]
    arriving = joints[part] - joints[parent]
    if part in (Part.HEAD, Part.UPPER_TORSO):
        arriving = np.array([0.0, 1.0, 0.0])
    if part in (Part.LEFT_UPPER_ARM, Part.RIGHT_UPPER_ARM):
        arriving = joints[child] - joints[part]
    leaving = joints[child] - joints[part] if child >= 0 and part != Part.UPPER_TORSO else arriving
    if part in (Part.LEFT_FOOT, Part.RIGHT_FOOT):
        leaving = arriving
    mean = _unit(arriving) + _unit(leaving)
    return _unit(mean if np.linalg.norm(mean) > 1e-6 else arriving)


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def settled_arms(
    vertices: Floats, part: Ints, opinion: npt.NDArray[np.floating], joints: Floats
) -> Ints:
    """Labels ``(W,)`` along the arms, by the models' opinion and the side of a joint one is on.

    ``opinion (W, 15)`` probabilities. An arm is a plain tube, where nothing on the surface tells
    where it bends; the joints are found from the whole body, and in rigs made by hand the weights
    of arms change at elbow and wrist, more closely than those of legs at knee and ankle. Within an
    arm, log odds of both are added. What differs from the models' opinion (a rigid piece, a
    stray patch) stays as it is, and so does what a person painted: the opinion there is certain,
    and two joints weigh less than that.
    """
    out = part.copy()
    of_models = part == opinion.argmax(axis=1)
    for arm in ARMS:
        own = np.flatnonzero(of_models & np.isin(part, arm))
        log_odds = np.log(np.maximum(opinion[own][:, arm], 1e-6, dtype=np.float64))
        for place, joint in enumerate(arm[1:], start=1):
            past = (vertices[own] - joints[joint]) @ bone_direction(joints, joint)
            evidence = np.clip(past / JOINT_SPREAD, -MAX_EVIDENCE, MAX_EVIDENCE)
            log_odds[:, place:] += evidence[:, None]
        out[own] = np.array(arm)[log_odds.argmax(axis=1)]
    return out


def carried_labels(
    vertices: Floats, faces: Ints, part: Ints, joints: Floats, found_joints: Floats
) -> Ints:
    """Labels ``(W,)`` whose boundaries pass where the joints are.

    For each joint the boundary between its part and the parent's is located along the bone. It is
    carried by as much as the joint was moved from where it was found, and besides to the joint
    where it lay farther off than the dead zone: each vertex of the two parts takes the label found
    at its position moved back by that much, so the boundary keeps its shape. Islands that are
    wholly of one part stay so.
    """
    out = part.copy()
    edges = unique_edges(faces)
    for child in CARRIED_JOINTS:
        parent = PARENT[child]
        both = np.flatnonzero((out == child) | (out == parent))
        if not (out[both] == child).any() or not (out[both] == parent).any():
            continue
        along = bone_direction(joints, child)
        place = _boundary_place(vertices, edges, out, child, parent, along)
        if place is None:
            continue
        shift = float(found_joints[child] @ along) - place
        shift = shift if abs(shift) > CARRY_DEAD_ZONE and child in CARRIED_TO_JOINT else 0.0
        shift += float((joints[child] - found_joints[child]) @ along)
        if abs(shift) < 1e-6:
            continue
        near = both[np.abs(vertices[both] @ along - place - shift / 2) < abs(shift) / 2 + 0.08]
        source = cKDTree(vertices[both]).query(vertices[near] - shift * along)[1]
        out[near] = out[both][source]
    return _islands_kept(faces, part, out)


def _boundary_place(
    vertices: Floats, edges: Ints, part: Ints, child: int, parent: int, along: Floats
) -> float | None:
    """Where the boundary lies along the bone; None if the parts touch nowhere."""
    a, b = part[edges[:, 0]], part[edges[:, 1]]
    crossing = edges[((a == child) & (b == parent)) | ((a == parent) & (b == child))]
    if len(crossing) < 3:
        return None
    middle = vertices[crossing].mean(axis=1) @ along
    return float(np.median(middle))


def _islands_kept(faces: Ints, before: Ints, after: Ints) -> Ints:
    """Islands wholly of one part stay so: a rigid piece is not cut by a carried border."""
    count, island = islands(len(before), faces)
    low = np.full(count, N_PARTS)
    high = np.full(count, -1)
    np.minimum.at(low, island, before)
    np.maximum.at(high, island, before)
    return np.where((low == high)[island], before, after)


def skin(
    vertices: Floats,
    faces: Ints,
    part: Ints,
    joints: Floats,
    found_joints: Floats | None = None,
    opinion: npt.NDArray[np.floating] | None = None,
) -> SkinWeights:
    """Weights of every vertex from its part and the joints.

    ``vertices (N, 3)`` canonical, ``faces (M, 3)``, ``part (N,)``, ``joints (15, 3)``;
    ``found_joints`` are the joints that belong to the labels, before anybody moved one (default:
    ``joints``), and ``opinion (N, 15)`` the models' probabilities of the parts, where arms are to
    be settled by both (default: the labels stand). No vertex is left without weight, whatever
    the topology. Deterministic.
    """
    first, inverse = weld(vertices)
    welded, welded_faces = vertices[first], inverse[faces]
    found = joints if found_joints is None else found_joints
    labels = part[first].astype(np.int64)
    if opinion is not None:
        settled = settled_arms(welded, labels, opinion[first], found)
        labels = _islands_kept(welded_faces, labels, settled)
    labels = carried_labels(welded, welded_faces, labels, joints, found)
    diffused = SurfaceDiffusion(welded, welded_faces).smooth(np.eye(N_PARTS)[labels], BLEND_RADIUS)
    sparse = strongest(np.clip(diffused, 0, None), labels)
    return SkinWeights(sparse.joints[inverse], sparse.weights[inverse])


def strongest(weights: Floats, fallback: Ints) -> SkinWeights:
    """The four largest weights of each row ``(n, 15)``, normalised in float32.

    A row without any weight belongs wholly to its ``fallback (n,)`` part.
    """
    empty = ~(weights.sum(axis=1) > 1e-9)
    weights = np.where(empty[:, None], np.eye(N_PARTS)[fallback], weights)
    order = np.argsort(-weights, axis=1, kind="stable")[:, :MAX_INFLUENCES]
    kept = np.take_along_axis(weights, order, axis=1)
    kept[kept < MIN_WEIGHT * kept[:, :1]] = 0
    kept /= kept.sum(axis=1, keepdims=True)
    single = kept.astype(np.float32)
    single[:, 0] += np.float32(1) - single.sum(axis=1, dtype=np.float32)
    return SkinWeights(np.where(single > 0, order, 0).astype(np.uint8), single)


def weight_evidence(
    vertices: Floats, faces: Ints, weights: SkinWeights, part: Ints
) -> dict[str, float]:
    """What can be measured about a skin without truth.

    ``unweighted_share`` of vertices, ``stray_share`` of area whose heaviest joint is not the part's
    own, neighbour or child, ``moved_share`` of area whose heaviest joint differs from the part.
    """
    area = vertex_areas(vertices, faces)
    area = area / max(float(area.sum()), 1e-30)
    strong = weights.joints[:, 0].astype(np.int64)
    parent = np.array(PARENT)
    kin = (strong == part) | (parent[strong] == part) | (parent[part] == strong)
    return {
        "unweighted_share": float((weights.weights.sum(axis=1) < 0.5).mean()),
        "stray_share": float(area[~kin].sum()),
        "moved_share": float(area[strong != part].sum()),
    }
