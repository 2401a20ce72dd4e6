"""What is worn close to the body and ends anywhere: trousers, tops, boots, gloves, bands.

A hem is the strongest edge of many characters, and it seldom lies where two parts meet. Where it
does in all the training data, a network takes hems for joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rigline.avatar.body import Part
from rigline.avatar.mesh import vertex_normals
from rigline_training.character import Floats, Ints, Piece
from rigline_training.posing import ARMS, LEGS

CHANCES = {"trousers": 0.45, "top": 0.45, "boots": 0.4, "gloves": 0.3, "bands": 0.2}
ARM_PARTS = tuple(int(b) + k for b, _ in ARMS for k in range(3))
LEG_PARTS = tuple(int(b) + k for b, _ in LEGS for k in range(3))


@dataclass(frozen=True)
class _Measure:
    """Where points lie on a body, in shares of its height.

    ``along (n,)`` from the shoulder or hip down the limb, over both its segments; 0 on the torso.
    ``up (n,)`` from hips to neck along the trunk, in shares of that distance.
    """

    along: Floats
    up: Floats
    arm: Floats
    leg: Floats
    trunk: float


def _measured(points: Floats, labels: Ints, joints: Floats, height: float) -> _Measure:
    along, arm, leg = np.zeros(len(points)), np.zeros(2), np.zeros(2)
    for chains, length in ((ARMS, arm), (LEGS, leg)):
        for b, _ in chains:
            for k in range(2):
                bone = joints[b + k + 1] - joints[b + k]
                length[k] = np.linalg.norm(bone) / height
                mine = labels == b + k
                on = (points[mine] - joints[b + k]) @ bone / max(bone @ bone, 1e-12)
                along[mine] = length[:k].sum() + length[k] * on
            end = labels == b + 2
            away = np.linalg.norm(points[end] - joints[b + 2], axis=1)
            along[end] = length.sum() + away / height
    trunk = joints[Part.HEAD] - joints[Part.LOWER_TORSO]
    up = (points - joints[Part.LOWER_TORSO]) @ trunk / max(trunk @ trunk, 1e-12)
    return _Measure(along, up, arm, leg, float(np.linalg.norm(trunk)) / height)


def _reach(segments: float, bones: Floats) -> float:
    """Length down a limb after so many of its two segments (0 to 2), whose lengths are given."""
    return float(min(segments, 1) * bones[0] + max(segments - 1, 0) * bones[1])


def _inside(name: str, m: _Measure, labels: Ints, rng: np.random.Generator) -> Floats:
    """(n,) how far inside the garment's nearest hem each point lies, in shares of height."""
    arms, legs = np.isin(labels, ARM_PARTS), np.isin(labels, LEG_PARTS)
    low, high = labels == Part.LOWER_TORSO, labels == Part.UPPER_TORSO
    out = np.full(len(labels), -1.0)
    if name == "trousers":
        top, end = rng.uniform(-0.05, 0.6), rng.uniform(0.1, 1.9)
        out[low | high] = (top - m.up[low | high]) * m.trunk
        out[legs] = _reach(end, m.leg) - m.along[legs]
    elif name == "top":
        hem, end = rng.uniform(-0.6, 0.5), rng.choice([0.0, rng.uniform(0.1, 1.95)])
        trunk = low | high | legs
        out[trunk] = (m.up[trunk] - hem) * m.trunk
        out[arms] = _reach(end, m.arm) - m.along[arms]
    elif name == "boots":
        out[legs] = m.along[legs] - _reach(rng.uniform(0.8, 1.97), m.leg)
    elif name == "gloves":
        out[arms] = m.along[arms] - _reach(rng.uniform(0.9, 1.97), m.arm)
    else:
        limb, bone = (arms, m.arm) if rng.random() < 0.5 else (legs, m.leg)
        middle, wide = rng.uniform(0.1, 1.0) * bone.sum(), rng.uniform(0.01, 0.06)
        out[limb] = wide - np.abs(m.along[limb] - middle)
    return out


def garments(rng: np.random.Generator, body: Piece, joints: Floats) -> list[tuple[Floats, Floats]]:
    """For each garment that chance draws: how far inside of it each vertex lies (n,), negative
    outside, and how thick it is there (n,); both in the body's unit."""
    height = float(np.ptp(body.vertices[:, 1]))
    m = _measured(body.vertices, body.labels, joints, height)
    out = []
    for name, chance in CHANCES.items():
        if rng.random() >= chance:
            continue
        inside = _inside(name, m, body.labels, rng)
        thick = rng.choice([rng.uniform(0.003, 0.012), rng.uniform(0.01, 0.03)])
        flare = rng.choice([0.0, rng.uniform(-0.5, 1.5)])
        widening = 1 + flare * np.exp(-np.maximum(inside, 0) / rng.uniform(0.015, 0.06))
        out.append((inside * height, thick * widening * height))
    return out


def fused(rng: np.random.Generator, body: Piece, joints: Floats) -> Piece:
    """The body's own surface swollen where it is dressed: a step at each hem, as in characters
    that are modelled in one piece."""
    thickness = np.zeros(len(body.vertices))
    for inside, thick in garments(rng, body, joints):
        thickness = np.where(inside > 0, np.maximum(thickness, thick), thickness)
    normals = vertex_normals(body.vertices, body.faces)
    return body.moved(body.vertices + normals * thickness[:, None])


def loose(rng: np.random.Generator, body: Piece, joints: Floats) -> tuple[Piece, ...]:
    """The body and its garments as shells of their own; mostly what they hide is removed."""
    normals = vertex_normals(body.vertices, body.faces)
    hides, margin = rng.random() < 0.6, 0.01 * float(np.ptp(body.vertices[:, 1]))
    shells, shown = [], np.ones(len(body.faces), bool)
    for inside, thick in garments(rng, body, joints):
        worn = (inside > 0)[body.faces].all(axis=1)
        if worn.sum() < 20:
            continue
        placed = body.vertices + normals * thick[:, None]
        shells.append(Piece(placed, body.faces[worn], body.labels, name="clothing"))
        shown &= ~(inside > margin)[body.faces].all(axis=1)
    if hides and shown.sum() > 40:
        body = Piece(body.vertices, body.faces[shown], body.labels)
    return body, *shells
