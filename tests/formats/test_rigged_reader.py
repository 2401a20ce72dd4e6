"""Rigged models of every format: what comes with them, kept on the way through another process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rigline.avatar.body import PARENT, PART_NAMES
from rigline.errors import ContractViolation, InvalidInput
from rigline.formats.isolation import read_rigged_isolated
from rigline.formats.limits import Limits
from rigline.formats.rigged_model import RiggedMesh, RiggedModel, RiggedNode
from rigline.formats.rigged_reader import read_rigged_file
from tests.support.avatar_files import avatar_glb
from tests.support.bodies import box_body
from tests.support.fbx_files import BLENDER, MAYA, MIXAMO, Layout, fbx_file
from tests.support.flawed_avatars import good_avatar
from tests.support.glb_files import png_image, skinned_glb
from tests.support.scan_files import ply_file, stl_file

BODY = box_body(1)


@pytest.mark.parametrize("write", [lambda: skinned_glb(BODY), lambda: avatar_glb(good_avatar())])
def test_another_process_reads_the_same(write) -> None:  # type: ignore[no-untyped-def]
    data = write()
    here, there = read_rigged_file(data), read_rigged_isolated(data, "a.glb")
    assert there.to_bytes() == here.to_bytes()
    assert [n.name for n in there.nodes] == [n.name for n in here.nodes]
    assert RiggedModel.from_bytes(here.to_bytes()).joints == here.joints


@pytest.mark.parametrize("layout", [MAYA, BLENDER, MIXAMO], ids=["maya", "blender", "mixamo"])
def test_fbx_comes_with_bones_weights_and_the_files_own_unit(layout: Layout) -> None:
    model = read_rigged_file(fbx_file(BODY, layout, texture=png_image(1)), "body.fbx")
    units_per_m = 100 / layout.unit_cm
    (mesh,) = model.meshes
    assert np.ptp(mesh.vertices[:, 1]) == pytest.approx(
        np.ptp(BODY.vertices[:, 1]) * units_per_m, rel=1e-5
    )
    place = {n.name.removeprefix(layout.prefix): n for n in model.nodes}
    for part, name in enumerate(PART_NAMES):
        joint = place[name].world_from_node[:3, 3]
        np.testing.assert_allclose(joint, BODY.joints[part] * units_per_m, atol=2e-4 * units_per_m)
        if PARENT[part] >= 0:
            assert model.nodes[place[name].parent] is place[PART_NAMES[PARENT[part]]]
    named = [model.nodes[k].name for k in mesh.influence_nodes[np.arange(4), 0]]
    assert all(name.removeprefix(layout.prefix) in PART_NAMES for name in named)
    assert model.opaque_materials == (True,)
    assert {use.role for use in model.textures} == {"base_color"}
    assert model.format == "fbx"


def test_formats_without_bones_are_meshes_with_names() -> None:
    for data, kind in ((ply_file(BODY), "ply"), (stl_file(BODY), "stl")):
        model = read_rigged_file(data)
        assert (model.format, model.joints) == (kind, ())
        assert sum(len(mesh.faces) for mesh in model.meshes) == len(BODY.faces)


def test_limits_hold_for_triangles_that_are_drawn() -> None:
    with pytest.raises(InvalidInput, match="more than 100 triangles"):
        read_rigged_isolated(skinned_glb(BODY), "a.glb", Limits(max_triangles=100))
    with pytest.raises(InvalidInput, match="more than 100 triangles"):
        read_rigged_isolated(fbx_file(BODY), "a.fbx", Limits(max_triangles=100))


def test_what_does_not_belong_together_is_refused() -> None:
    node = RiggedNode("a", -1, np.eye(4), np.array([0.0, 0, 0, 1]), np.ones(3))
    mesh = RiggedMesh(
        0, "m", np.zeros((3, 3)), np.array([[0, 1, 2]]), np.zeros((3, 1), int), np.ones((3, 1)),
        None, None, 3,
    )  # fmt: skip
    sound = RiggedModel((node,), (0,), (mesh,), (), ())
    assert len(RiggedModel.from_bytes(sound.to_bytes()).meshes) == 1
    loop = (replace(node, parent=1), replace(node, parent=0))
    wrong = [
        {"nodes": loop},
        {"nodes": (replace(node, parent=3),)},
        {"joints": (1,)},
        {"meshes": (replace(mesh, faces=np.array([[0, 1, 3]])),)},
        {"meshes": (replace(mesh, influence_nodes=np.ones((3, 1), int)),)},
        {"meshes": (replace(mesh, uvs=np.zeros((2, 2))),)},
    ]
    for change in wrong:
        with pytest.raises(ContractViolation):
            replace(sound, **change)
    with pytest.raises(ContractViolation):
        RiggedModel.from_bytes(b"nonsense")
