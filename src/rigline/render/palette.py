"""One colour for each part: left and right differ in lightness, neighbours in hue."""

from __future__ import annotations

from typing import Final

import numpy as np

PART_COLOURS: Final = np.array(
    [
        (240, 196, 84),  # Head
        (92, 158, 219),  # UpperTorso
        (70, 112, 173),  # LowerTorso
        (233, 123, 104), (190, 85, 129), (240, 170, 190),  # left arm, shoulder to hand
        (176, 84, 70), (135, 56, 94), (196, 122, 146),  # right arm
        (110, 190, 122), (64, 152, 140), (178, 214, 110),  # left leg, hip to foot
        (72, 138, 86), (40, 105, 100), (128, 160, 66),  # right leg
    ],
    np.uint8,
)  # fmt: skip

CLAY: Final = np.array((196, 190, 182), np.uint8)
CAGE: Final = np.array((150, 170, 205), np.uint8)
MARK: Final = np.array((222, 48, 44), np.uint8)
INK: Final = (38, 42, 50)
PAPER: Final = (250, 250, 248)
BONE: Final = (30, 30, 36)
