"""What of the input makes a published rule impossible is named; what is ours is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from rigline.avatar.body import PART_NAMES, Part
from rigline.avatar.marketplace.input_rules import (
    INPUT_RULES,
    InputBody,
    accessories,
    in_words,
    input_causes,
)
from tests.support.bodies import box_body

BODY = box_body(2)
CAPE = np.array([[-0.15, 0.1, -0.2], [0.15, 0.1, -0.2], [0.0, 0.7, -0.2]])


def given(with_cape: bool = False) -> InputBody:
    """The body as one mesh, with or without a cape as another."""
    if not with_cape:
        names = ["Hero"] * len(BODY.faces)
        return InputBody(BODY.vertices, BODY.faces, BODY.part, BODY.joints, names)
    count = len(BODY.vertices)
    return InputBody(
        np.concatenate([BODY.vertices, CAPE]),
        np.concatenate([BODY.faces, [[count, count + 1, count + 2]]]),
        np.concatenate([BODY.part, np.full(3, Part.UPPER_TORSO)]),
        BODY.joints,
        [*["Hero"] * len(BODY.faces), "Cape"],
    )


def broken(rule: str, *parts: Part) -> dict[str, Any]:
    names = [PART_NAMES[p] for p in parts]
    return {"rule_id": rule, "where": ", ".join(names), "parts": names, "message": "it is bent"}


def test_a_cape_is_named_for_the_box_that_it_makes_larger() -> None:
    body = given(with_cape=True)
    assert {p: set(found) for p, found in accessories(body).items()} == {Part.UPPER_TORSO: {"Cape"}}
    (cause,) = input_causes(body, [broken("cage.box", Part.UPPER_TORSO)], [])
    assert cause.input_rule == "input.accessories"
    assert "Cape stands out" in cause.found
    assert cause.remedy == INPUT_RULES["input.accessories"].remedy


def test_without_a_cause_in_the_input_none_is_named() -> None:
    assert accessories(given()) == {}
    for rule in ("cage.box", "visibility.coverage", "mesh.watertight", "size.largest.head"):
        assert input_causes(given(with_cape=True), [broken(rule, Part.HEAD)], []) == []


def test_missing_parts_explain_everything_in_one_line() -> None:
    body = given()
    part = np.where(body.part == Part.LEFT_HAND, Part.LEFT_LOWER_ARM, body.part)
    bare = InputBody(body.vertices, body.faces, part, body.joints, body.names)
    causes = input_causes(bare, [broken("mesh.parts"), broken("size.largest.head")], [])
    (line,) = in_words(causes)
    assert line.startswith("input.parts: it has no LeftHand, so that mesh.parts, size.largest.head")


def test_sizes_and_poses_name_what_was_measured() -> None:
    causes = input_causes(
        given(), [broken("size.smallest.leg"), broken("pose.limbs")], ["leg Y 1.2 < 1.4 studs"]
    )
    assert [c.input_rule for c in causes] == ["input.proportions", "input.pose"]
    assert causes[0].found == "leg Y 1.2 < 1.4 studs"


def test_a_limb_that_never_filled_its_box_is_named() -> None:
    body = given()
    feet = body.part == Part.LEFT_FOOT
    vertices = np.where(feet[:, None], body.vertices * [1, 1, 6], body.vertices)
    long = InputBody(vertices, body.faces, body.part, body.joints, body.names)
    (cause,) = input_causes(long, [broken("visibility.coverage", Part.LEFT_FOOT)], [])
    assert cause.input_rule == "input.limbs"
