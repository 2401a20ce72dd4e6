"""Bones of rigs from many tools come out as the parts that their artists meant."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.body import JOINT_NAMES, PARENT, PART_NAMES
from rigline.avatar.rig_names import MappedRig, convention_of, map_rig

MIXAMO = """Hips: Spine LeftUpLeg RightUpLeg|Spine: Spine1|Spine1: Spine2|
Spine2: Neck LeftShoulder RightShoulder|Neck: Head|Head: HeadTop_End|LeftShoulder: LeftArm|
LeftArm: LeftForeArm|LeftForeArm: LeftHand|LeftHand: LeftHandThumb1 LeftHandIndex1|
RightShoulder: RightArm|RightArm: RightForeArm|RightForeArm: RightHand|LeftUpLeg: LeftLeg|
LeftLeg: LeftFoot|LeftFoot: LeftToeBase|RightUpLeg: RightLeg|RightLeg: RightFoot"""
UNREAL = """root: pelvis ik_foot_root|pelvis: spine_01 thigh_l thigh_r|spine_01: spine_02|
spine_02: spine_03|spine_03: neck_01 clavicle_l clavicle_r|neck_01: head|clavicle_l: upperarm_l|
upperarm_l: lowerarm_l upperarm_twist_01_l|lowerarm_l: hand_l|hand_l: index_01_l|
clavicle_r: upperarm_r|upperarm_r: lowerarm_r|lowerarm_r: hand_r|thigh_l: calf_l thigh_twist_01_l|
calf_l: foot_l|foot_l: ball_l|thigh_r: calf_r|calf_r: foot_r"""
BIPED = """Bip01: Bip01_Pelvis|Bip01_Pelvis: Bip01_Spine Bip01_L_Thigh Bip01_R_Thigh|
Bip01_Spine: Bip01_Spine1|Bip01_Spine1: Bip01_Neck Bip01_L_Clavicle Bip01_R_Clavicle|
Bip01_Neck: Bip01_Head|Bip01_L_Clavicle: Bip01_L_UpperArm|Bip01_L_UpperArm: Bip01_L_Forearm|
Bip01_L_Forearm: Bip01_L_Hand|Bip01_L_Hand: Bip01_L_Finger0|Bip01_R_Clavicle: Bip01_R_UpperArm|
Bip01_R_UpperArm: Bip01_R_Forearm|Bip01_R_Forearm: Bip01_R_Hand|Bip01_L_Thigh: Bip01_L_Calf|
Bip01_L_Calf: Bip01_L_Foot|Bip01_R_Thigh: Bip01_R_Calf|Bip01_R_Calf: Bip01_R_Foot"""
RIGIFY = """DEF-spine: DEF-spine.001 DEF-thigh.L DEF-thigh.R|DEF-spine.001: DEF-spine.002|
DEF-spine.002: DEF-spine.003|DEF-spine.003: DEF-spine.004 DEF-shoulder.L DEF-shoulder.R|
DEF-spine.004: DEF-spine.006|DEF-shoulder.L: DEF-upper_arm.L|
DEF-upper_arm.L: DEF-upper_arm.L.001 DEF-forearm.L|DEF-forearm.L: DEF-hand.L|
DEF-hand.L: DEF-f_index.01.L|DEF-shoulder.R: DEF-upper_arm.R|DEF-upper_arm.R: DEF-forearm.R|
DEF-forearm.R: DEF-hand.R|DEF-thigh.L: DEF-shin.L|DEF-shin.L: DEF-foot.L|DEF-foot.L: DEF-toe.L|
DEF-thigh.R: DEF-shin.R|DEF-shin.R: DEF-foot.R"""
VROID = """Root: J_Bip_C_Hips|J_Bip_C_Hips: J_Bip_C_Spine J_Bip_L_UpperLeg J_Bip_R_UpperLeg|
J_Bip_C_Spine: J_Bip_C_Chest|J_Bip_C_Chest: J_Bip_C_Neck J_Bip_L_Shoulder J_Bip_R_Shoulder|
J_Bip_C_Neck: J_Bip_C_Head|J_Bip_C_Head: J_Sec_Hair1_01|J_Bip_L_Shoulder: J_Bip_L_UpperArm|
J_Bip_L_UpperArm: J_Bip_L_LowerArm|J_Bip_L_LowerArm: J_Bip_L_Hand|J_Bip_L_Hand: J_Bip_L_Index1|
J_Bip_R_Shoulder: J_Bip_R_UpperArm|J_Bip_R_UpperArm: J_Bip_R_LowerArm|
J_Bip_R_LowerArm: J_Bip_R_Hand|J_Bip_L_UpperLeg: J_Bip_L_LowerLeg|J_Bip_L_LowerLeg: J_Bip_L_Foot|
J_Bip_L_Foot: J_Bip_L_ToeBase|J_Bip_R_UpperLeg: J_Bip_R_LowerLeg|J_Bip_R_LowerLeg: J_Bip_R_Foot"""
QUATERNIUS = """Bone: Body Foot.L Foot.R|Body: Hips|Hips: Abdomen UpperLeg.L UpperLeg.R|
Abdomen: Torso|Torso: Neck Shoulder.L Shoulder.R|Neck: Head|Shoulder.L: UpperArm.L|
UpperArm.L: LowerArm.L|LowerArm.L: Palm.L|Palm.L: Thumb1.L|Shoulder.R: UpperArm.R|
UpperArm.R: LowerArm.R|LowerArm.R: Palm.R|UpperLeg.L: LowerLeg.L|UpperLeg.R: LowerLeg.R|
Thumb9.R: Thumb8.R"""
KAYKIT = """root: hips|hips: chest upperleg.l upperleg.r|chest: head upperarm.l upperarm.r|
upperarm.l: lowerarm.l|lowerarm.l: wrist.l|wrist.l: hand.l|hand.l: handslot.l|
upperarm.r: lowerarm.r|lowerarm.r: wrist.r|upperleg.l: lowerleg.l|lowerleg.l: foot.l|
foot.l: toes.l|upperleg.r: lowerleg.r|lowerleg.r: foot.r"""
R15 = "Root: HumanoidRootNode|HumanoidRootNode: LowerTorso|" + "|".join(
    f"{PART_NAMES[above]}: {name}" for name, above in zip(PART_NAMES, PARENT, strict=True)
    if above >= 0
)  # fmt: skip

# For each rig the bones that stand for Neck, Waist, Root, and the left limbs' six joints.
EXPECTED = {
    "Mixamo": (MIXAMO, "Neck Spine1 Hips LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot"),
    "Unreal": (UNREAL, "neck_01 spine_02 pelvis upperarm_l lowerarm_l hand_l thigh_l calf_l "
               "foot_l"),
    "Biped": (BIPED, "Bip01_Neck Bip01_Spine1 Bip01_Pelvis Bip01_L_UpperArm Bip01_L_Forearm "
              "Bip01_L_Hand Bip01_L_Thigh Bip01_L_Calf Bip01_L_Foot"),
    "Rigify": (RIGIFY, "DEF-spine.004 DEF-spine.002 DEF-spine DEF-upper_arm.L DEF-forearm.L "
               "DEF-hand.L DEF-thigh.L DEF-shin.L DEF-foot.L"),
    "VRoid": (VROID, "J_Bip_C_Neck J_Bip_C_Chest J_Bip_C_Hips J_Bip_L_UpperArm J_Bip_L_LowerArm "
              "J_Bip_L_Hand J_Bip_L_UpperLeg J_Bip_L_LowerLeg J_Bip_L_Foot"),
    "Quaternius": (QUATERNIUS, "Neck Torso Hips UpperArm.L LowerArm.L Palm.L UpperLeg.L LowerLeg.L "
                   "Foot.L"),
    "KayKit": (KAYKIT, "head chest hips upperarm.l lowerarm.l wrist.l upperleg.l lowerleg.l "
               "foot.l"),
    "R15": (R15, "Head UpperTorso LowerTorso LeftUpperArm LeftLowerArm LeftHand LeftUpperLeg "
            "LeftLowerLeg LeftFoot"),
}  # fmt: skip
LEFT_AND_CENTRE = (0, 1, 2, 3, 4, 5, 9, 10, 11)


def rig(text: str) -> tuple[list[str], list[int], np.ndarray]:
    """Names, parents and places: the bones rise evenly, but that a spine begins close above the
    hips; a thousandth of X tells each apart."""
    names: list[str] = []
    above: dict[str, str] = {}
    for line in text.replace("\n", "").split("|"):
        parent, _, children = line.partition(": ")
        for name in (parent, *children.split()):
            if name not in names:
                names.append(name)
            if name != parent:
                above[name] = parent
    parents = [names.index(above[name]) if name in above else -1 for name in names]
    depth = [0.0] * len(names)
    for k, parent in enumerate(parents):
        step = 0.05 if is_spine(names[k]) and not is_spine(names[parent]) else 0.1
        depth[k] = depth[parent] + step if parent >= 0 else 0.0
    places = np.stack([1e-3 * np.arange(len(names)), depth, 0 * np.array(depth)], axis=1)
    return names, parents, places


def is_spine(name: str) -> bool:
    return "spine" in name.lower() or name == "Abdomen"


def bones_of(mapped: MappedRig, names: list[str]) -> list[str]:
    """The bone that stands for each joint, found by its place."""
    return ["" if np.isnan(x) else names[round(1000 * x)] for x in mapped.joints[:, 0]]


@pytest.mark.parametrize("tool", EXPECTED)
def test_every_tools_bones_become_the_fifteen_joints(tool: str) -> None:
    text, expected = EXPECTED[tool]
    names, parents, positions = rig(text)
    found = bones_of(map_rig(names, parents, positions), names)
    assert [found[part] for part in LEFT_AND_CENTRE] == expected.split()
    missing = [JOINT_NAMES[part] for part in range(15) if not found[part]]
    assert missing == []


@pytest.mark.parametrize("prefix", ["mixamorig:", "mixamorig1:", "mixamorig_", "Armature|", "a:b:"])
def test_a_namespace_changes_nothing(prefix: str) -> None:
    names, parents, positions = rig(MIXAMO)
    plain = map_rig(names, parents, positions)
    spaced = map_rig([prefix + name for name in names], parents, positions)
    np.testing.assert_array_equal(spaced.joints, plain.joints)
    np.testing.assert_array_equal(spaced.part_of_bone, plain.part_of_bone)


def test_fingers_toes_hair_and_twists_follow_what_they_hang_on() -> None:
    names, parents, positions = rig(UNREAL)
    part = map_rig(names, parents, positions).part_of_bone
    for bone, owner in (
        ("index_01_l", "LeftHand"), ("ball_l", "LeftFoot"), ("upperarm_twist_01_l", "LeftUpperArm"),
        ("clavicle_r", "UpperTorso"), ("spine_01", "LowerTorso"), ("head", "Head"),
    ):  # fmt: skip
        assert PART_NAMES[part[names.index(bone)]] == owner
    assert part[names.index("root")] == -1


def test_roles_go_before_names() -> None:
    names, parents, positions = rig(MIXAMO)
    roles = [{"LeftArm": "leftUpperArm", "LeftForeArm": "leftLowerArm"}.get(n, "") for n in names]
    nonsense = [f"bone{k}" if roles[k] else name for k, name in enumerate(names)]
    found = bones_of(map_rig(nonsense, parents, positions, roles), names)
    assert found[3:5] == ["LeftArm", "LeftForeArm"]


def test_names_that_say_nothing_give_no_joint() -> None:
    mapped = map_rig(["a", "b", "c"], [-1, 0, 1], np.zeros((3, 3)))
    assert not len(mapped.found)
    assert (mapped.part_of_bone == -1).all()


def test_conventions_are_named_for_the_report() -> None:
    assert convention_of(["mixamorig:Hips"]) == "Mixamo"
    assert convention_of(rig(UNREAL)[0]) == "Unreal mannequin"
    assert convention_of(rig(R15)[0]) == "R15"
    assert convention_of(rig(RIGIFY)[0]) == "Blender Rigify"
    assert convention_of(["x"], ["hips"]) == "VRM"
    assert convention_of(["x"]) == "other names"


@pytest.mark.parametrize(("place", "waist"), [(1.2, "chest"), (2.7, "spine")])
def test_a_bone_near_the_neck_is_no_waist(place: float, waist: str) -> None:
    names = ["hips", "spine", "chest", "neck", "head"]
    heights = np.array([0.0, 0.5, place, 3.0, 4.0])
    places = np.stack([np.zeros(5), heights, np.zeros(5)], axis=1)
    found = map_rig(names, [-1, 0, 1, 2, 3], places)
    np.testing.assert_array_equal(found.joints[1], places[names.index(waist)])
