"""Marks lie where the places are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rigline.avatar.body import Part
from rigline.render.body_picture import Picture
from rigline.render.marked_body import marked_body
from rigline.render.palette import MARK
from tests.support.bodies import box_body

BODY = box_body()
FACE_PART = BODY.part[BODY.faces[:, 0]]
SIZE = (220, 300)


def marked_pixels(picture: Picture) -> npt.NDArray[np.int64]:
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    return np.argwhere((np.abs(pixels - MARK.astype(int)) < 30).all(axis=-1))


@pytest.mark.parametrize(("side", "x"), [(1.0, 110), (-1.0, 110)])
def test_a_point_is_ringed_in_both_panels(side: float, x: int) -> None:
    point = np.array([[0.0, 0.5, 0.3 * side]])
    found = marked_pixels(
        marked_body(BODY.vertices, BODY.faces, FACE_PART, points=point, size=SIZE)
    )
    first, second = found[found[:, 1] < SIZE[0]], found[found[:, 1] >= SIZE[0]]
    assert abs(first[:, 1].mean() - x) < 2
    assert abs(second[:, 1].mean() - SIZE[0] - SIZE[0] / 2) < 2


def test_a_part_is_painted_and_nothing_else_is() -> None:
    plain = marked_body(BODY.vertices, BODY.faces, FACE_PART, size=SIZE)
    assert not len(marked_pixels(plain))
    head = marked_body(BODY.vertices, BODY.faces, FACE_PART, parts=[Part.HEAD], size=SIZE)
    rows = marked_pixels(head)[:, 0]
    assert len(rows) > 100
    assert rows.max() < SIZE[1] / 2


def test_a_point_far_off_the_body_is_in_the_picture() -> None:
    point = np.array([[0.0, 1.5, 0.0]])
    found = marked_pixels(
        marked_body(BODY.vertices, BODY.faces, FACE_PART, points=point, size=SIZE)
    )
    assert (found[:, 1] < SIZE[0]).any()
