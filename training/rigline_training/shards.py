"""All samples of a folder of shards as tensors, growing while a generator is still at work."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rigline_training.dataset import FIELDS


class Shards:
    """The samples under ``folder``; ``refresh`` takes in shards that have appeared since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.data: dict[str, Tensor] = {}
        self.refresh()

    def refresh(self) -> None:
        found = sorted(p for p in self.folder.glob("shard-*.npz") if "partial" not in p.name)
        new = [p for p in found if p not in self.files]
        if not new:
            return
        parts = [dict(np.load(p)) for p in new]
        fresh = {k: torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in FIELDS}
        if self.data:
            fresh = {k: torch.cat([self.data[k], v]) for k, v in fresh.items()}
        self.data = fresh
        self.files += new

    def __len__(self) -> int:
        return len(self.data.get("labels", ()))

    def fingerprint(self) -> str:
        """sha256 over names and contents of the shards, in the order of their names."""
        digest = hashlib.sha256()
        for path in sorted(self.files):
            digest.update(path.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


Judges = dict[str, dict[str, Tensor]]
"""Samples to score on, by the prefix of their scores."""


def judges_of(data: Path) -> Judges:
    """The usual characters that are held out, and the style families that choose checkpoints."""
    held_out = {"": Shards(data / "held_out").data}
    for folder in sorted((data / "selection").glob("*/")):
        held_out[f"{folder.name}_"] = Shards(folder).data
    return held_out
