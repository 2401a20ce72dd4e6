"""A finished avatar that breaks no rule, made of a synthetic body; tests spoil one thing of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rigline.avatar.attachments import place_attachments
from rigline.avatar.body import N_PARTS
from rigline.avatar.cage import fit_cage
from rigline.avatar.cage_template import CAGE_NAMES, template
from rigline.avatar.marketplace.schema import HUMANOID_ROOT, REQUIRED_PARENT, ROOT
from rigline.avatar.marketplace.subject import (
    AvatarUnderTest,
    CageUnderTest,
    ImageUnderTest,
)
from rigline.avatar.mesh import Floats
from tests.support.bodies import SyntheticBody, box_body

STUDS = 5.0
NAMES = tuple(REQUIRED_PARENT)


def finished_avatar(body: SyntheticBody | None = None) -> AvatarUnderTest:
    """A body 5 studs tall with skeleton, rigid weights, cages, attachments and textures."""
    body = body or game_body()
    cage = fit_cage(body.vertices, body.faces, body.part, body.joints)
    weights = np.zeros((len(body.vertices), 4))
    weights[:, 0] = 1
    weight_joints = np.zeros((len(body.vertices), 4), np.int64)
    weight_joints[:, 0] = body.part + NAMES.index("Head")
    return AvatarUnderTest(
        vertices=body.vertices,
        faces=body.faces,
        part=body.part,
        joint_names=NAMES,
        joint_parents=tuple(
            -1 if above is None else NAMES.index(above) for above in REQUIRED_PARENT.values()
        ),
        joint_positions=bone_positions(body.joints),
        weight_joints=weight_joints,
        weights=weights,
        cages=cages_of(cage.vertices),
        attachments=place_attachments(body.vertices, body.faces, body.part, body.joints),
        studs_per_unit=STUDS,
        cage_template_conformant=True,
        joint_rotations=np.tile([0.0, 0.0, 0.0, 1.0], (len(NAMES), 1)),
        joint_scales=np.ones((len(NAMES), 3)),
        uvs=np.full((len(body.vertices), 2), 0.5),
        vertex_colours=np.ones((len(body.vertices), 4)),
        opaque=True,
        images=(ImageUnderTest("base_color", 1024, 1024), ImageUnderTest("normal", 256, 256)),
        partitioned=True,
        mesh_names=tuple(name.replace("_OuterCage", "_Geo") for name in CAGE_NAMES),
    )


def game_body() -> SyntheticBody:
    """The box body, stout enough for every smallest size of the published tables."""
    return box_body(segments=2, pose="A").moved(np.diag([1.3, 1.0, 1.35]))


def bone_positions(joints: Floats) -> Floats:
    """Positions of the seventeen bones in the order of ``NAMES``."""
    positions = np.zeros((len(NAMES), 3))
    positions[NAMES.index(HUMANOID_ROOT)] = joints[2]
    positions[NAMES.index(ROOT)] = 0
    positions[NAMES.index("Head") : NAMES.index("Head") + N_PARTS] = joints
    return positions


def cages_of(vertices: Floats) -> tuple[CageUnderTest, ...]:
    """The template's fifteen cages over cage vertices ``(C, 3)``."""
    topology = template()
    return tuple(
        CageUnderTest(
            name,
            vertices[topology.vertex_slices[part]],
            topology.faces[topology.face_slices[part]] - topology.vertex_slices[part].start,
            topology.uvs[topology.vertex_slices[part]],
        )
        for part, name in enumerate(CAGE_NAMES)
    )


def with_bone(avatar: AvatarUnderTest, name: str, offset: Floats) -> AvatarUnderTest:
    """The avatar with one bone moved by an offset ``(3,)``."""
    positions = avatar.joint_positions.copy()
    positions[avatar.joint_names.index(name)] += offset
    return replace(avatar, joint_positions=positions)
