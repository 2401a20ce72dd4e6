"""Corrections of avatar set-up: what a reviewer's operations make of a stage's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from rigline.avatar.attachments import Attachments
from rigline.avatar.body import PART_NAMES
from rigline.avatar.cage import OuterCage
from rigline.avatar.canonical import CanonicalMesh, with_front
from rigline.avatar.mesh import Ints
from rigline.avatar.segmentation import Segmentation, with_part
from rigline.avatar.skeleton import Skeleton
from rigline.errors import InvalidInput
from rigline.pipelines.job_kind import Inputs
from rigline.review.correction import (
    Correction,
    MoveAttachment,
    MoveCageVertices,
    MoveJoint,
    Relabel,
    SetFront,
)


def corrected(correction: Correction, value: Any, inputs: Inputs) -> Any:
    """The output ``value`` of ``correction.stage`` after the operations, in their order.

    A new value of the same type; ``value`` and ``inputs`` stay as they are. Same arguments, same
    arrays. Raises ``InvalidInput`` with ``op_index``, ``field`` and ``value`` for a number that the
    artifact does not have, and for a stage that cannot be corrected.
    """
    apply = _BY_STAGE.get(correction.stage)
    if apply is None:
        raise InvalidInput(
            f"The stage {correction.stage!r} cannot be corrected.",
            remedy=f"Those that can are {', '.join(_BY_STAGE)}.",
            field="stage",
            value=correction.stage,
        )
    return apply(value, correction.ops, inputs)


def _oriented(value: CanonicalMesh, ops: Sequence[SetFront], inputs: Inputs) -> CanonicalMesh:
    """All operations speak of the base artifact's frame, so only the last one tells."""
    last = ops[-1]
    return with_front(value, inputs["ingest"].mesh, np.array(last.front), np.array(last.up))


def _labelled(value: Segmentation, ops: Sequence[Relabel], inputs: Inputs) -> Segmentation:
    mesh: CanonicalMesh = inputs["orient"]
    for index, op in enumerate(ops):
        vertices = _checked(index, "vertices", op.vertices, len(mesh.vertices))
        faces = _checked(index, "faces", op.faces, len(mesh.faces))
        value = with_part(value, mesh, PART_NAMES.index(op.part), vertices, faces)
    return value


def _rigged(value: Skeleton, ops: Sequence[MoveJoint], inputs: Inputs) -> Skeleton:
    for op in ops:
        value = value.with_joint(PART_NAMES.index(op.joint), np.array(op.position))
    return value


def _caged(value: OuterCage, ops: Sequence[MoveCageVertices], inputs: Inputs) -> OuterCage:
    """All at once, so that vertices which share a place in the base still do in the end."""
    ids = [
        _checked(index, "vertices", op.vertices, len(value.vertices))
        for index, op in enumerate(ops)
    ]
    positions = [np.array(op.positions) for op in ops]
    return value.with_vertices(np.concatenate(ids), np.concatenate(positions))


def _attached(value: Attachments, ops: Sequence[MoveAttachment], inputs: Inputs) -> Attachments:
    for op in ops:
        rotation = None if op.rotation is None else np.array(op.rotation)
        value = value.with_point(op.attachment, np.array(op.position), rotation)
    return value


def _checked(op_index: int, field: str, ids: Sequence[int], count: int) -> Ints:
    """The numbers as an array ``(k,)``, all of them below ``count``."""
    numbers = np.array(ids, np.int64)
    beyond = numbers[numbers >= count]
    if len(beyond):
        raise InvalidInput(
            f"Operation {op_index} names {int(beyond[0])} among the {field}, of which there are "
            f"{count}.",
            remedy="Correct the output that the base hash names; its numbers count from 0.",
            op_index=op_index,
            field=field,
            value=int(beyond[0]),
        )
    return numbers


_BY_STAGE: Final[Mapping[str, Callable[[Any, Any, Inputs], Any]]] = {
    "orient": _oriented,
    "segment": _labelled,
    "rig": _rigged,
    "cage": _caged,
    "attach": _attached,
}
