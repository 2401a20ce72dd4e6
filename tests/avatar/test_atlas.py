"""UVs of the atlas: inside, apart, unmirrored, and spread by size."""

from __future__ import annotations

import numpy as np

from rigline.avatar.atlas import HEAD_SCALE, PADDING_PX, unwrap
from rigline.avatar.body import Part
from rigline.avatar.mesh import Floats, face_areas
from rigline.render.raster import visible_faces
from tests.support.parted import parted

SIZE = 512


def uv_areas(uvs: Floats) -> Floats:
    one, other = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    return (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2


def test_uvs_lie_in_the_unit_square_and_do_not_overlap() -> None:
    uvs = unwrap(parted(), SIZE)
    assert uvs.min() >= 0
    assert uvs.max() <= 1
    screen = np.concatenate([uvs.reshape(-1, 2) * 1024, np.zeros((uvs.size // 2, 1))], axis=1)
    hit = visible_faces(screen, np.arange(len(screen)).reshape(-1, 3), 1024, 1024)
    covered, area = (hit >= 0).mean(), np.abs(uv_areas(uvs)).sum()
    assert area > 0.3
    np.testing.assert_allclose(covered, area, rtol=0.01)


def test_no_triangle_is_mirrored() -> None:
    # V runs downwards, so what is seen from outside turns clockwise.
    assert (uv_areas(unwrap(parted(), SIZE)) < 0).all()


def test_charts_keep_apart() -> None:
    """Grown by nearly the padding, no two charts of different parts touch."""
    body, uvs = parted(), unwrap(parted(), SIZE)
    boxes = np.array(
        [
            (*uvs[rows].reshape(-1, 2).min(axis=0), *uvs[rows].reshape(-1, 2).max(axis=0))
            for rows in np.split(np.arange(len(body.faces)), len(body.faces))
        ]
    )
    head = body.face_part == Part.HEAD
    one, other = boxes[head][:, None], boxes[~head][None]
    gap = np.maximum(one[..., :2] - other[..., 2:], other[..., :2] - one[..., 2:]).max(axis=2)
    assert gap.min() > 0.9 * PADDING_PX / SIZE


def test_the_head_gets_more_of_the_atlas() -> None:
    body, uvs = parted(), unwrap(parted(), SIZE)
    skin = ~body.lid
    ratio = np.sqrt(
        np.abs(uv_areas(uvs)) / np.maximum(face_areas(body.vertices, body.faces), 1e-12)
    )
    head = np.median(ratio[skin & (body.face_part == Part.HEAD)])
    rest = np.median(ratio[skin & (body.face_part != Part.HEAD)])
    assert 0.8 * HEAD_SCALE < head / rest < 1.25 * HEAD_SCALE


def test_the_same_body_gives_the_same_uvs() -> None:
    np.testing.assert_array_equal(unwrap(parted(), SIZE), unwrap(parted(), SIZE))
