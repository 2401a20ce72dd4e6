"""The OBJ reader: corners become vertices, texture coordinates are flipped, libraries ignored."""

from __future__ import annotations

import numpy as np
import pytest

from rigline.avatar.mesh import vertex_normals
from rigline.errors import InvalidInput
from rigline.formats import Limits, SourceModel, read_model
from tests.support.bodies import box_body
from tests.support.glb_files import obj_text, uvs_of

BODY = box_body(2)
CORNERS = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def read(text: str) -> SourceModel:
    return read_model(text.encode("utf-8"))


def test_the_body_comes_back_with_its_looks() -> None:
    model = read_model(obj_text(BODY))
    assert (model.format, model.declared_up) == ("obj", "")
    assert np.array_equal(model.mesh.vertices, BODY.vertices)
    assert np.array_equal(model.mesh.faces, BODY.faces)
    assert model.uvs == pytest.approx(uvs_of(BODY), abs=1e-6)
    assert model.normals == pytest.approx(vertex_normals(BODY.vertices, BODY.faces), abs=1e-6)


def test_each_object_and_material_becomes_a_primitive() -> None:
    model = read_model(obj_text(BODY))
    assert [p.name for p in model.primitives][:3] == ["Head", "UpperTorso", "LowerTorso"]
    assert [p.material for p in model.primitives] == [0] * 3 + [1] * 12
    assert [m["name"] for m in model.materials.materials] == ["skin", "cloth"]


def test_a_material_library_is_never_opened() -> None:
    model = read(f"mtllib /etc/passwd\n{CORNERS}f 1 2 3\n")
    assert any("/etc/passwd" in text and "never opened" in text for text in model.warnings)
    assert model.materials.images == ()


def test_polygons_become_fans_from_their_first_corner() -> None:
    assert read(f"{CORNERS}f 1 2 3 4\n").mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize("face", ["f -4 -3 -2", "f 1 -3 3", "f 1// 2// 3//", "f  1\t2 3 "])
def test_corners_may_be_spelt_in_several_ways(face: str) -> None:
    model = read(f"{CORNERS}{face}\n")
    assert model.mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert model.mesh.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\\\n\n"])
def test_line_ends_of_all_systems_are_read(end: str) -> None:
    model = read(f"{CORNERS}f 1 2 \\\n 3 4\n".replace("\n", end, 4))
    assert len(model.mesh.faces) == 2


def test_a_position_with_two_texture_coordinates_becomes_two_vertices() -> None:
    model = read(f"{CORNERS}vt 0 0\nvt 0.25 0.75\nf 1/1 2/1 3/1\nf 1/2 3/1 4/1\n")
    assert len(model.mesh.vertices) == 5
    assert model.uvs is not None
    assert model.uvs[:2].tolist() == [[0, 1], [0.25, 0.25]]


def test_normals_are_filled_where_only_some_corners_have_them() -> None:
    model = read(f"{CORNERS}vn 0 0 2\nf 1//1 2 3\n")
    assert model.normals is not None
    assert model.normals.tolist() == [[0, 0, 1]] * 3


def test_vertex_colours_may_be_shares_or_bytes() -> None:
    shares = read("v 0 0 0 1 0 0.5\nv 1 0 0 0 1 0\nv 0 1 0 0 0 0\nf 1 2 3\n")
    given = read("v 0 0 0 255 0 127.5\nv 1 0 0 0 255 0\nv 0 1 0 0 0 0\nf 1 2 3\n")
    assert shares.colors is not None
    assert given.colors is not None
    assert shares.colors[0].tolist() == [1, 0, 0.5, 1]
    assert np.array_equal(shares.colors, given.colors)


def test_points_and_lines_are_left_out() -> None:
    assert read(f"{CORNERS}l 1 2\nf 1 2 3\n").warnings == ("Points or lines were left out.",)


@pytest.mark.filterwarnings("error")
def test_looks_that_overflow_are_mended_without_a_word_from_numpy() -> None:
    model = read(f"{CORNERS}vt 1e300 0\nvn 1e300 0 0\nf 1/1/1 2/1/1 3/1/1\n")
    assert model.uvs is not None
    assert model.normals is not None
    assert np.isfinite(model.uvs).all()
    assert model.normals.tolist() == [[0, 0, 1]] * 3
    assert len(model.warnings) == 2


REFUSED = {
    "vertex beyond the end": f"{CORNERS}f 1 2 5\n",
    "vertex zero": f"{CORNERS}f 0 1 2\n",
    "back too far": f"{CORNERS}f -5 -1 -2\n",
    "huge index": f"{CORNERS}f 1 2 {10**30}\n",
    "index of thousands of digits": f"{CORNERS}f 1 2 {'9' * 5000}\n",
    "two corners": f"{CORNERS}f 1 2\n",
    "words for numbers": "v a b c\nv 0 0 0\nf 1 1 1\n",
    "short vertex": "v 0 0\nv 1 0 0\nf 1 2 1\n",
    "no numbers": "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "infinite": "v 1e999 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "four slots": f"{CORNERS}f 1/1/1/1 2 3\n",
    "missing texture coordinate": f"{CORNERS}f 1/1 2/1 3/1\n",
    "no faces": CORNERS,
    "one point": "v 1 1 1\nf 1 1 1\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_damage_is_refused(what: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(REFUSED[what])
    assert refused.value.message


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_triangles=len(BODY.faces) - 1),
        Limits(max_vertices=len(BODY.vertices) - 1),
        Limits(max_primitives=14),
        Limits(max_bytes=1000),
    ],
)
def test_limits_are_respected(limits: Limits) -> None:
    with pytest.raises(InvalidInput):
        read_model(obj_text(BODY), limits=limits)
