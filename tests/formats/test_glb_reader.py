"""glTF readers: the body comes back where the nodes put it, and nothing outside is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rigline.avatar.mesh import Floats, Ints, vertex_normals
from rigline.errors import ContractViolation, InvalidInput
from rigline.formats import Limits, SourceModel, read_model
from rigline.formats.glb_builder import GlbBuilder
from tests.support.bodies import SyntheticBody, box_body
from tests.support.glb_files import (
    arranged_glb,
    array_glb,
    coloured_glb,
    colours_of,
    edited,
    gltf_problems,
    gltf_text,
    groups,
    mirrored_glb,
    plain_glb,
    png_image,
    skinned_glb,
    split_glb,
    textured_glb,
    unpacked,
    uvs_of,
)

BODY = box_body(2)
FILES: dict[str, Callable[[SyntheticBody], bytes]] = {
    "plain": plain_glb,
    "textured": textured_glb,
    "coloured": coloured_glb,
    "split": split_glb,
    "skinned": skinned_glb,
    "arranged": arranged_glb,
    "mirrored": mirrored_glb,
}
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0.5, 2, 0]], float)


def volume(vertices: Floats, faces: Ints) -> float:
    """Enclosed volume; negative when triangles wind inwards."""
    return float(np.linalg.det(vertices[faces]).sum() / 6)


def square(**options: Any) -> bytes:
    return array_glb(SQUARE, **options).to_bytes()


@pytest.mark.parametrize("kind", FILES)
def test_the_test_files_themselves_follow_gltf(kind: str) -> None:
    assert gltf_problems(FILES[kind](BODY)) == []


def test_the_validator_finds_damage() -> None:
    problems = gltf_problems(edited(plain_glb(BODY), wrong_vertex))
    assert any("ACCESSOR" in problem for problem in problems)


@pytest.mark.parametrize("as_text", [False, True], ids=["glb", "gltf"])
@pytest.mark.parametrize("kind", FILES)
def test_the_body_comes_back_in_world_space(kind: str, as_text: bool) -> None:
    data = FILES[kind](BODY)
    model = read_model(gltf_text(data) if as_text else data)
    assert model.format == ("gltf" if as_text else "glb")
    assert model.declared_up == "Y"
    assert model.warnings == ()
    assert np.abs(model.mesh.vertices - BODY.vertices).max() < 1e-6
    assert np.array_equal(model.mesh.faces, BODY.faces)


@pytest.mark.parametrize("kind", ["arranged", "mirrored", "textured"])
def test_normals_stay_perpendicular_to_the_surface(kind: str) -> None:
    model = read_model(FILES[kind](BODY))
    assert model.normals is not None
    assert np.abs(model.normals - vertex_normals(BODY.vertices, BODY.faces)).max() < 1e-5


def test_a_mirrored_node_turns_its_triangles_to_keep_their_outside() -> None:
    def mirror(document: dict[str, Any]) -> None:
        document["nodes"][0]["scale"] = [-1, 1, 1]

    plain, turned = read_model(plain_glb(BODY)), read_model(edited(plain_glb(BODY), mirror))
    before = volume(plain.mesh.vertices, plain.mesh.faces)
    assert before > 0
    assert volume(turned.mesh.vertices, turned.mesh.faces) == pytest.approx(before)
    assert np.array_equal(turned.mesh.vertices, plain.mesh.vertices * (-1, 1, 1))


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("bent", [0.0, 0.8])
def test_a_skinned_mesh_stays_in_its_bind_pose_under_its_armature(
    scale: float, bent: float
) -> None:
    model = read_model(skinned_glb(BODY, scale, bent))
    assert np.abs(model.mesh.vertices - BODY.vertices).max() < 1e-6


def test_a_bind_matrix_that_collapses_is_warned_of() -> None:
    def flatten(document: dict[str, Any]) -> None:
        document["nodes"][-2]["scale"] = [0, 0, 0]

    model = read_model(edited(skinned_glb(BODY), flatten))
    assert any("bind matrix" in message for message in model.warnings)


def test_several_primitives_keep_their_ranges_and_materials() -> None:
    model = read_model(split_glb(BODY))
    parts = groups(BODY)
    stops = np.cumsum([len(part.vertices) for part in parts])
    assert [p.vertex_stop for p in model.primitives] == stops.tolist()
    assert [p.face_stop - p.face_start for p in model.primitives] == [len(p.faces) for p in parts]
    names = [
        None if p.material is None else model.materials.materials[p.material]["name"]
        for p in model.primitives
    ]
    assert names == ["Skin", "Cloth", None]
    assert model.materials.extensions_used == ("KHR_materials_unlit",)


def test_primitives_that_share_one_vertex_array_take_only_what_they_draw() -> None:
    glb = array_glb(SQUARE, np.array([0, 1, 2]))
    primitives = glb.document["meshes"][0]["primitives"]
    rest = glb.add_array(np.array([3, 4, 2], np.uint32))
    primitives.append({"attributes": primitives[0]["attributes"], "indices": rest})
    model = read_model(glb.to_bytes())
    assert model.mesh.vertices.tolist() == SQUARE[[0, 1, 2, 2, 3, 4]].tolist()
    assert model.mesh.faces.tolist() == [[0, 1, 2], [4, 5, 3]]


def test_textures_and_images_come_out_as_they_went_in() -> None:
    model = read_model(textured_glb(BODY))
    library = model.materials
    assert [image.data for image in library.images] == [png_image(1)]
    assert [image.name for image in library.images] == ["skin"]
    assert library.textures == ({"source": 0, "sampler": 0},)
    assert library.samplers == ({"magFilter": 9728, "wrapS": 33071},)
    assert model.uvs is not None
    assert np.array_equal(model.uvs, uvs_of(BODY))


def test_vertex_colours_are_kept() -> None:
    model = read_model(coloured_glb(BODY))
    assert model.colors is not None
    assert np.array_equal(model.colors, colours_of(BODY))


@pytest.mark.parametrize("uri", ["skin.png", "file:///etc/passwd", "http://example.org/skin.png"])
def test_an_image_outside_the_file_is_warned_of_and_left_out(uri: str) -> None:
    def point_outside(document: dict[str, Any]) -> None:
        document["images"][0] = {"uri": uri}

    model = read_model(edited(textured_glb(BODY), point_outside))
    assert model.materials.images == ()
    assert model.materials.textures == ()
    assert "baseColorTexture" not in model.materials.materials[0]["pbrMetallicRoughness"]
    assert any(uri in message and "never opened" in message for message in model.warnings)


@pytest.mark.parametrize("uri", ["body.bin", "file:///etc/passwd", "http://example.org/body.bin"])
def test_a_buffer_outside_the_file_is_refused(uri: str) -> None:
    def point_outside(document: dict[str, Any]) -> None:
        document["buffers"][0]["uri"] = uri

    with pytest.raises(InvalidInput, match="never opened"):
        read_model(edited(plain_glb(BODY), point_outside))


def test_lists_strips_and_fans_draw_the_triangles_of_the_specification() -> None:
    order = np.array([0, 1, 2, 3, 4])
    assert read_model(square(indices=order, mode=4)).mesh.faces.tolist() == [[0, 1, 2]]
    strip = read_model(square(indices=order, mode=5)).mesh.faces
    assert strip.tolist() == [[0, 1, 2], [1, 3, 2], [2, 3, 4]]
    fan = read_model(square(indices=order, mode=6)).mesh.faces
    assert fan.tolist() == [[1, 2, 0], [2, 3, 0], [3, 4, 0]]


def test_without_indices_vertices_are_drawn_in_their_order() -> None:
    assert read_model(square(mode=5)).mesh.faces.tolist() == [[0, 1, 2], [1, 3, 2], [2, 3, 4]]


def test_points_and_lines_are_left_out() -> None:
    glb = array_glb(SQUARE, np.array([0, 1, 2]))
    primitives = glb.document["meshes"][0]["primitives"]
    primitives.append({"attributes": primitives[0]["attributes"], "mode": 1})
    model = read_model(glb.to_bytes())
    assert len(model.primitives) == 1
    assert any("points or lines" in message for message in model.warnings)


def sparse_square(base: bool) -> bytes:
    """The square with two vertices replaced by sparse values, over a view or implied zeros."""
    glb = array_glb(SQUARE, np.array([0, 1, 2, 0, 2, 4]))
    accessor = glb.document["accessors"][0]
    if not base:
        del accessor["bufferView"]
    accessor["sparse"] = {
        "count": 2,
        "indices": {"bufferView": glb.add_bytes(b"\1\0\4\0"), "componentType": 5123},
        "values": {"bufferView": glb.add_bytes(np.array([[9, 0, 0], [0, 9, 0]], "<f4").tobytes())},
    }
    return glb.to_bytes()


@pytest.mark.parametrize("base", [True, False])
def test_sparse_accessors_replace_single_values(base: bool) -> None:
    expected = SQUARE.copy() if base else np.zeros_like(SQUARE)
    expected[[1, 4]] = [[9, 0, 0], [0, 9, 0]]
    vertices = read_model(sparse_square(base)).mesh.vertices
    assert vertices.tolist() == expected[[0, 1, 2, 4]].tolist()


def test_interleaved_and_normalised_attributes_are_decoded() -> None:
    glb = array_glb(SQUARE[:3], np.array([0, 1, 2]))
    rows = np.zeros(3, [("position", "<f4", 3), ("uv", "<u2", 2)])
    rows["position"], rows["uv"] = SQUARE[:3], [[0, 65535], [65535, 0], [13107, 0]]
    view = glb.add_bytes(rows.tobytes(), stride=16)
    accessors = glb.document["accessors"]
    accessors[0]["bufferView"] = view
    uv = {"bufferView": view, "byteOffset": 12, "componentType": 5123, "normalized": True}
    accessors.append({**uv, "count": 3, "type": "VEC2"})
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["TEXCOORD_0"] = len(accessors) - 1
    model = read_model(glb.to_bytes())
    assert model.uvs is not None
    assert model.mesh.vertices.tolist() == SQUARE[:3].tolist()
    assert model.uvs == pytest.approx(np.array([[0, 1], [1, 0], [0.2, 0]]), abs=1e-6)


def test_cages_of_an_avatar_are_no_part_of_the_body() -> None:
    def as_cage(document: dict[str, Any]) -> None:
        document["nodes"][0]["name"] = "Head_OuterCage"

    model = read_model(edited(arranged_glb(BODY), as_cage))
    assert len(model.primitives) == 2
    assert any("cages" in message for message in model.warnings)


@pytest.mark.parametrize("kind", FILES)
def test_a_stored_model_comes_back_whole(kind: str) -> None:
    model = read_model(FILES[kind](BODY))
    stored = model.to_bytes()
    again = SourceModel.from_bytes(stored)
    assert again.to_bytes() == stored
    assert np.array_equal(again.mesh.vertices, model.mesh.vertices)
    assert np.array_equal(again.mesh.faces, model.mesh.faces)
    assert (again.primitives, again.materials) == (model.primitives, model.materials)


def test_bytes_that_are_no_stored_model_break_the_contract() -> None:
    stored = read_model(plain_glb(BODY)).to_bytes()
    for data in (b"", b"{}", stored[:-1], stored[: len(stored) // 2]):
        with pytest.raises(ContractViolation):
            SourceModel.from_bytes(data)


EXACT = Limits(
    max_triangles=len(BODY.faces),
    max_vertices=len(BODY.vertices),
    max_nodes=3,
    max_primitives=3,
    max_depth=4,
    max_images=1,
    max_image_bytes=len(png_image(2)),
    max_image_pixels=64,
)
TIGHTER = {
    "max_triangles": (plain_glb, Limits(max_triangles=len(BODY.faces) - 1)),
    "max_vertices": (plain_glb, Limits(max_vertices=len(BODY.vertices) - 1)),
    "max_nodes": (arranged_glb, Limits(max_nodes=2)),
    "max_primitives": (split_glb, Limits(max_primitives=2)),
    "max_depth": (arranged_glb, Limits(max_depth=2)),
    "max_json_bytes": (split_glb, Limits(max_json_bytes=1000)),
    "max_images": (split_glb, Limits(max_images=0)),
    "max_image_bytes": (split_glb, Limits(max_image_bytes=len(png_image(2)) - 1)),
    "max_image_pixels": (split_glb, Limits(max_image_pixels=63)),
    "max_bytes": (plain_glb, Limits(max_bytes=len(plain_glb(BODY)) - 1)),
}


@pytest.mark.parametrize("write", [arranged_glb, split_glb])
def test_a_model_exactly_at_the_limits_is_read(write: Callable[[SyntheticBody], bytes]) -> None:
    assert len(read_model(write(BODY), limits=EXACT).mesh.faces) == len(BODY.faces)


@pytest.mark.parametrize("limit", TIGHTER)
def test_a_model_past_a_limit_is_refused_with_a_remedy(limit: str) -> None:
    write, limits = TIGHTER[limit]
    with pytest.raises(InvalidInput) as refused:
        read_model(write(BODY), limits=limits)
    assert refused.value.message
    assert refused.value.remedy


def test_a_count_is_refused_before_it_is_allocated() -> None:
    glb = array_glb(SQUARE, np.array([0, 1, 2]))
    del glb.document["accessors"][0]["bufferView"]
    glb.document["accessors"][0]["count"] = 2**40
    with pytest.raises(InvalidInput, match="more than are read"):
        read_model(glb.to_bytes())


def cycle(document: dict[str, Any]) -> None:
    document["nodes"] = [{"children": [1]}, {"children": [0]}]


def two_parents(document: dict[str, Any]) -> None:
    document["nodes"] = [{"children": [2]}, {"children": [2]}, {"mesh": 0}]


def beyond_the_end(document: dict[str, Any]) -> None:
    document["accessors"][0]["byteOffset"] = 8


def wrong_vertex(document: dict[str, Any]) -> None:
    document["accessors"][0]["count"] = 2


def no_scene(document: dict[str, Any]) -> None:
    document["scenes"] = [{"nodes": []}]


def one_point(document: dict[str, Any]) -> None:
    document["nodes"][0]["scale"] = [0, 0, 0]


def far_away(document: dict[str, Any]) -> None:
    document["nodes"][0]["scale"] = [1e200, 1e200, 1e200]


REFUSALS = [
    (cycle, "cycle"),
    (two_parents, "two parents"),
    (beyond_the_end, "buffer view"),
    (wrong_vertex, "names vertex"),
    (no_scene, "no triangles"),
    (one_point, "one point"),
    (far_away, "coordinates as large"),
]


@pytest.mark.parametrize(("edit", "message"), REFUSALS, ids=[e.__name__ for e, _ in REFUSALS])
def test_damage_is_refused_by_its_name(
    edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_model(edited(plain_glb(BODY), edit))


def test_positions_that_are_no_numbers_are_refused() -> None:
    broken = np.concatenate([SQUARE[:4], [[np.nan, 0, 0]]])
    glb = array_glb(SQUARE, np.array([0, 1, 4]))
    view = glb.add_bytes(broken.astype("<f4").tobytes())
    glb.document["accessors"][0]["bufferView"] = view
    with pytest.raises(InvalidInput, match="not finite"):
        read_model(glb.to_bytes())


def test_normals_that_are_no_numbers_come_from_the_triangles() -> None:
    glb: GlbBuilder = array_glb(SQUARE[:3], np.array([0, 1, 2]))
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["NORMAL"] = glb.add_array(np.full((3, 3), np.nan, np.float32))
    model = read_model(glb.to_bytes())
    assert model.normals is not None
    assert model.normals.tolist() == [[0, 0, 1]] * 3
    assert any("normals" in message for message in model.warnings)


def test_a_truncated_file_is_refused_at_every_length() -> None:
    data = square(indices=np.array([0, 1, 2]))
    for length in range(len(data)):
        with pytest.raises(InvalidInput):
            read_model(data[:length])


def test_the_same_bytes_give_the_same_model() -> None:
    data = split_glb(BODY)
    assert read_model(data).to_bytes() == read_model(data).to_bytes()
    assert unpacked(data)[0]["asset"]["version"] == "2.0"
