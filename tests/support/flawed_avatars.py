"""Avatars with one flaw each, as files: what ``rigline validate`` must find, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from rigline.avatar.body import MIRROR, Part
from rigline.avatar.marketplace.shape_checks import LEFT_ARM, LEFT_LEG, TORSO
from rigline.avatar.marketplace.subject import AvatarUnderTest, ImageUnderTest
from rigline.avatar.mesh import Floats, Ints
from rigline.formats.glb_builder import GlbBuilder
from tests.support.avatar_files import FileFlaw, avatar_glb, node_named
from tests.support.avatars import NAMES, finished_avatar, game_body, with_bone
from tests.support.bodies import SyntheticBody, box_body

FIRST_PART = NAMES.index("Head")
STOUT = np.diag([1.3, 1.0, 1.35])
Vector = tuple[float, float, float]


@cache
def good_avatar() -> AvatarUnderTest:
    """The avatar that all flaws are made of; it breaks no rule."""
    return finished_avatar()


def with_rows(values: Floats | None, index: Any, change: object) -> Floats:
    """A copy with some rows changed."""
    assert values is not None
    copy = values.copy()
    copy[index] = change
    return copy


def with_attachment(avatar: AvatarUnderTest, name: str, **change: Any) -> AvatarUnderTest:
    """One attachment changed."""
    points = tuple(replace(a, **change) if a.name == name else a for a in avatar.attachments)
    return replace(avatar, attachments=points)


def with_cage(avatar: AvatarUnderTest, index: int, **change: Any) -> AvatarUnderTest:
    """One cage changed."""
    cages = list(avatar.cages)
    cages[index] = replace(cages[index], **change)
    return replace(avatar, cages=tuple(cages))


def with_extra_bone(
    avatar: AvatarUnderTest, name: str, above: str, offset: Vector = (0, 0.03, 0)
) -> AvatarUnderTest:
    """One bone more."""
    assert avatar.joint_rotations is not None
    assert avatar.joint_scales is not None
    parent = avatar.joint_names.index(above)
    place = avatar.joint_positions[parent] + offset
    return replace(
        avatar,
        joint_names=(*avatar.joint_names, name),
        joint_parents=(*avatar.joint_parents, parent),
        joint_positions=np.vstack([avatar.joint_positions, place]),
        joint_rotations=np.vstack([avatar.joint_rotations, [0, 0, 0, 1]]),
        joint_scales=np.vstack([avatar.joint_scales, [1, 1, 1]]),
    )


def with_geometry(
    avatar: AvatarUnderTest, vertices: Floats, faces: Ints, part: Part
) -> AvatarUnderTest:
    """More triangles on a part, rigidly weighted to it."""
    extra, n = len(vertices), len(avatar.vertices)
    assert avatar.uvs is not None
    assert avatar.vertex_colours is not None
    weights, bones = np.zeros((extra, 4)), np.zeros((extra, 4), np.int64)
    weights[:, 0], bones[:, 0] = 1, FIRST_PART + part
    return replace(
        avatar,
        vertices=np.concatenate([avatar.vertices, vertices]),
        faces=np.concatenate([avatar.faces, faces + n]),
        part=np.concatenate([avatar.part, np.full(extra, part)]),
        weights=np.concatenate([avatar.weights, weights]),
        weight_joints=np.concatenate([avatar.weight_joints, bones]),
        uvs=np.concatenate([avatar.uvs, np.full((extra, 2), 0.5)]),
        vertex_colours=np.concatenate([avatar.vertex_colours, np.ones((extra, 4))]),
    )


def box(low: Vector, high: Vector) -> tuple[Floats, Ints]:
    """A closed box of twelve triangles."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return np.array(low) + corners * (np.array(high) - low), np.array(faces)


def boxes(*spans: tuple[Vector, Vector]) -> tuple[Floats, Ints]:
    """Several boxes as one mesh."""
    made = [box(*span) for span in spans]
    return (
        np.concatenate([vertices for vertices, _ in made]),
        np.concatenate([faces + 8 * k for k, (_, faces) in enumerate(made)]),
    )


def middle_of(avatar: AvatarUnderTest, part: Part) -> Floats:
    """The middle of a part's box."""
    own = avatar.of_part(part)
    return (own.min(axis=0) + own.max(axis=0)) / 2


def repeated_faces(avatar: AvatarUnderTest, part: Part, times: int) -> AvatarUnderTest:
    """A part whose triangles are drawn again and again."""
    own = avatar.faces[avatar.part[avatar.faces[:, 0]] == part]
    return replace(avatar, faces=np.concatenate([avatar.faces, *[own] * times]))


def reshaped(scales: dict[Part, Vector], body: SyntheticBody | None = None) -> AvatarUnderTest:
    """A finished avatar of a body with parts scaled about their middles, both sides alike."""
    body = body or game_body()
    vertices = body.vertices.copy()
    for part, scale in scales.items():
        for side in {part, Part(MIRROR[part])}:
            own = body.part == side
            middle = (vertices[own].min(axis=0) + vertices[own].max(axis=0)) / 2
            vertices[own] = middle + (vertices[own] - middle) * scale
    return finished_avatar(replace(body, vertices=vertices))


def file_of(
    change: Callable[[AvatarUnderTest], AvatarUnderTest] = lambda avatar: avatar,
    flaw: FileFlaw | None = None,
) -> Callable[[], bytes]:
    """A file of the good avatar, changed."""
    return lambda: avatar_glb(change(good_avatar()), flaw)


def with_foreign_influence(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """Vertices that follow an attachment."""
    hat = next(a for a in avatar.attachments if a.name == "Hat_Att")
    others = tuple(a for a in avatar.attachments if a is not hat)
    offset = hat.position - avatar.joints[Part.HEAD]
    boned = with_extra_bone(replace(avatar, attachments=others), "Hat_Att", "Head", tuple(offset))
    return replace(boned, weight_joints=with_rows(avatar.weight_joints, (0, 0), len(NAMES)))


def with_five_influences(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """A vertex that five bones move."""
    weights = np.pad(avatar.weights, ((0, 0), (0, 1)))
    bones = np.pad(avatar.weight_joints, ((0, 0), (0, 1)))
    weights[7], bones[7] = 0.2, FIRST_PART + np.arange(5)
    return replace(avatar, weights=weights, weight_joints=bones)


def lopsided(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """A left lower leg that follows the upper one; the right one does not."""
    left = avatar.part == Part.LEFT_LOWER_LEG
    upper = NAMES.index("LeftUpperLeg")
    return replace(avatar, weight_joints=with_rows(avatar.weight_joints, (left, 0), upper))


def with_low_torso_joint(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """LowerTorso, and all that belongs there, above the hips."""
    up = np.array([0, 0.065, 0])
    moved = with_bone(with_bone(avatar, "LowerTorso", up), "HumanoidRootNode", up)
    return with_attachment(moved, "Root_Att", position=avatar.joints[Part.LOWER_TORSO] + up)


def scattered(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """Eleven closed crumbs inside a lower leg."""
    x, y, z = middle_of(avatar, Part.LEFT_LOWER_LEG)
    heights = [y + 0.008 * (k - 5) for k in range(11)]
    crumbs = boxes(*(((x, h, z), (x + 0.004, h + 0.004, z + 0.004)) for h in heights))
    return with_geometry(avatar, *crumbs, Part.LEFT_LOWER_LEG)


def with_flat_triangle(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """Three corners on one line, inside the head."""
    line = middle_of(avatar, Part.HEAD) + np.array([[0, 0, 0], [0.01, 0, 0], [0.02, 0, 0]])
    return with_geometry(avatar, line, np.array([[0, 1, 2]]), Part.HEAD)


def with_paper_leg() -> AvatarUnderTest:
    """A lower leg of two sheets crossed, as wide and deep as the leg, but of no thickness."""
    body = game_body()
    own = body.vertices[body.part == Part.LEFT_LOWER_LEG]
    low, high = own.min(axis=0), own.max(axis=0)
    sheet, (x, _, z) = 1.7e-5, (low + high) / 2
    vertices, faces = boxes(
        ((low[0], low[1], z), (high[0], high[1], z + sheet)),
        ((x, low[1], low[2]), (x + sheet, high[1], high[2])),
    )
    bare = body.without(Part.LEFT_LOWER_LEG)
    paper = replace(
        bare,
        vertices=np.concatenate([bare.vertices, vertices]),
        faces=np.concatenate([bare.faces, faces + len(bare.vertices)]),
        part=np.concatenate([bare.part, np.full(len(vertices), Part.LEFT_LOWER_LEG)]),
    )
    return finished_avatar(paper)


def with_rod(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """A lower leg from which a thin rod sticks out."""
    own = avatar.of_part(Part.LEFT_LOWER_LEG)
    _, y, z = middle_of(avatar, Part.LEFT_LOWER_LEG)
    x = float(own[:, 0].max())
    rod = box((x - 0.01, y, z), (x + 0.13, y + 0.008, z + 0.008))
    return with_geometry(avatar, *rod, Part.LEFT_LOWER_LEG)


def with_board(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """A lower leg with a board on its outside: much of its own box, little of the leg's."""
    own = avatar.of_part(Part.LEFT_LOWER_LEG)
    _, y, z = middle_of(avatar, Part.LEFT_LOWER_LEG)
    x, top = float(own[:, 0].max()), float(own[:, 1].max())
    board = box((x - 0.01, y, z), (x + 0.2, y + 0.6 * (top - y), z + 0.008))
    return with_geometry(avatar, *board, Part.LEFT_LOWER_LEG)


def turned_back() -> AvatarUnderTest:
    """A body that faces -Z, with all that belongs to it."""
    return finished_avatar(game_body().moved(np.diag([-1.0, 1.0, -1.0])))


def hunched() -> AvatarUnderTest:
    """The head before the chest, hardly above the hips."""
    body = game_body()
    vertices, joints = body.vertices.copy(), body.joints.copy()
    vertices[body.part == Part.HEAD] += (0, -0.26, 0.18)
    joints[Part.HEAD] += (0, -0.26, 0.12)
    joints[Part.LOWER_TORSO] += (0, 0, -0.06)
    return finished_avatar(replace(body, vertices=vertices, joints=joints))


def sleepwalker() -> AvatarUnderTest:
    """Arms of a T pose that point well to the front."""
    return finished_avatar(t_posed(lambda beyond: np.stack([beyond, 0.42 * beyond], axis=-1)))


def t_posed(arm: Callable[[Floats], Floats]) -> SyntheticBody:
    """A T pose whose arms, as far as they reach beyond the shoulder, come to lie at ``arm``'s x
    beyond the shoulder and z."""
    body = box_body(segments=2, pose="T").moved(STOUT)
    shoulder = body.joints[Part.LEFT_UPPER_ARM, 0]

    def bent(points: Floats) -> Floats:
        beyond = np.maximum(np.abs(points[:, 0]) - shoulder, 0)
        x, z = np.moveaxis(arm(beyond), -1, 0)
        moved = points.copy()
        moved[:, 0] = np.sign(points[:, 0]) * (np.minimum(np.abs(points[:, 0]), shoulder) + x)
        moved[:, 2] += z
        return moved

    limbs = np.isin(body.part, [*LEFT_ARM, *(MIRROR[p] for p in LEFT_ARM)])
    vertices, joints = body.vertices.copy(), body.joints.copy()
    vertices[limbs] = bent(vertices[limbs])
    arms = [*LEFT_ARM, *(MIRROR[p] for p in LEFT_ARM)]
    joints[arms] = bent(joints[arms])
    return replace(body, vertices=vertices, joints=joints)


def with_legs(length: float) -> SyntheticBody:
    """The body on legs so many times as long."""
    body = game_body()
    legs = [*LEFT_LEG, *(MIRROR[p] for p in LEFT_LEG)]
    vertices, joints = body.vertices.copy(), body.joints.copy()
    for points, rows in ((vertices, np.isin(body.part, legs)), (joints, np.array(legs))):
        points[rows, 1] = 0.5 - (0.5 - points[rows, 1]) * length
    floor = (0, vertices[:, 1].min(), 0)
    return replace(body, vertices=vertices - floor, joints=joints - floor)


def squat() -> AvatarUnderTest:
    """Short legs and a sunk head: no part is too small, but the whole is too low."""
    body = with_legs(0.58)
    vertices, joints = body.vertices.copy(), body.joints.copy()
    vertices[body.part == Part.HEAD, 1] -= 0.08
    joints[Part.HEAD, 1] -= 0.08
    return finished_avatar(replace(body, vertices=vertices, joints=joints))


def with_fine_head(avatar: AvatarUnderTest) -> AvatarUnderTest:
    """A head of 12,288 triangles."""
    own = avatar.part == Part.HEAD
    faces = (np.cumsum(own) - 1)[avatar.faces[own[avatar.faces].all(axis=1)]]
    corners = avatar.vertices[own][faces]
    for _ in range(4):
        a, b, c = np.moveaxis(corners, 1, 0)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        corners = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    bare = replace(avatar, faces=avatar.faces[avatar.face_part != Part.HEAD])
    points = corners.reshape(-1, 3)
    return with_geometry(bare, points, np.arange(len(points)).reshape(-1, 3), Part.HEAD)


def one_weight_more(glb: GlbBuilder, part: int, primitive: dict[str, Any]) -> None:
    """The head's weights with a row too many."""
    if part == 0:
        rows = glb.document["accessors"][primitive["attributes"]["POSITION"]]["count"] + 1
        weights = np.zeros((rows, 4), np.float32)
        weights[:, 0] = 1
        bones = np.zeros((rows, 4), np.uint8)
        bones[:, 0] = FIRST_PART
        primitive["attributes"]["JOINTS_0"] = glb.add_array(bones)
        primitive["attributes"]["WEIGHTS_0"] = glb.add_array(weights)


def with_points(glb: GlbBuilder) -> None:
    """The head drawn as points once more."""
    primitives = glb.document["meshes"][0]["primitives"]
    primitives.append({"attributes": dict(primitives[0]["attributes"]), "mode": 0})


def with_turned_mesh(glb: GlbBuilder) -> None:
    """A foot's node turned."""
    node_named(glb, "LeftFoot_Geo")["rotation"] = [0.0, np.sin(0.2), 0.0, np.cos(0.2)]


def with_blender_name(glb: GlbBuilder) -> None:
    """A foot's mesh named as a duplicate."""
    node_named(glb, "RightFoot_Geo")["name"] = "RightFoot_Geo.001"


def _moved_cage_vertex(avatar: AvatarUnderTest) -> AvatarUnderTest:
    far = avatar.vertices[avatar.part == Part.HEAD].max(axis=0) + [0.09, 0, 0.09]
    return with_cage(avatar, 0, vertices=with_rows(avatar.cages[0].vertices, 0, far))


def _scaled_cages(avatar: AvatarUnderTest, scale: float | Floats, *which: int) -> AvatarUnderTest:
    for k in which:
        vertices = avatar.cages[k].vertices
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        avatar = with_cage(avatar, k, vertices=middle + scale * (vertices - middle))
    return avatar


BAD_FILES: dict[str, Callable[[], bytes]] = {
    "skeleton.hierarchy": file_of(lambda a: replace(a, joint_parents=with_rows(
        np.array(a.joint_parents), NAMES.index("LeftHand"), NAMES.index("LeftUpperArm")))),
    "skeleton.names": file_of(lambda a: with_extra_bone(a, "Tail", "LowerTorso")),
    "skeleton.root_origin": file_of(lambda a: with_bone(a, "Root", np.array([0, 0, 0.02]))),
    "skeleton.lower_torso": file_of(with_low_torso_joint),
    "skeleton.scale": file_of(
        lambda a: replace(a, joint_scales=with_rows(a.joint_scales, 4, 1.2))),
    "skeleton.axis_aligned": file_of(lambda a: replace(
        a, joint_rotations=with_rows(a.joint_rotations, 4, [0, 0, np.sin(0.2), np.cos(0.2)]))),
    "skeleton.bone_in_part": file_of(
        lambda a: with_bone(a, "UpperTorso", np.array([0, 0, 0.2]))),
    "skeleton.bone_on_parent": file_of(
        lambda a: with_extra_bone(a, "Spine", "UpperTorso", (0, 0, 0))),
    "skin.count": file_of(flaw=FileFlaw(primitive=one_weight_more)),
    "skin.influences": file_of(with_five_influences),
    "skin.normalised": file_of(lambda a: replace(a, weights=with_rows(a.weights, (5, 0), 0.9))),
    "skin.unweighted": file_of(lambda a: replace(a, weights=with_rows(a.weights, 5, 0))),
    "skin.schema_bones": file_of(with_foreign_influence),
    "skin.root": file_of(lambda a: replace(
        a, weight_joints=with_rows(a.weight_joints, (0, 0), NAMES.index("Root")))),
    "skin.symmetric": file_of(lopsided),
    "mesh.parts": file_of(flaw=FileFlaw(document=with_blender_name)),
    "mesh.watertight": file_of(lambda a: replace(a, faces=np.delete(
        a.faces, np.flatnonzero(a.face_part == Part.LEFT_LOWER_LEG)[0], axis=0))),
    "mesh.islands": file_of(scattered),
    "mesh.ngons": file_of(flaw=FileFlaw(document=with_points)),
    "mesh.degenerate": file_of(with_flat_triangle),
    "mesh.thickness": lambda: avatar_glb(with_paper_leg()),
    "mesh.part_axes": lambda: avatar_glb(reshaped({Part.LEFT_HAND: (1, 1, 0.1)})),
    "mesh.transforms": file_of(flaw=FileFlaw(document=with_turned_mesh)),
    "triangles.head": file_of(lambda a: repeated_faces(a, Part.HEAD, 90)),
    "triangles.torso": file_of(lambda a: repeated_faces(a, Part.UPPER_TORSO, 36)),
    "triangles.arm": file_of(lambda a: repeated_faces(a, Part.LEFT_LOWER_ARM, 24)),
    "triangles.leg": file_of(lambda a: repeated_faces(a, Part.RIGHT_LOWER_LEG, 24)),
    "triangles.total": file_of(with_fine_head),
    "visibility.opaque": file_of(lambda a: replace(a, opaque=False)),
    "visibility.coverage": file_of(with_board),
    "visibility.mesh_coverage": file_of(with_rod),
    "pose.facing": lambda: avatar_glb(turned_back()),
    "pose.upright": lambda: avatar_glb(hunched()),
    "pose.limbs": lambda: avatar_glb(sleepwalker()),
    "size.smallest.head": lambda: avatar_glb(reshaped({Part.HEAD: (1, 0.6, 1)})),
    "size.largest.head": lambda: avatar_glb(reshaped({Part.HEAD: (1, 1, 1.9)})),
    "size.smallest.arm": lambda: avatar_glb(reshaped(dict.fromkeys(LEFT_ARM, (1, 1, 0.5)))),
    "size.largest.arm": lambda: avatar_glb(reshaped(dict.fromkeys(LEFT_ARM, (1, 1, 4.8)))),
    "size.smallest.torso": lambda: avatar_glb(reshaped(dict.fromkeys(TORSO, (0.6, 1, 1)))),
    "size.largest.torso": lambda: avatar_glb(reshaped(dict.fromkeys(TORSO, (1, 2.85, 1)))),
    "size.smallest.leg": lambda: avatar_glb(reshaped({
        Part.LEFT_UPPER_LEG: (0.4, 1, 1), Part.LEFT_LOWER_LEG: (0.5, 1, 1),
        Part.LEFT_FOOT: (0.45, 1, 1)})),
    "size.largest.leg": lambda: avatar_glb(finished_avatar(with_legs(1.65))),
    "size.smallest.total": lambda: avatar_glb(squat()),
    "size.largest.total": lambda: avatar_glb(finished_avatar(
        t_posed(lambda beyond: np.stack([1.8 * beyond, 0 * beyond], axis=-1)))),
    "attachment.present": file_of(lambda a: replace(a, attachments=a.attachments[1:])),
    "attachment.region": file_of(
        lambda a: with_attachment(a, "FaceCenter_Att", position=a.joints[Part.LEFT_FOOT].copy())),
    "attachment.surface": file_of(lambda a: with_attachment(
        a, "BodyFront_Att", position=middle_of(a, Part.UPPER_TORSO) + [0, 0, 0.01])),
    "attachment.grip": file_of(lambda a: with_attachment(
        a, "LeftGrip_Att", rotation=np.array([np.sin(0.3), 0, 0, np.cos(0.3)]))),
    "cage.present": file_of(lambda a: replace(a, cages=a.cages[:-1])),
    "cage.distance": file_of(_moved_cage_vertex),
    "cage.inside": file_of(lambda a: _scaled_cages(a, 0.7, *range(15))),
    "cage.box": file_of(lambda a: _scaled_cages(a, np.array([1, 3.2, 1]), Part.LEFT_FOOT)),
    "cage.uv_area": file_of(
        lambda a: with_cage(a, 3, faces=np.vstack([a.cages[3].faces, [[0, 0, 1]]]))),
    "cage.template": file_of(lambda a: with_cage(a, 3, uvs=a.cages[3].uvs * 0.9)),
    "texture.uv_range": file_of(lambda a: replace(a, uvs=with_rows(a.uvs, 3, [1.2, 0.5]))),
    "texture.uv_sets": file_of(lambda a: replace(a, uv_sets=2)),
    "texture.maps": file_of(
        lambda a: replace(a, images=(*a.images, ImageUnderTest("emissive", 64, 64)))),
    "texture.size": file_of(lambda a: replace(a, images=(ImageUnderTest("normal", 512, 256),))),
    "texture.vertex_colours": file_of(lambda a: replace(
        a, vertex_colours=with_rows(a.vertex_colours, 0, [1, 0, 0, 1]))),
}  # fmt: skip
"""For every rule a file that breaks it; ``triangles.total`` breaks a rule that it follows from."""
