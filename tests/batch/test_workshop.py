"""What a worker's process has ready before its first item."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rigline.batch.work import Equipment
from rigline.batch.workshop import Workshop
from rigline.bootstrap import load_policy
from rigline.engine.batch import BatchLimits
from rigline.errors import ContractViolation
from rigline.inference.repository import shipped_repository
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.settings import Settings


def workshop(folder: Path) -> Workshop:
    """A workshop for avatars whose models are in ``folder/models``."""
    settings = Settings(store=str(folder / "store"), models=folder / "models")
    limits = BatchLimits()
    return Workshop.open(
        Equipment(
            settings, load_policy(), AVATAR_AUTO_SETUP.name, {}, str(folder), limits, "carol", "b"
        )
    )


def test_a_damaged_model_is_met_before_the_first_item(tmp_path: Path) -> None:
    shutil.copytree(shipped_repository(), tmp_path / "models")
    made = workshop(tmp_path)
    made.prepare()
    for path in (tmp_path / "models/avatar_rigging").glob("*/model.onnx"):
        path.write_bytes(path.read_bytes()[:1000])
    made.prepare()  # what is loaded stays
    with pytest.raises(ContractViolation, match="avatar_rigging"):
        workshop(tmp_path).prepare()
