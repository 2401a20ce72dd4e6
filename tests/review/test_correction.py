"""Corrections: what is meant comes through whole, the rest is refused by place and value."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest

from rigline.avatar.body import PART_NAMES
from rigline.avatar.cage_template import template
from rigline.errors import InvalidInput
from rigline.review.correction import (
    ATTACHMENT_NAMES,
    MAX_OPS,
    OPS_BY_STAGE,
    correction_schema,
    parse_correction,
)

HALF = math.sqrt(0.5)
GOOD: dict[str, list[dict[str, Any]]] = {
    "orient": [
        {"op": "set_front", "front": [0, 0, -1]},
        {"op": "set_front", "front": [HALF, HALF, 0], "up": [-HALF, HALF, 0]},
    ],
    "segment": [
        {"op": "relabel", "part": "LeftHand", "faces": [3, 1, 2]},
        {"op": "relabel", "part": "Head", "vertices": [0], "faces": [2**31 - 1]},
    ],
    "rig": [{"op": "move_joint", "joint": n, "position": [0.1, 2, -2]} for n in PART_NAMES],
    "cage": [
        {"op": "move_cage_vertices", "vertices": [0, template().n_vertices - 1],
         "positions": [[0, 0, 0], [0.5, 1.5, -0.5]]},
    ],
    "attach": [
        {"op": "move_attachment", "attachment": "Hat_Att", "position": [0, 1, 0]},
        {"op": "move_attachment", "attachment": "LeftGrip_Att", "position": [0.5, 0.5, 0],
         "rotation": [0, HALF, 0, HALF]},
    ],
}  # fmt: skip


def correction(stage: str, *ops: Any, **changes: Any) -> dict[str, Any]:
    plain = {
        "schema_version": 1, "stage": stage, "base_artifact_sha256": "0f" * 32, "ops": list(ops),
    }  # fmt: skip
    return {**plain, **changes}


def cage_op(vertices: list[Any], positions: list[Any]) -> dict[str, Any]:
    return {"op": "move_cage_vertices", "vertices": vertices, "positions": positions}


def joint_op(**changes: Any) -> dict[str, Any]:
    return {"op": "move_joint", "joint": "Head", "position": [0, 0.8, 0], **changes}


@pytest.mark.parametrize("stage", GOOD)
def test_a_good_correction_survives_the_round_trip(stage: str) -> None:
    value = correction(stage, *GOOD[stage])
    jsonschema.validate(value, correction_schema())
    parsed = parse_correction(value)
    assert parsed.stage == stage
    assert [op.op for op in parsed.ops] == [op["op"] for op in GOOD[stage]]
    again = parse_correction(json.loads(json.dumps(parsed.to_json())))
    assert again == parsed


@pytest.mark.parametrize("stage", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_a_stage_takes_its_own_operations_alone(stage: str, other: str) -> None:
    value = correction(stage, GOOD[stage][0], GOOD[other][0])
    if stage == other:
        parse_correction(value)
        return
    with pytest.raises(InvalidInput, match="Operation 1 is") as caught:
        parse_correction(value)
    assert caught.value.fields["op_index"] == 1
    assert caught.value.fields["value"] == GOOD[other][0]["op"]


def test_a_stage_without_operations_cannot_be_corrected() -> None:
    with pytest.raises(InvalidInput, match="'validate' cannot be corrected") as caught:
        parse_correction(correction("validate", joint_op()))
    assert all(stage in caught.value.remedy for stage in OPS_BY_STAGE)


def test_another_pipeline_brings_its_own_table() -> None:
    value = correction("sharpen", joint_op())
    assert parse_correction(value, {"sharpen": frozenset({"move_joint"})}).stage == "sharpen"
    with pytest.raises(InvalidInput):
        parse_correction(correction("rig", joint_op()), {"sharpen": frozenset({"move_joint"})})


BAD_OPS: list[tuple[str, Any, str, str]] = [
    ("rig", {"op": "fly"}, "", "fly"),
    ("rig", {}, "", "{}"),
    ("rig", "move", "", "move"),
    ("rig", joint_op(joint="Tail"), "joint", "Tail"),
    ("rig", joint_op(joint=3), "joint", "3"),
    ("rig", joint_op(position=[0, 1]), "position.2", "[0, 1]"),
    ("rig", joint_op(position=[0, 1, 2, 0]), "position", "4"),
    ("rig", joint_op(position=[0, 2.01, 0]), "position.1", "2.01"),
    ("rig", joint_op(position=[0, -2.01, 0]), "position.1", "-2.01"),
    ("rig", joint_op(position=[0, 0, math.nan]), "position.2", "nan"),
    ("rig", joint_op(position=[math.inf, 0, 0]), "position.0", "inf"),
    ("rig", joint_op(position=["0", 0, 0]), "position.0", "'0'"),
    ("rig", joint_op(position=[True, 0, 0]), "position.0", "True"),
    ("rig", joint_op(force=1), "force", "1"),
    ("orient", {"op": "set_front", "front": [0, 0, 0]}, "front", "length"),
    ("orient", {"op": "set_front", "front": [1, 0, 1]}, "front", "length"),
    ("orient", {"op": "set_front", "front": [0, 1, 0]}, "", "right angles"),
    ("orient", {"op": "set_front", "front": [0, 0, math.nan]}, "front.2", "nan"),
    ("segment", {"op": "relabel", "part": "Wing", "faces": [1]}, "part", "Wing"),
    ("segment", {"op": "relabel", "part": "Head"}, "", "neither"),
    ("segment", {"op": "relabel", "part": "Head", "faces": [1, 2, 1]}, "faces", "1 is there twice"),
    ("segment", {"op": "relabel", "part": "Head", "vertices": [4, -1]}, "vertices.1", "-1"),
    ("segment", {"op": "relabel", "part": "Head", "faces": [2**31]}, "faces.0", str(2**31)),
    ("segment", {"op": "relabel", "part": "Head", "faces": [1.5]}, "faces.0", "1.5"),
    ("segment", {"op": "relabel", "part": "Head", "faces": [True]}, "faces.0", "True"),
    ("segment", {"op": "relabel", "part": "Head", "faces": "all"}, "faces", "all"),
    ("cage", cage_op([], []), "vertices", "[]"),
    ("cage", cage_op([0, 0], [[0, 0, 0]] * 2), "vertices", "0 is there twice"),
    ("cage", cage_op([1], [[0, 0, 0]] * 2), "", "1 vertices, but 2 positions"),
    ("cage", cage_op([-1], [[0, 0, 0]]), "vertices.0", "-1"),
    ("cage", cage_op([template().n_vertices], [[0, 0, 0]]), "vertices.0", "1469"),
    ("cage", cage_op([1], [[0, 3, 0]]), "positions.0.1", "3"),
    ("attach", {"op": "move_attachment", "attachment": "Tail_Att", "position": [0, 0, 0]},
     "attachment", "Tail_Att"),
    ("attach", {"op": "move_attachment", "attachment": ATTACHMENT_NAMES[0],
                  "position": [0, 0, 0], "rotation": [0, 0, 0, 0.5]}, "rotation", "length"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "op", "field", "told"), BAD_OPS)
def test_a_bad_operation_is_named_by_place_field_and_value(
    stage: str, op: Any, field: str, told: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_correction(correction(stage, GOOD[stage][0], op))
    error = caught.value
    assert error.message.startswith("Operation 1")
    assert told in error.message
    assert (error.fields["op_index"], error.fields["field"]) == (1, field)
    assert error.remedy


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, ""),
        ([], ""),
        ({}, "schema_version"),
        (correction("rig", joint_op(), schema_version=2), "schema_version"),
        (correction("rig", joint_op(), schema_version="1"), "schema_version"),
        (correction("", joint_op()), "stage"),
        (correction("rig", joint_op(), base_artifact_sha256="0" * 63), "base_artifact_sha256"),
        (correction("rig", joint_op(), base_artifact_sha256="G" * 64), "base_artifact_sha256"),
        (correction("rig", joint_op(), author="ann"), "author"),
        (correction("rig"), "ops"),
        (correction("rig", *[joint_op()] * (MAX_OPS + 1)), "ops"),
        (correction("rig", ops="none"), "ops"),
    ],
)
def test_a_bad_envelope_is_named_by_field(value: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match="The correction cannot be used") as caught:
        parse_correction(value)
    assert caught.value.fields["field"] == field
    assert "op_index" not in caught.value.fields


def test_a_hostile_list_is_refused_at_its_first_fault_and_told_in_short() -> None:
    op = {"op": "relabel", "part": "Head", "faces": [-1] * 200_000}
    with pytest.raises(InvalidInput) as caught:
        parse_correction(correction("segment", op))
    assert len(str(caught.value)) < 400
    too_many = {**op, "faces": list(range(1_000_001))}
    with pytest.raises(InvalidInput, match="at most 1000000"):
        parse_correction(correction("segment", too_many))


@pytest.mark.parametrize(
    "op", [joint_op(joint="Tail"), joint_op(position=[0, 3, 0]), joint_op(position=[0, 1])]
)
def test_the_schema_refuses_what_it_can_say(op: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(correction("rig", op), correction_schema())
