"""PLY and STL: triangles, colours and UVs come back; what is broken is refused."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from rigline.errors import InvalidInput
from rigline.formats import Limits, read_model
from tests.support.bodies import SyntheticBody, box_body
from tests.support.scan_files import ORDERS, ply_file, quads_of, stl_file

BODY = box_body(2)
TRIANGLE = SyntheticBody(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], float),
    np.array([[0, 1, 2]]), np.zeros(4, int), np.zeros((15, 3)),
)  # fmt: skip


@pytest.mark.parametrize("text", [False, True])
def test_stl_brings_the_triangles_over_welded_vertices(text: bool) -> None:
    model = read_model(stl_file(BODY, text))
    assert (model.format, model.declared_up) == ("stl", "")
    rounded = replace(BODY, vertices=BODY.vertices.astype(np.float32).astype(float))
    assert len(model.mesh.vertices) == len(np.unique(rounded.vertices, axis=0))
    np.testing.assert_array_equal(model.mesh.vertices[model.mesh.faces],
                                  rounded.vertices[rounded.faces])  # fmt: skip


def test_a_binary_stl_whose_header_says_solid_is_read_as_binary() -> None:
    data = b"solid facet" + stl_file(BODY)[11:]
    assert len(read_model(data).mesh.faces) == len(BODY.faces)


def test_zero_and_minus_zero_are_one_place() -> None:
    corners = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[-0.0, -0.0, 0], [0, 1, 0], [1, 0, 1]]])
    body = replace(TRIANGLE, vertices=corners.reshape(-1, 3), faces=np.arange(6).reshape(2, 3))
    assert len(read_model(stl_file(body)).mesh.vertices) == 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"solid a\nfacet normal 0 0 1\nvertex 0 0 0\nvertex 1 0 0\n", "no whole triangles"),
        (b"solid a\nfacet normal 0 0 1\nvertex 0 0 x\nvertex 1 0 0\nvertex 0 1 0\n", "no number"),
        (b"solid a\nfacet normal 0 0 1\n", "no triangles"),
        (bytes(80) + struct.pack("<I", 0), "no triangles"),
    ],
)
def test_a_broken_stl_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_model(data)


@pytest.mark.parametrize("write", [stl_file, lambda b: stl_file(b, text=True), ply_file,
                                   lambda b: ply_file(b, "ascii")])  # fmt: skip
@pytest.mark.parametrize("limit", ["max_triangles", "max_vertices"])
def test_a_model_past_a_limit_is_refused(write: object, limit: str) -> None:
    most = len(BODY.faces) if limit == "max_triangles" else len(BODY.vertices)
    data = write(BODY)  # type: ignore[operator]
    assert read_model(data, limits=Limits(**{limit: most}))
    with pytest.raises(InvalidInput, match="more than"):
        read_model(data, limits=Limits(**{limit: most // 4}))


@pytest.mark.parametrize("encoding", ORDERS)
@pytest.mark.parametrize("quads", [False, True])
def test_ply_brings_the_polygons_as_triangles(encoding: str, quads: bool) -> None:
    polygons = quads_of(BODY.faces) if quads else BODY.faces.tolist()
    model = read_model(ply_file(BODY, encoding, polygons=polygons))
    assert (model.format, model.declared_up) == ("ply", "")
    fans = np.array([[p[0], p[k], p[k + 1]] for p in polygons for k in range(1, len(p) - 1)])
    found = model.mesh.vertices[model.mesh.faces]
    np.testing.assert_allclose(found, BODY.vertices[fans], atol=2e-6)


@pytest.mark.parametrize("encoding", ORDERS)
def test_ply_brings_colours_normals_and_uvs(encoding: str) -> None:
    count = len(BODY.vertices)
    rng = np.random.default_rng(3)
    red, alpha = rng.integers(0, 256, (2, count)).astype("u1")
    u, v = rng.random((2, count)).astype("f4")
    zero, one = np.zeros(count, "u1"), np.ones(count, "f4")
    columns = {
        "nx": one, "ny": 0 * one, "nz": 0 * one, "s": u, "t": v,
        "red": red, "green": zero, "blue": zero, "alpha": alpha,
    }  # fmt: skip
    model = read_model(ply_file(BODY, encoding, columns))
    assert model.colors is not None
    assert model.uvs is not None
    assert model.normals is not None
    np.testing.assert_allclose(model.colors[:, [0, 3]], np.stack([red, alpha], 1) / 255, atol=1e-6)
    np.testing.assert_allclose(model.uvs, np.stack([u, 1 - v], 1), atol=1e-6)
    np.testing.assert_array_equal(model.normals, np.tile([1, 0, 0], (count, 1)))


def test_mixed_polygons_and_columns_beside_them_are_read() -> None:
    lines = ["ply", "format ascii 1.0", "element camera 1", "property list uchar float view",
             "element vertex 5", "property float x", "property float y", "property float z",
             "element face 2", "property uchar flag", "property list uchar int vertex_index",
             "property list uchar float texcoord", "end_header",
             "2 0.5 0.5", "0 0 0", "1 0 0", "1 1 0", "0 1 0", "0 0 1",
             "7 4 0 1 2 3 2 0.5 0.5", "7 3 0 1 4 0", ""]  # fmt: skip
    model = read_model("\r\n".join(lines).encode())
    assert model.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 4]]


def test_strips_turn_every_second_triangle_and_end_at_minus_one() -> None:
    data = b"""ply
format ascii 1.0
element vertex 4
property float x
property float y
property float z
element tristrips 1
property list int int vertex_indices
end_header
0 0 0 1 0 0 0 1 0 1 1 0
8 0 1 2 3 -1 3 1 0
"""
    assert read_model(data).mesh.faces.tolist() == [[0, 1, 2], [1, 3, 2], [3, 1, 0]]


def test_vertices_that_no_face_uses_are_dropped() -> None:
    assert len(read_model(ply_file(TRIANGLE)).mesh.vertices) == 3


def test_a_texture_beside_the_file_is_warned_of() -> None:
    model = read_model(ply_file(TRIANGLE, extra="comment TextureFile skin.png"))
    assert "never opened" in model.warnings[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"end_header", b"end", "does not end"),
        (b"format ascii 1.0", b"comment ascii", "how it is encoded"),
        (b"property float z", b"property float w", "no x, y and z"),
        (b"property float z", b"property quad z", "has the line"),
        (b"element vertex 4", b"element vertex -4", "has the line"),
        (b"element face 1", b"element face 2", "ends before"),
        (b"3 0 1 2", b"3 0 1 9", "does not exist"),
        (b"3 0 1 2", b"3 0 1 -2", "does not exist"),
        (b"3 0 1 2", b"3 0 1 1.5", "does not exist"),
        (b"3 0 1 2", b"-3 0 1 2", "has length"),
        (b"3 0 1 2", b"nan 0 1 2", "has length"),
        (b"3 0 1 2", b"3 0 1 two", "no number"),
        (b"3 0 1 2", b"2 0 1", "no triangles"),
        (b"element vertex 4", b"element thing 999999999999999999\nelement vertex 4", "no triangl"),
    ],
)
def test_a_broken_ply_is_refused(old: bytes, new: bytes, words: str) -> None:
    data = ply_file(TRIANGLE, "ascii")
    assert old in data
    if b"thing" in new:
        data = data.replace(b"3 0 1 2", b"0")
    with pytest.raises(InvalidInput, match=words):
        read_model(data.replace(old, new))


@pytest.mark.parametrize("encoding", ORDERS)
def test_a_truncated_ply_is_refused_at_every_length(encoding: str) -> None:
    data = ply_file(TRIANGLE, encoding)
    for length in range(1, len(data) - 1):
        with pytest.raises(InvalidInput):
            read_model(data[:length])
