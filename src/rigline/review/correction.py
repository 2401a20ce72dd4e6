"""The correction format: what a reviewer changed in one stage's output, as checked operations.

A correction is data and knows nothing of the artifact it belongs to but its sha256; whether a face
number exists in that artifact is for the one who applies it to say. Everything is in the canonical
frame, lengths in heights of the character.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from rigline.avatar.attachments import SITES
from rigline.avatar.body import PART_NAMES
from rigline.avatar.cage_template import template
from rigline.errors import InvalidInput

SCHEMA_VERSION: Final = 1
BOUND: Final = 2.0
"""No place in a correction is farther than this from any plane of the canonical frame's axes."""

MAX_OPS: Final = 1000
MAX_IDS: Final = 1_000_000
"""Vertices or faces in one operation; as many as the readers let a whole mesh have."""

N_CAGE_VERTICES: Final = template().n_vertices
UNIT_TOLERANCE: Final = 1e-3
ATTACHMENT_NAMES: Final = tuple(site.name for site in SITES)


def _one_of(names: Sequence[str], what: str) -> Any:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"there is no {what} of that name")
        return name

    return Annotated[str, AfterValidator(check), Field(json_schema_extra={"enum": list(names)})]


def _unit(vector: tuple[float, ...]) -> tuple[float, ...]:
    if abs(math.hypot(*vector) - 1) > UNIT_TOLERANCE:
        raise ValueError("its length must be 1")
    return vector


def _distinct(ids: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(ids)) < len(ids):
        seen: set[int] = set()
        twice = next(i for i in ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice} is there twice")
    return ids


Coordinate = Annotated[float, Field(strict=True, ge=-BOUND, le=BOUND, allow_inf_nan=False)]
Component = Annotated[float, Field(strict=True, ge=-1.01, le=1.01, allow_inf_nan=False)]
Position = tuple[Coordinate, Coordinate, Coordinate]
Direction = Annotated[tuple[Component, Component, Component], AfterValidator(_unit)]
Quaternion = Annotated[tuple[Component, Component, Component, Component], AfterValidator(_unit)]
UNIQUE: Final = Field(max_length=MAX_IDS, json_schema_extra={"uniqueItems": True})
MeshId = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
MeshIds = Annotated[tuple[MeshId, ...], FailFast(), UNIQUE, AfterValidator(_distinct)]
CageId = Annotated[int, Field(strict=True, ge=0, lt=N_CAGE_VERTICES)]
CageIds = Annotated[
    tuple[CageId, ...],
    FailFast(),
    Field(min_length=1, max_length=N_CAGE_VERTICES, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
PartName: Any = _one_of(PART_NAMES, "part")
JointName: Any = _one_of(PART_NAMES, "joint")
AttachmentName: Any = _one_of(ATTACHMENT_NAMES, "attachment")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetFront(_Frozen):
    """Which way the character really faces, and which way is up, in the base artifact's frame."""

    op: Literal["set_front"]
    front: Direction
    up: Direction = (0.0, 1.0, 0.0)

    @model_validator(mode="after")
    def _square(self) -> SetFront:
        if abs(sum(f * u for f, u in zip(self.front, self.up, strict=True))) > UNIT_TOLERANCE:
            raise ValueError("front and up must be at right angles")
        return self


class MoveJoint(_Frozen):
    """The place of a joint, which bears the name of the part it turns."""

    op: Literal["move_joint"]
    joint: JointName
    position: Position


class Relabel(_Frozen):
    """Vertices and faces of the mesh that belong to ``part``."""

    op: Literal["relabel"]
    part: PartName
    vertices: MeshIds = ()
    faces: MeshIds = ()

    @model_validator(mode="after")
    def _some(self) -> Relabel:
        if not self.vertices and not self.faces:
            raise ValueError("neither vertices nor faces are named")
        return self


class MoveCageVertices(_Frozen):
    """The places of cage vertices, by their numbers in the template, in the same order."""

    op: Literal["move_cage_vertices"]
    vertices: CageIds
    positions: Annotated[
        tuple[Position, ...], FailFast(), Field(min_length=1, max_length=N_CAGE_VERTICES)
    ]

    @model_validator(mode="after")
    def _paired(self) -> MoveCageVertices:
        if len(self.vertices) != len(self.positions):
            raise ValueError(f"{len(self.vertices)} vertices, but {len(self.positions)} positions")
        return self


class MoveAttachment(_Frozen):
    """The place of an attachment, and its rotation (x, y, z, w) unless that stays as it was."""

    op: Literal["move_attachment"]
    attachment: AttachmentName
    position: Position
    rotation: Quaternion | None = None


class SetOutput(_Frozen):
    """The whole output of a stage that makes plain JSON; for pipelines without other operations."""

    op: Literal["set_output"]
    value: JsonValue


Op = Annotated[
    SetFront | MoveJoint | Relabel | MoveCageVertices | MoveAttachment | SetOutput,
    Field(discriminator="op"),
]
OPS_BY_STAGE: Final[Mapping[str, frozenset[str]]] = {
    "orient": frozenset({"set_front"}),
    "segment": frozenset({"relabel"}),
    "rig": frozenset({"move_joint"}),
    "cage": frozenset({"move_cage_vertices"}),
    "attach": frozenset({"move_attachment"}),
}
"""What can be corrected in avatar set-up; another pipeline brings its own table."""


class Correction(_Frozen):
    """Operations on one stage's output, applied in their order: of two on one thing the last wins.

    ``base_artifact_sha256`` names the output that the reviewer saw.
    """

    schema_version: Literal[1]
    stage: Annotated[str, Field(min_length=1, max_length=100)]
    base_artifact_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    ops: Annotated[tuple[Op, ...], Field(min_length=1, max_length=MAX_OPS)]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, which ``parse_correction`` takes back."""
        return self.model_dump(mode="json")


def parse_correction(
    value: Any, ops_by_stage: Mapping[str, frozenset[str]] = OPS_BY_STAGE
) -> Correction:
    """The correction in plain JSON ``value``, for a pipeline in which ``ops_by_stage`` is allowed.

    Raises ``InvalidInput`` for the first thing wrong, with ``op_index``, ``field`` and ``value``.
    """
    try:
        correction = Correction.model_validate(value)
    except ValidationError as error:
        raise _refused(error) from error
    allowed = ops_by_stage.get(correction.stage, frozenset())
    if not allowed:
        raise InvalidInput(
            f"The stage {correction.stage!r} cannot be corrected.",
            remedy=f"Those that can are {', '.join(ops_by_stage)}.",
            field="stage",
            value=correction.stage,
        )
    for index, op in enumerate(correction.ops):
        if op.op not in allowed:
            raise InvalidInput(
                f"Operation {index} is {op.op!r}, which {correction.stage!r} does not take.",
                remedy=f"It takes {', '.join(sorted(allowed))}.",
                op_index=index,
                field="op",
                value=op.op,
            )
    return correction


def correction_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a correction; published as docs/correction.schema.json.

    Lengths of vectors, right angles and which stage takes what are checked beyond it.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Correction.model_json_schema(),
    }


def _refused(error: ValidationError) -> InvalidInput:
    """The first complaint as a sentence: which operation, which field, what stood there."""
    first = error.errors(include_url=False, include_context=False)[0]
    place, shown = [str(step) for step in first["loc"]], repr(first["input"])
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    at_op = len(place) > 1 and place[0] == "ops" and place[1].isdigit()
    where = "The correction"
    fields: dict[str, Any] = {}
    if at_op:
        fields["op_index"] = int(place[1])
        where = f"Operation {place[1]}"
        if len(place) > 2:
            where, place = f"{where} ({place[2]})", place[1:]
        place = place[2:]
    name = ".".join(place)
    return InvalidInput(
        f"{where} cannot be used: {f'{name}: ' if name else ''}{first['msg']}, not {shown}.",
        remedy="`rigline schema correction` prints the format.",
        field=name,
        value=shown,
        **fields,
    )
