"""Bodies that reviewers have corrected, as training samples beside the synthetic ones.

Reads what ``rigline review export`` writes. Each corrected body is drawn several times, with
another turn, stretch and choice of surface points each time, like a synthetic character.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline_training.character import Character, Piece

if TYPE_CHECKING:
    from rigline_training.dataset import Sample

STYLE = "reviewed"
TRIES = 5
"""Draws of one body that may come out unusable before it is left out."""


def reviewed_characters(folder: Path) -> Iterator[Character]:
    """The body of each corrected avatar, once, as it stands after all its corrections.

    The unit is the body's height. Samples of other pipelines, and those whose job has no results
    any more, are passed over.
    """
    seen: set[str] = set()
    for path in sorted(folder.glob("*/sample.json")):
        said = json.loads(path.read_text("utf-8"))
        if said["pipeline"] != AVATAR_AUTO_SETUP.name or said["job"] in seen:
            continue
        found = {stage: _read(path.parent, stage) for stage in ("orient", "segment", "rig")}
        if any(value is None for value in found.values()):
            continue
        seen.add(said["job"])
        mesh, parts, skeleton = found["orient"], found["segment"], found["rig"]
        labels = parts.part.astype(np.int64)
        body = Piece(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64), labels)
        yield Character((body,), skeleton.joints, STYLE, (said["job"],))


def reviewed_samples(folder: Path, draws: int, seed: int) -> list[Sample]:
    """``draws`` samples of each corrected body; fewer of one that comes out unusable."""
    from rigline_training.dataset import sample_of  # needs all of the training environment

    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    for character in reviewed_characters(folder):
        made = failed = 0
        while made < draws and failed < TRIES:
            try:
                samples.append(sample_of(character, rng))
                made += 1
            except ValueError:
                failed += 1
    return samples


def _read(folder: Path, stage: str):  # type: ignore[no-untyped-def]
    codec = AVATAR_AUTO_SETUP.stage(stage).codec
    path = folder / f"now.{stage}.{codec.file_name}"
    return codec.decode(path.read_bytes()) if path.exists() else None


def main() -> None:
    from rigline_training.dataset import write_shard

    parser = argparse.ArgumentParser(description="Make a shard of what reviewers have corrected.")
    parser.add_argument("--samples", type=Path, required=True, help="rigline review export --out")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--draws", type=int, default=8, help="samples of each body")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    samples = reviewed_samples(args.samples, args.draws, args.seed)
    if not samples:
        raise SystemExit(f"No corrected avatar lies in {args.samples}.")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"shard-{args.seed:03d}-reviewed.npz"
    write_shard(path, samples)
    print(f"{path}: {len(samples)} samples")


if __name__ == "__main__":
    main()
