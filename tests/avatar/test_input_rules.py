"""What of the input makes a published rule impossible is named; what is ours is not."""

from __future__ import annotations

import time
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
from rigline.avatar.mesh import Floats
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
    assert line == (
        "input.parts (The model has all fifteen body parts): it has no LeftHand, so that "
        "mesh.parts, size.largest.head cannot be kept. "
        "Model the missing parts, or send a whole character."
    )


def test_a_shin_that_was_not_found_above_a_foot_is_no_fault_of_the_input() -> None:
    body = given()
    part = np.where(body.part == Part.LEFT_LOWER_LEG, Part.LEFT_UPPER_LEG, body.part)
    bare = InputBody(body.vertices, body.faces, part, body.joints, body.names)
    assert input_causes(bare, [broken("skeleton.bone_in_part", Part.LEFT_LOWER_LEG)], []) == []


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


def loose(body: InputBody, triangles: Floats, part: Part, name: str) -> InputBody:
    """The body with loose ``triangles (n, 3, 3)``, of a mesh of their own."""
    count, more = len(body.vertices), 3 * len(triangles)
    return InputBody(
        np.concatenate([body.vertices, triangles.reshape(-1, 3)]),
        np.concatenate([body.faces, count + np.arange(more).reshape(-1, 3)]),
        np.concatenate([body.part, np.full(more, part)]),
        body.joints,
        [*body.names, *[name] * len(triangles)],
    )


def test_a_part_of_faces_without_area_is_no_error() -> None:
    body = given()
    hand = body.part == Part.LEFT_HAND
    place = body.vertices[hand].mean(axis=0)
    flat = np.where(hand[:, None], place, body.vertices)
    assert accessories(InputBody(flat, body.faces, body.part, body.joints, body.names)) == {}
    # The same where nothing of the part is joined to anything else.
    vertices = np.concatenate([flat[~hand], [place, place]])
    kept = np.cumsum(~hand) - 1
    faces = kept[body.faces[~hand[body.faces].any(axis=1)]]
    point = len(vertices) - 2
    part = np.concatenate([body.part[~hand], np.full(2, Part.LEFT_HAND)])
    alone = InputBody(
        vertices, np.concatenate([faces, [[point, point, point + 1]]]), part, body.joints,
        ["Hero"] * (len(faces) + 1),
    )  # fmt: skip
    assert accessories(alone) == {}


def test_thousands_of_hair_cards_take_no_longer_than_the_rest() -> None:
    head = BODY.joints[Part.HEAD]
    rng = np.random.default_rng(0)
    cards = head + rng.uniform(-0.05, 0.05, (20_000, 1, 3)) + rng.uniform(0, 0.01, (20_000, 3, 3))
    brim = head + np.array([[[0.5, 0.05, 0.5], [-0.5, 0.05, 0.5], [0.0, 0.05, -0.5]]])
    body = loose(loose(given(), cards, Part.HEAD, "Hair"), brim, Part.HEAD, "Hat")
    began = time.process_time()
    found = accessories(body)
    assert time.process_time() - began < 10
    assert {p: set(names) for p, names in found.items()} == {Part.HEAD: {"Hat"}}
