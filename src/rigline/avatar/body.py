"""The R15 vocabulary: fifteen parts, and for each part the joint that is its pivot.

Index ``i`` means the same part everywhere: in labels, in joints, in weights. Left and right are
the character's own; in the canonical frame its left is at +X.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np


class Part(IntEnum):
    """The R15 parts, in the order that labels, joints and weight columns use."""

    HEAD = 0
    UPPER_TORSO = 1
    LOWER_TORSO = 2
    LEFT_UPPER_ARM = 3
    LEFT_LOWER_ARM = 4
    LEFT_HAND = 5
    RIGHT_UPPER_ARM = 6
    RIGHT_LOWER_ARM = 7
    RIGHT_HAND = 8
    LEFT_UPPER_LEG = 9
    LEFT_LOWER_LEG = 10
    LEFT_FOOT = 11
    RIGHT_UPPER_LEG = 12
    RIGHT_LOWER_LEG = 13
    RIGHT_FOOT = 14


PART_NAMES: Final = (
    "Head",
    "UpperTorso",
    "LowerTorso",
    "LeftUpperArm",
    "LeftLowerArm",
    "LeftHand",
    "RightUpperArm",
    "RightLowerArm",
    "RightHand",
    "LeftUpperLeg",
    "LeftLowerLeg",
    "LeftFoot",
    "RightUpperLeg",
    "RightLowerLeg",
    "RightFoot",
)
"""R15 names of the parts; the skin's joints carry the same names."""

JOINT_NAMES: Final = (
    "Neck",
    "Waist",
    "Root",
    "LeftShoulder",
    "LeftElbow",
    "LeftWrist",
    "RightShoulder",
    "RightElbow",
    "RightWrist",
    "LeftHip",
    "LeftKnee",
    "LeftAnkle",
    "RightHip",
    "RightKnee",
    "RightAnkle",
)
"""Anatomical names of the pivots: joint ``i`` is where part ``i`` hangs on its parent."""

N_PARTS: Final = len(PART_NAMES)

PARENT: Final = (1, 2, -1, 1, 3, 4, 1, 6, 7, 2, 9, 10, 2, 12, 13)
"""Parent part of each part; -1 for LowerTorso, the root."""

CHILD: Final = (-1, 0, 1, 4, 5, -1, 7, 8, -1, 10, 11, -1, 13, 14, -1)
"""The part that continues the bone of each part; -1 where the chain ends."""

MIRROR: Final = (0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11)
"""The part on the other side of the body; central parts map to themselves."""

TOP_DOWN: Final = (2, 1, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
"""An order in which every part comes after its parent."""

SWAP: Final = np.array(MIRROR)
"""``MIRROR`` as an index array: columns by part, left and right exchanged."""

FLIP: Final = np.array([-1.0, 1.0, 1.0])
"""Factors that mirror positions in the sagittal plane."""

SIDE: Final = np.array([0, 0, 0, 1, 1, 1, -1, -1, -1, 1, 1, 1, -1, -1, -1])
"""+1 for the character's left (+X), -1 for its right, 0 for the central parts."""
