"""The rules as data: complete, dated, each with its check."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.marketplace.checks import CHECKS
from rigline.avatar.marketplace.rules import (
    AS_OF,
    FACE_POSES,
    LARGEST,
    RULE_BY_ID,
    RULES,
    SMALLEST,
    limit_of,
)
from rigline.avatar.marketplace.schema import OPTIONAL_PARENTS, REQUIRED_PARENT, SCHEMA


def test_ids_are_unique_and_every_checked_rule_has_a_check() -> None:
    assert len(RULE_BY_ID) == len(RULES)
    assert set(CHECKS) == {rule.id for rule in RULES if rule.presets}
    assert {rule.id.split(".")[0] for rule in RULES if not rule.presets} == {"face"}


def test_every_rule_is_dated_and_names_its_document() -> None:
    assert all(rule.as_of == AS_OF == "2026-08-22" and rule.document for rule in RULES)


def test_marketplace_asks_all_that_development_asks() -> None:
    assert all("marketplace" in r.presets for r in RULES if "development" in r.presets)


def test_the_schema_has_17_required_and_37_optional_bones() -> None:
    assert len(REQUIRED_PARENT) == 17
    assert len(OPTIONAL_PARENTS) == limit_of("skeleton.names", "optional") == 37
    assert len(SCHEMA) == 54
    assert all(above in SCHEMA for parents in OPTIONAL_PARENTS.values() for above in parents)
    assert len(FACE_POSES) == 17


@pytest.mark.parametrize("group", list(SMALLEST))
@pytest.mark.parametrize("body_type", ["normal", "slender", "classic"])
def test_largest_sizes_leave_room_above_the_smallest(group: str, body_type: str) -> None:
    assert (np.array(LARGEST[group][body_type]) > np.array(SMALLEST[group])).all()


def test_disagreements_are_named() -> None:
    for rule_id in ("skeleton.root_origin", "texture.size", "cage.template"):
        assert RULE_BY_ID[rule_id].disagreement
