"""Questions to each model about a body of boxes, and the shapes of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.cage import body_samples
from rigline.avatar.cage_kernel import N_VERTICES
from rigline.avatar.canonical import TURNS, CanonicalMesh, orientation_views
from rigline.avatar.views import body_views
from tests.support.bodies import box_body

Inputs = dict[str, npt.NDArray[Any]]
QUERIES = 70


def orientation_inputs(batch: int) -> Inputs:
    views = list(orientation_views(box_body().mesh, batch, seed=3))
    return {
        "features": np.stack([v.features for v in views]),
        "neighbours": np.stack([v.neighbours for v in views]),
    }


def body_inputs(batch: int) -> Inputs:
    body = box_body()
    views = body_views(CanonicalMesh(body.vertices, body.faces, np.eye(4), 1.0), batch, seed=3)
    return {
        "features": np.stack([v.features for v in views]),
        "neighbours": np.stack([v.neighbours for v in views]),
    }


def query_inputs(batch: int) -> Inputs:
    inputs = body_inputs(batch)
    return {**inputs, "queries": inputs["features"][:, -QUERIES:]}


def caging_inputs(batch: int) -> Inputs:
    """Bodies whose right foot is larger from one to the next."""
    body = box_body()
    samples = body_samples(body.vertices, body.faces, body.part)
    part = body.part[samples.corner]
    foot = np.where(part == Part.RIGHT_FOOT, 0.01, 0.0)[:, None]
    return {
        "points": np.stack([samples.points * (1 + item * foot) for item in range(batch)]),
        "part": np.stack([part] * batch),
        "joints": np.stack([body.joints] * batch),
    }


MODELS: dict[str, tuple[Callable[[int], Inputs], dict[str, tuple[int, ...]]]] = {
    "avatar_orientation": (orientation_inputs, {"log_probability": (len(TURNS),), "yaw": (2,)}),
    "avatar_segmentation": (query_inputs, {"probability": (QUERIES, N_PARTS)}),
    "avatar_rigging": (
        body_inputs,
        {
            "joints": (N_PARTS, 3),
            "log_scale": (N_PARTS,),
            "dispersion": (N_PARTS,),
            "humanoid": (1,),
        },
    ),
    "avatar_caging": (caging_inputs, {"vertices": (N_VERTICES, 3)}),
}


def inputs_of(model: str, batch: int) -> Inputs:
    return MODELS[model][0](batch)


def part_of(inputs: Inputs, item: int) -> Inputs:
    return {name: array[item : item + 1] for name, array in inputs.items()}
