"""FBX as Maya, Blender and Mixamo write it: upright, in metres, with looks and rig."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rigline.avatar.body import PARENT, PART_NAMES
from rigline.avatar.rig_names import map_rig
from rigline.errors import InvalidInput
from rigline.formats import Limits, read_model, throwaway
from tests.support.bodies import box_body
from tests.support.fbx_files import (
    BLENDER,
    BLENDER_SCALED,
    MAYA,
    MIXAMO,
    Layout,
    fbx_file,
    uvs_of_corners,
)
from tests.support.glb_files import png_image
from tests.support.scan_files import quads_of

pytest.importorskip("ufbx", reason="the extra fbx is not installed")

BODY = box_body(2)
LAYOUTS = {
    "maya": MAYA,
    "blender": BLENDER,
    "blender scaled": BLENDER_SCALED,
    "mixamo": MIXAMO,
    "inches": Layout(unit_cm=2.54),
}


@pytest.mark.parametrize("tool", LAYOUTS)
@pytest.mark.parametrize("skinned", [False, True])
def test_the_body_comes_upright_and_in_metres(tool: str, skinned: bool) -> None:
    model = read_model(fbx_file(BODY, LAYOUTS[tool], skinned))
    assert (model.format, model.declared_up, model.declared_front) == ("fbx", "Y", "Z")
    found = model.mesh.vertices[model.mesh.faces]
    np.testing.assert_allclose(found, BODY.vertices[BODY.faces], atol=1e-5)


@pytest.mark.parametrize("tool", LAYOUTS)
def test_bones_and_weights_come_with_it(tool: str) -> None:
    layout = LAYOUTS[tool]
    rig = read_model(fbx_file(BODY, layout)).rig
    assert rig is not None
    assert rig.names == tuple(layout.prefix + name for name in PART_NAMES)
    assert rig.parents == PARENT
    np.testing.assert_allclose(rig.positions, BODY.joints, atol=1e-5)
    mapped = map_rig(rig.names, rig.parents, rig.positions)
    np.testing.assert_allclose(mapped.joints, BODY.joints, atol=1e-5)
    model = read_model(fbx_file(BODY, layout))
    for part in range(15):
        own = model.mesh.vertices[rig.joints[:, 0] == part]
        np.testing.assert_allclose(own.min(axis=0), BODY.vertices[BODY.part == part].min(axis=0),
                                   atol=1e-5)  # fmt: skip
    assert (rig.weights[:, 0] == 1).all()


def test_polygons_are_split_and_corners_merged() -> None:
    polygons = quads_of(BODY.faces)
    model = read_model(fbx_file(BODY, polygons=polygons))
    fans = np.array([[p[0], p[k], p[k + 1]] for p in polygons for k in range(1, len(p) - 1)])
    np.testing.assert_allclose(
        model.mesh.vertices[model.mesh.faces], BODY.vertices[fans], atol=1e-5
    )
    assert len(model.mesh.vertices) <= len(BODY.vertices)


def test_uvs_colours_material_and_texture_are_kept() -> None:
    picture = png_image(1)
    model = read_model(fbx_file(BODY, texture=picture))
    assert model.uvs is not None
    assert model.colors is not None
    lower_left = np.stack([model.uvs[:, 0], 1 - model.uvs[:, 1]], axis=1)
    np.testing.assert_allclose(
        lower_left[model.mesh.faces], uvs_of_corners(BODY)[BODY.faces], atol=1e-6
    )
    np.testing.assert_allclose(model.colors, np.tile([0.25, 0.5, 0.75, 1], (len(model.colors), 1)))
    (material,) = model.materials.materials
    assert material["name"] == "Skin"
    assert material["pbrMetallicRoughness"]["baseColorTexture"] == {"index": 0}
    assert model.materials.images[0].data == picture


def test_a_plain_colour_is_kept() -> None:
    (material,) = read_model(fbx_file(BODY)).materials.materials
    factor = material["pbrMetallicRoughness"]["baseColorFactor"]
    np.testing.assert_allclose(factor, [0.8, 0.4, 0.2, 1.0], atol=1e-6)


def test_a_texture_beside_the_file_is_never_opened() -> None:
    data = fbx_file(BODY, texture=b"")
    model = read_model(data)
    assert any("never opened" in warning for warning in model.warnings)
    assert not model.materials.images


@pytest.mark.parametrize("limit", ["max_triangles", "max_vertices", "max_nodes"])
def test_a_model_past_a_limit_is_refused(limit: str) -> None:
    with pytest.raises(InvalidInput, match=r"more than|at most"):
        read_model(fbx_file(BODY), limits=Limits(**{limit: 10}))


@pytest.mark.parametrize("data", [b"Kaydara FBX Binary  \0\x1a\0" + bytes(100), b"; FBX 7.4.0\n",
                                  fbx_file(BODY)[:5000]])  # fmt: skip
def test_a_broken_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_model(data)


def test_without_the_library_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ufbx", None)
    monkeypatch.setattr(throwaway, "_is_throwaway", True)
    with pytest.raises(InvalidInput, match=r"rigline\[fbx\]"):
        read_model(fbx_file(BODY))


def test_a_mesh_that_two_nodes_show_is_there_twice() -> None:
    """The library frees a mesh's arrays when they are asked for once more."""
    data = fbx_file(BODY, skinned=False).decode("ascii")
    head, at, rest = data.partition("Objects:  {\n")
    again = '    Model: 20, "Model::Again", "Mesh" {\n        Version: 232\n    }\n'
    data = head + at + again + rest.replace(
        "Connections:  {\n", 'Connections:  {\n    C: "OO",20,0\n    C: "OO",1,20\n'
    )  # fmt: skip
    once, twice = read_model(fbx_file(BODY, skinned=False)), read_model(data.encode("ascii"))
    assert [piece.name for piece in twice.primitives] in (["Body", "Again"], ["Again", "Body"])
    assert len(twice.mesh.faces) == 2 * len(once.mesh.faces)
    half = len(once.mesh.faces)
    corners = twice.mesh.vertices[twice.mesh.faces]
    np.testing.assert_array_equal(corners[:half], corners[half:])
    assert twice.uvs is not None
    uvs = twice.uvs[twice.mesh.faces]
    np.testing.assert_array_equal(uvs[:half], uvs[half:])


def test_many_files_are_read_one_after_the_other() -> None:
    """The library frees what is in use; no process must live to see it."""
    data = fbx_file(BODY, MIXAMO, texture=png_image(1))
    first = read_model(data).to_bytes()
    assert all(read_model(data).to_bytes() == first for _ in range(20))
