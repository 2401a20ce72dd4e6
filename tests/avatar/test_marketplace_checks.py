"""A finished avatar passes; spoil one thing, and just that rule fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rigline.avatar.body import Part
from rigline.avatar.marketplace.checks import check_avatar
from rigline.avatar.marketplace.results import RuleResult
from rigline.avatar.marketplace.subject import AvatarUnderTest, ImageUnderTest
from rigline.avatar.mesh import Floats
from tests.support.avatars import NAMES, finished_avatar, with_bone
from tests.support.bodies import capsule_body

GOOD = finished_avatar()
Spoil = Callable[[AvatarUnderTest], AvatarUnderTest]


def failures(avatar: AvatarUnderTest, preset: str = "marketplace") -> set[str]:
    return {r.rule_id for r in check_avatar(avatar, preset) if not r.passed}


def result(avatar: AvatarUnderTest, rule: str, preset: str = "marketplace") -> RuleResult:
    return next(r for r in check_avatar(avatar, preset) if r.rule_id == rule)


def with_weights(avatar: AvatarUnderTest, change: Callable[[Floats], None]) -> AvatarUnderTest:
    weights = avatar.weights.copy()
    change(weights)
    return replace(avatar, weights=weights)


def with_vertices(avatar: AvatarUnderTest, part: Part, change: Floats) -> AvatarUnderTest:
    """One part's vertices scaled about their middle."""
    vertices = avatar.vertices.copy()
    own = avatar.part == part
    middle = vertices[own].mean(axis=0)
    vertices[own] = middle + (vertices[own] - middle) * change
    return replace(avatar, vertices=vertices)


def with_attachment(avatar: AvatarUnderTest, name: str, **change: object) -> AvatarUnderTest:
    points = tuple(
        replace(a, **change) if a.name == name else a  # type: ignore[arg-type]
        for a in avatar.attachments
    )
    return replace(avatar, attachments=points)


def with_cages(avatar: AvatarUnderTest, index: int, **change: object) -> AvatarUnderTest:
    cages = list(avatar.cages)
    cages[index] = replace(cages[index], **change)  # type: ignore[arg-type]
    return replace(avatar, cages=tuple(cages))


def extra_bone(avatar: AvatarUnderTest, name: str, above: str) -> AvatarUnderTest:
    assert avatar.joint_rotations is not None
    assert avatar.joint_scales is not None
    parent = avatar.joint_names.index(above)
    place = avatar.joint_positions[parent] + [0, 0.03, 0]
    return replace(
        avatar,
        joint_names=(*avatar.joint_names, name),
        joint_parents=(*avatar.joint_parents, parent),
        joint_positions=np.vstack([avatar.joint_positions, place]),
        joint_rotations=np.vstack([avatar.joint_rotations, [0, 0, 0, 1]]),
        joint_scales=np.vstack([avatar.joint_scales, [1, 1, 1]]),
    )


def rewired(avatar: AvatarUnderTest, bone: str, above: str) -> AvatarUnderTest:
    parents = list(avatar.joint_parents)
    parents[NAMES.index(bone)] = NAMES.index(above)
    return replace(avatar, joint_parents=tuple(parents))


def row(values: Floats | None, index: int, change: object) -> Floats:
    assert values is not None
    copy = values.copy()
    copy[index] = change
    return copy


def foreign_influence(avatar: AvatarUnderTest) -> AvatarUnderTest:
    bones = avatar.weight_joints.copy()
    bones[0, 0] = len(NAMES)
    return replace(extra_bone(avatar, "Spine01", "UpperTorso"), weight_joints=bones)


def root_influence(avatar: AvatarUnderTest) -> AvatarUnderTest:
    bones = avatar.weight_joints.copy()
    bones[0, 0] = NAMES.index("Root")
    return replace(avatar, weight_joints=bones)


def lopsided(avatar: AvatarUnderTest) -> AvatarUnderTest:
    bones = avatar.weight_joints.copy()
    bones[avatar.part == Part.LEFT_LOWER_LEG, 0] = NAMES.index("LeftUpperLeg")
    return replace(avatar, weight_joints=bones)


def split_triangles(avatar: AvatarUnderTest, part: Part, times: int) -> AvatarUnderTest:
    """One part's triangles repeated, which doubles nothing but their number."""
    own = avatar.faces[avatar.part[avatar.faces[:, 0]] == part]
    return replace(avatar, faces=np.concatenate([avatar.faces, *[own] * times]))


def five_influences(avatar: AvatarUnderTest) -> AvatarUnderTest:
    count = len(avatar.weights)
    weights = np.concatenate([avatar.weights, np.zeros((count, 1))], axis=1)
    weights[7] = 0.2
    bones = np.concatenate([avatar.weight_joints, np.zeros((count, 1), np.int64)], axis=1)
    bones[7] = NAMES.index("Head") + np.arange(5)
    return replace(avatar, weights=weights, weight_joints=bones)


def scattered(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """Eleven closed slivers beside the first piece of the head's inside."""
    tetrahedron = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 0.004
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    centre = avatar.vertices[avatar.part == Part.HEAD].mean(axis=0)
    n = len(avatar.vertices)
    more = [centre + tetrahedron + [0, 0.01 * (k - 5), 0] for k in range(11)]
    return with_more(avatar, np.concatenate(more), np.concatenate(
        [n + 4 * k + faces for k in range(11)]), Part.HEAD)  # fmt: skip


def with_more(
    avatar: AvatarUnderTest, vertices: Floats, faces: Floats, part: Part
) -> AvatarUnderTest:
    extra = len(vertices)
    assert avatar.uvs is not None
    weights = np.zeros((extra, 4))
    weights[:, 0] = 1
    bones = np.full((extra, 4), NAMES.index("Head") + part)
    return replace(
        avatar,
        vertices=np.concatenate([avatar.vertices, vertices]),
        faces=np.concatenate([avatar.faces, faces]),
        part=np.concatenate([avatar.part, np.full(extra, part)]),
        weights=np.concatenate([avatar.weights, weights]),
        weight_joints=np.concatenate([avatar.weight_joints, bones]),
        uvs=np.concatenate([avatar.uvs, np.full((extra, 2), 0.5)]),
    )


def flat_triangle(avatar: AvatarUnderTest) -> AvatarUnderTest:
    centre = avatar.vertices[avatar.part == Part.HEAD].mean(axis=0)
    n = len(avatar.vertices)
    line = centre + np.array([[0, 0, 0], [0.01, 0, 0], [0.02, 0, 0]])
    return with_more(avatar, line, np.array([[n, n + 1, n + 2]]), Part.HEAD)


def far_part(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """A head with a thin plate far out: little of its box is covered."""
    body = capsule_body(segments=12)
    assert body is not None
    centre = avatar.vertices[avatar.part == Part.HEAD].max(axis=0)
    n = len(avatar.vertices)
    plate = centre + np.array([[0.3, 0.0, 0.0], [0.3, 0.0, 0.01], [0.3, 0.01, 0.0]])
    return with_more(avatar, plate, np.array([[n, n + 1, n + 2]]), Part.HEAD)


SPOILED: dict[str, Spoil] = {
    "skeleton.hierarchy": lambda a: rewired(a, "LeftHand", "LeftUpperArm"),
    "skeleton.names": lambda a: extra_bone(a, "Tail", "LowerTorso"),
    "skeleton.root_origin": lambda a: with_bone(a, "Root", np.array([0, 0, 0.02])),
    "skeleton.lower_torso": lambda a: with_attachment(
        with_bone(
            with_bone(a, "LowerTorso", np.array([0, 0.065, 0])),
            "HumanoidRootNode",
            np.array([0, 0.065, 0]),
        ),
        "Root_Att",
        position=a.joints[Part.LOWER_TORSO] + [0, 0.065, 0],
    ),
    "skeleton.scale": lambda a: replace(a, joint_scales=row(a.joint_scales, 4, 1.2)),
    "skeleton.axis_aligned": lambda a: replace(
        a, joint_rotations=row(a.joint_rotations, 4, [0, 0, np.sin(0.2), np.cos(0.2)])
    ),
    "skeleton.bone_in_part": lambda a: with_bone(a, "LeftLowerLeg", np.array([0.0, 0, 0.16])),
    "skeleton.bone_on_parent": lambda a: extra_bone_on_parent(a),
    "skin.count": lambda a: replace(a, weights=np.vstack([a.weights, a.weights[:1]]),
                                    weight_joints=np.vstack([a.weight_joints,
                                                             a.weight_joints[:1]])),
    "skin.influences": five_influences,
    "skin.normalised": lambda a: with_weights(a, lambda w: w.__setitem__((5, 0), 0.9)),
    "skin.unweighted": lambda a: with_weights(a, lambda w: w.__setitem__(5, 0)),
    "skin.root": root_influence,
    "skin.symmetric": lopsided,
    "mesh.parts": lambda a: replace(a, mesh_names=(*a.mesh_names[:-1], "Foot")),
    "mesh.watertight": lambda a: replace(
        a, faces=np.delete(a.faces, np.flatnonzero(a.face_part == Part.LEFT_LOWER_LEG)[0], axis=0)
    ),
    "mesh.islands": scattered,
    "mesh.degenerate": flat_triangle,
    "triangles.head": lambda a: split_triangles(a, Part.HEAD, 90),
    "triangles.torso": lambda a: split_opened(a, Part.UPPER_TORSO, 36),
    "triangles.arm": lambda a: split_opened(a, Part.LEFT_LOWER_ARM, 24),
    "triangles.leg": lambda a: split_opened(a, Part.RIGHT_LOWER_LEG, 24),
    "visibility.opaque": lambda a: replace(a, opaque=False),
    "pose.limbs": lambda a: with_bone(
        with_bone(a, "RightFoot", np.array([0, 0.0, -0.18])),
        "RightLowerLeg",
        np.array([0, 0.0, -0.03]),
    ),
    "attachment.present": lambda a: replace(a, attachments=a.attachments[1:]),
    "attachment.surface": lambda a: with_attachment(
        a, "BodyFront_Att", position=a.vertices[a.part == Part.UPPER_TORSO].mean(axis=0)
        + [0, 0, 0.01]
    ),
    "attachment.region": lambda a: with_attachment(
        a, "FaceCenter_Att", position=a.joints[Part.LEFT_FOOT].copy()
    ),
    "attachment.grip": lambda a: with_attachment(
        a, "LeftGrip_Att", rotation=np.array([np.sin(0.3), 0, 0, np.cos(0.3)])
    ),
    "cage.present": lambda a: replace(a, cages=a.cages[:-1]),
    "cage.distance": lambda a: with_cages(
        a, 0, vertices=row(a.cages[0].vertices, 40, a.cages[0].vertices[40] + [0, 0, 0.0])
        if False
        else row(a.cages[0].vertices, 0, a.vertices[a.part == 0].max(axis=0) + [0.09, 0, 0.09])
    ),
    "cage.uv_area": lambda a: with_cages(a, 3, uvs=a.cages[3].uvs * [0, 1]),
    "cage.template": lambda a: replace(a, cage_template_conformant=False),
    "texture.uv_range": lambda a: replace(a, uvs=row(a.uvs, 3, [1.2, 0.5])),
    "texture.uv_sets": lambda a: replace(a, uv_sets=2),
    "texture.maps": lambda a: replace(a, images=(ImageUnderTest("emissive", 64, 64),)),
    "texture.size": lambda a: replace(a, images=(ImageUnderTest("normal", 512, 256),)),
    "texture.vertex_colours": lambda a: replace(
        a, vertex_colours=row(a.vertex_colours, 0, [1, 0, 0, 1])
    ),
}  # fmt: skip


def extra_bone_on_parent(avatar: AvatarUnderTest) -> AvatarUnderTest:
    spined = extra_bone(avatar, "Spine", "UpperTorso")
    return with_bone(spined, "Spine", np.array([0, -0.03, 0]))


def split_opened(avatar: AvatarUnderTest, part: Part, times: int) -> AvatarUnderTest:
    return split_triangles(avatar, part, times)
