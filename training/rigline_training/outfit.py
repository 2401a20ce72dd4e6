"""What is known of a posed character, and what it wears and carries so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rigline.avatar.body import Part
from rigline_training.character import Floats, Ints, Piece
from rigline_training.solids import solid_piece


@dataclass
class Outfit:
    """The posed body's measures, and the pieces added so far."""

    rng: np.random.Generator
    joints: Floats
    points: Floats
    labels: Ints
    pieces: list[Piece] = field(default_factory=list)
    hidden: Callable[[Floats], Floats] | None = None

    def __post_init__(self) -> None:
        head = self.points[self.labels == Part.HEAD]
        low, high = np.quantile(head, 0.02, axis=0), np.quantile(head, 0.98, axis=0)
        self.head_centre, self.head_half = (low + high) / 2, (high - low) / 2 + 1e-3
        torso = self.points[self.labels == Part.UPPER_TORSO]
        torso = torso if len(torso) > 5 else self.points
        self.torso_centre = (torso.min(axis=0) + torso.max(axis=0)) / 2
        self.torso_half = np.ptp(torso, axis=0) / 2 + 1e-3
        self.shoulder_half = abs(self.joints[3, 0] - self.joints[6, 0]) / 2 + 1e-3
        self.floor = self.points[:, 1].min()
        self.neck_height = self.joints[Part.HEAD, 1] - self.floor

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def add(
        self, kinds: str, half: Floats, centre: Floats, part: int, axes: Floats | None = None,
        *, covers: float = 0.0, name: str,
    ) -> None:  # fmt: skip
        """Add a primitive of one of the kinds (space separated) to the outfit."""
        kind = str(self.rng.choice(kinds.split()))
        self.pieces.append(
            solid_piece(
                kind,
                np.asarray(half, float),
                centre,
                int(part),
                axes,
                detail=int(self.rng.integers(1, 4)),
                covers=self.chance(covers),
                name=name,
            )
        )
