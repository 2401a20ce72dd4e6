"""A sheet of characters as the generator draws them, coloured by part, joints on top.

    python -m rigline_training.look --out sheet.png --seed 5 --count 24

Look at one after every change to the generator: wrong labels train wrong models, and no figure says
so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from rigline.render.body_picture import Picture, body_panel, grid, png_bytes
from rigline.render.palette import PART_COLOURS
from rigline_training.character import Character
from rigline_training.dataset import Characters
from rigline_training.held_out_families import FAMILIES

COLUMNS = 8


def panel(character: Character, caption: str) -> Picture:
    """One character from the front."""
    vertices, faces, labels = character.merged()
    face_labels = np.sort(labels[faces], axis=1)[:, 1]
    return body_panel(
        vertices, faces, PART_COLOURS[face_labels], size=(200, 260), caption=caption,
        joints=character.joints,
    )  # fmt: skip


def main() -> None:
    p = argparse.ArgumentParser(description="Draw a contact sheet of synthetic characters.")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seed", type=int, default=5)
    p.add_argument("--count", type=int, default=24)
    p.add_argument("--family", choices=sorted(FAMILIES), help="a family held out of the training")
    args = p.parse_args()
    characters = Characters()
    panels = []
    for k in range(args.seed, args.seed + args.count):
        characters.bodies.forget_drawn()
        rng = np.random.default_rng([k])
        if args.family:
            drawn = FAMILIES[args.family](characters.bodies, rng)
        else:
            drawn = characters.draw(rng)
        panels.append(panel(drawn, f"{k} {drawn.style} {' '.join(drawn.tags)}"))
    rows = [panels[i : i + COLUMNS] for i in range(0, len(panels), COLUMNS)]
    args.out.write_bytes(png_bytes(grid(rows)))


if __name__ == "__main__":
    main()
