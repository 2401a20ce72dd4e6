"""Pictures of bodies: the right size, the right side, the right colours."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.cage import fit_cage
from rigline.avatar.mesh import Floats, Ints
from rigline.render.body_picture import (
    BACK,
    CAPTION_PX,
    FRONT,
    SIDE,
    THREE_QUARTER,
    Camera,
    Colours,
    Picture,
    body_panel,
    grid,
    png_bytes,
    side_by_side,
)
from rigline.render.palette import BONE, PAPER, PART_COLOURS
from rigline.render.preview import part_colours, preview
from tests.support.bodies import SyntheticBody, box_body, capsule_body

RED, GREEN, BLUE, GREY = (230, 0, 0), (0, 230, 0), (0, 0, 230), (120, 120, 120)
SIZE = (120, 160)


@pytest.fixture(scope="module")
def body() -> SyntheticBody:
    return capsule_body()


def face_part(body: SyntheticBody) -> Ints:
    return body.part[body.faces[:, 0]]


def pixels(picture: Picture) -> npt.NDArray[np.int64]:
    return np.asarray(picture.convert("RGB")).astype(np.int64)


def drawn(picture: Picture) -> npt.NDArray[np.bool_]:
    """Where the picture shows more than paper."""
    return np.asarray((pixels(picture) != PAPER).any(axis=2))


def share_of(picture: Picture, colour: tuple[int, int, int]) -> float:
    """The share of the drawn pixels with a colour's hue, whatever their brightness."""
    ink = pixels(picture)[drawn(picture)].astype(np.float64)
    hue = ink / np.maximum(np.linalg.norm(ink, axis=1, keepdims=True), 1)
    wanted = np.array(colour) / np.linalg.norm(colour)
    return float(np.mean(hue @ wanted > 0.995))


def cube_with_coloured_sides() -> tuple[Floats, Ints, Colours]:
    """A cube whose +Z side is red, +X (the character's left) green, -Z blue and the rest grey."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    faces, colours = [], []
    for axis in range(3):
        for sign in (-1, 1):
            side = np.flatnonzero(corners[:, axis] == sign)
            faces += [side[[0, 1, 2]], side[[1, 3, 2]]]
            named = {(2, 1): RED, (0, 1): GREEN, (2, -1): BLUE}
            colours += [named.get((axis, sign), GREY)] * 2
    return corners, np.array(faces), np.array(colours, np.uint8)


@pytest.mark.parametrize(
    ("camera", "colour"), [(FRONT, RED), (SIDE, GREEN), (BACK, BLUE), (Camera(-90), GREY)]
)
def test_a_camera_sees_the_side_that_it_stands_before(
    camera: Camera, colour: tuple[int, int, int]
) -> None:
    picture = body_panel(*cube_with_coloured_sides(), camera, SIZE)
    assert share_of(picture, colour) == pytest.approx(1, abs=0.02)


def test_three_quarters_show_the_front_the_left_and_the_top() -> None:
    picture = body_panel(*cube_with_coloured_sides(), THREE_QUARTER, SIZE)
    front, left, top = (share_of(picture, colour) for colour in (RED, GREEN, GREY))
    assert front > left > top > 0.02
    assert share_of(picture, BLUE) == 0


@pytest.mark.parametrize("camera", [FRONT, SIDE, BACK, THREE_QUARTER, Camera(200, -30)])
def test_a_camera_turns_and_never_mirrors(camera: Camera) -> None:
    rotation = camera.viewer_from_world
    assert rotation @ rotation.T == pytest.approx(np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_looking_down_shows_the_top() -> None:
    towards_viewer = Camera(0, 30).viewer_from_world[2]
    assert towards_viewer == pytest.approx([0, 0.5, np.sqrt(0.75)])


def test_from_the_front_the_left_is_on_the_right_and_from_behind_on_the_left(
    body: SyntheticBody,
) -> None:
    left_arm = np.isin(face_part(body), (Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM, Part.LEFT_HAND))
    colours = np.where(left_arm[:, None], RED, GREY).astype(np.uint8)
    for camera, on_the_right in ((FRONT, True), (BACK, False)):
        picture = body_panel(body.vertices, body.faces, colours, camera, SIZE)
        seen = pixels(picture)
        _, columns = np.nonzero(seen[:, :, 0] > 2 * seen[:, :, 1] + 20)
        assert len(columns) > 50
        assert (columns.mean() > SIZE[0] / 2) == on_the_right


def test_the_head_is_up(body: SyntheticBody) -> None:
    head = (face_part(body) == Part.HEAD)[:, None]
    picture = body_panel(body.vertices, body.faces, np.where(head, RED, GREY).astype(np.uint8))
    rows, _ = np.nonzero(pixels(picture)[:, :, 0] > 2 * pixels(picture)[:, :, 1] + 20)
    assert rows.max() < picture.height / 3


@pytest.mark.parametrize("size", [(120, 160), (200, 90), (61, 203)])
@pytest.mark.parametrize("camera", [FRONT, SIDE, THREE_QUARTER])
def test_the_panel_has_its_size_and_holds_the_whole_body(
    body: SyntheticBody, size: tuple[int, int], camera: Camera
) -> None:
    colours = part_colours(face_part(body))
    picture = body_panel(body.vertices, body.faces, colours, camera, size)
    assert picture.size == size
    ink = drawn(picture)
    assert ink.any()
    body_area = ink[: size[1] - CAPTION_PX]
    assert not body_area[[0, -1]].any()
    assert not ink[:, [0, -1]].any()
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    filled = max(np.ptp(rows) / (size[1] - CAPTION_PX), np.ptp(columns) / size[0])
    assert filled == pytest.approx(0.88, abs=0.04)


def test_the_colours_of_the_parts_are_in_the_picture(body: SyntheticBody) -> None:
    picture = body_panel(body.vertices, body.faces, part_colours(face_part(body)), size=(400, 500))
    for part in Part:
        colour = tuple(int(c) for c in PART_COLOURS[part])
        assert share_of(picture, colour) > 0.002, part.name  # type: ignore[arg-type]


def test_no_two_parts_share_a_colour() -> None:
    assert len({tuple(colour) for colour in PART_COLOURS.tolist()}) == N_PARTS


def test_the_skeleton_is_drawn_over_the_body(body: SyntheticBody) -> None:
    colours = np.full((len(body.faces), 3), 200, np.uint8)
    plain = body_panel(body.vertices, body.faces, colours, FRONT, SIZE)
    with_joints = body_panel(body.vertices, body.faces, colours, FRONT, SIZE, joints=body.joints)
    dark = np.abs(pixels(with_joints) - BONE).sum(axis=2) < 60
    assert dark.sum() > 100
    assert not (np.abs(pixels(plain) - BONE).sum(axis=2) < 60).any()


def test_a_shared_frame_keeps_the_scale(body: SyntheticBody) -> None:
    colours = part_colours(face_part(body))
    frame = (np.array([-1.0, 0.0, -1.0]), np.array([1.0, 2.0, 1.0]))
    heights = []
    for scale in (1.0, 2.0):
        picture = body_panel(
            body.vertices * scale, body.faces, colours, FRONT, (300, 322), frame=frame
        )
        heights.append(int(np.ptp(np.flatnonzero(drawn(picture).any(axis=1)))))
    assert heights[1] == pytest.approx(2 * heights[0], abs=3)
    assert heights[1] == pytest.approx(300 * 0.88, abs=3)


def test_a_caption_stays_below_the_body_and_within_the_panel(body: SyntheticBody) -> None:
    colours = part_colours(face_part(body))
    plain = body_panel(body.vertices, body.faces, colours, FRONT, SIZE)
    for text in ("short", "a caption that is far too long for such a small panel"):
        written = body_panel(body.vertices, body.faces, colours, FRONT, SIZE, text)
        changed = (pixels(plain) != pixels(written)).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert rows.min() >= SIZE[1] - CAPTION_PX
        assert columns.min() >= 1
        assert columns.max() < SIZE[0] - 1


def test_panels_stand_in_rows_and_columns() -> None:
    def panel(width: int, height: int, colour: tuple[int, int, int]) -> Picture:
        return Image.new("RGB", (width, height), colour)

    row = side_by_side([panel(10, 20, RED), panel(30, 10, GREEN)])
    assert row.size == (40, 20)
    assert row.getpixel((5, 5)) == RED
    assert row.getpixel((15, 5)) == GREEN
    assert row.getpixel((15, 15)) == PAPER
    sheet = grid([[panel(10, 20, RED)], [panel(5, 5, BLUE), panel(30, 10, GREEN)]])
    assert sheet.size == (40, 30)
    assert sheet.getpixel((2, 22)) == BLUE
    assert sheet.getpixel((12, 22)) == GREEN


@pytest.mark.parametrize("colours", [None, 32])
def test_a_png_comes_back_as_it_was(body: SyntheticBody, colours: int | None) -> None:
    picture = body_panel(body.vertices, body.faces, part_colours(face_part(body)), size=SIZE)
    data = png_bytes(picture, colours)
    back = Image.open(io.BytesIO(data))
    assert (back.format, back.size) == ("PNG", SIZE)
    limit = 0 if colours is None else 24
    assert np.abs(pixels(back) - pixels(picture)).mean() <= limit
    assert png_bytes(picture, colours) == data


def test_the_preview_has_five_different_panels() -> None:
    body = box_body()
    cage = fit_cage(body.vertices, body.faces, body.part, body.joints)
    weights = np.eye(N_PARTS)[body.part]
    picture = preview(
        body.vertices, body.faces, face_part(body), body.joints, weights, cage.vertices, (110, 150)
    )
    assert picture.size == (5 * 110, 150)
    panels = [picture.crop((k * 110, 0, (k + 1) * 110, 150)) for k in range(5)]
    assert all(drawn(panel)[: 150 - CAPTION_PX].mean() > 0.05 for panel in panels)
    assert len({panel.tobytes() for panel in panels}) == 5
