"""The written avatar: read again, it holds the input's body and looks on the promised skeleton."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from rigline.avatar.attachments import SITES, AttachmentPoint, place_attachments
from rigline.avatar.body import PARENT, PART_NAMES, Part
from rigline.avatar.cage import OuterCage, fit_cage
from rigline.avatar.cage_template import CAGE_NAMES, template
from rigline.avatar.skinning import SkinWeights, skin
from rigline.errors import InvalidInput
from rigline.formats import read_model
from rigline.formats.avatar_glb import BODY, FinishedAvatar, write_avatar
from rigline.formats.avatar_rig import BONES
from rigline.formats.rigged_glb import RiggedMesh, RiggedModel, read_rigged
from tests.support.bodies import SyntheticBody, box_body
from tests.support.glb_files import (
    coloured_glb,
    edited,
    gltf_problems,
    gltf_text,
    obj_text,
    plain_glb,
    png_image,
    skinned_glb,
    split_glb,
    textured_glb,
    unpacked,
)

SYNTHETIC = box_body(2)
INPUTS: dict[str, Callable[[SyntheticBody], bytes]] = {
    "plain": plain_glb,
    "textured": textured_glb,
    "coloured": coloured_glb,
    "split": split_glb,
    "gltf": lambda body: gltf_text(textured_glb(body)),
    "obj": obj_text,
}


@dataclass(frozen=True)
class Parts:
    """What the stages before the file make of the body; the same for every input."""

    weights: SkinWeights
    cage: OuterCage
    attachments: tuple[AttachmentPoint, ...]


@pytest.fixture(scope="module")
def parts() -> Parts:
    body = SYNTHETIC
    return Parts(
        skin(body.vertices, body.faces, body.part, body.joints),
        fit_cage(body.vertices, body.faces, body.part, body.joints),
        place_attachments(body.vertices, body.faces, body.part, body.joints),
    )


def avatar_of(data: bytes, parts: Parts) -> FinishedAvatar:
    source = read_model(data)
    return FinishedAvatar(
        source,
        source.mesh.vertices,
        np.eye(3),
        SYNTHETIC.joints,
        parts.weights,
        parts.cage.vertices,
        parts.attachments,
    )


@pytest.fixture(params=INPUTS)
def avatar(request: pytest.FixtureRequest, parts: Parts) -> FinishedAvatar:
    return avatar_of(INPUTS[request.param](SYNTHETIC), parts)


def body_meshes(model: RiggedModel) -> list[RiggedMesh]:
    return [mesh for mesh in model.meshes if model.nodes[mesh.node].name == BODY]


def index_of(model: RiggedModel, name: str) -> int:
    (index,) = [k for k, node in enumerate(model.nodes) if node.name == name]
    return index


def test_the_khronos_validator_finds_no_error(avatar: FinishedAvatar) -> None:
    assert gltf_problems(write_avatar(avatar)) == []


def test_the_body_keeps_its_vertices_and_triangles(avatar: FinishedAvatar) -> None:
    meshes = body_meshes(read_rigged(write_avatar(avatar)))
    source = avatar.source
    for mesh, primitive in zip(meshes, source.primitives, strict=True):
        rows = slice(primitive.vertex_start, primitive.vertex_stop)
        faces = source.mesh.faces[primitive.face_start : primitive.face_stop]
        assert np.abs(mesh.vertices - avatar.vertices[rows]).max() < 1e-6
        assert np.array_equal(mesh.faces + primitive.vertex_start, faces)
        assert mesh.material == primitive.material
        if source.uvs is None:
            assert mesh.uvs is None
        else:
            assert np.array_equal(mesh.uvs, source.uvs[rows])


def test_weights_sum_to_one_and_name_the_parts(avatar: FinishedAvatar) -> None:
    model = read_rigged(write_avatar(avatar))
    meshes = body_meshes(model)
    weights = np.concatenate([mesh.weights for mesh in meshes])
    influences = np.concatenate([mesh.influence_nodes for mesh in meshes])
    assert weights.sum(axis=1) == pytest.approx(np.ones(len(weights)), abs=1e-6)
    assert np.array_equal(weights, avatar.weights.weights)
    names = np.array([node.name for node in model.nodes])[influences]
    given = np.array(PART_NAMES)[avatar.weights.joints]
    assert (names == given)[weights > 0].all()


def test_joints_stand_where_they_were_put(parts: Parts) -> None:
    model = read_rigged(write_avatar(avatar_of(plain_glb(SYNTHETIC), parts)))
    assert tuple(model.nodes[joint].name for joint in model.joints) == BONES
    for part, name in enumerate(PART_NAMES):
        world = model.nodes[index_of(model, name)].world_from_node
        assert np.abs(world[:3, 3] - SYNTHETIC.joints[part]).max() < 1e-6
        assert np.array_equal(world[:3, :3], np.eye(3))


def test_the_hierarchy_runs_from_root_over_the_hips_to_the_parts(parts: Parts) -> None:
    model = read_rigged(write_avatar(avatar_of(plain_glb(SYNTHETIC), parts)))
    lower_torso = index_of(model, "LowerTorso")
    line = [model.nodes[k].name for k in model.ancestors(lower_torso)]
    assert line == ["LowerTorso", "HumanoidRootNode", "Root"]
    assert np.array_equal(model.nodes[index_of(model, "Root")].world_from_node, np.eye(4))
    hips = model.nodes[index_of(model, "HumanoidRootNode")].world_from_node
    assert np.array_equal(model.nodes[lower_torso].world_from_node, hips)
    for part, name in enumerate(PART_NAMES):
        if part != Part.LOWER_TORSO:
            above = model.nodes[index_of(model, name)].parent
            assert model.nodes[above].name == PART_NAMES[PARENT[part]]


def test_lower_torso_has_no_translation_of_its_own(parts: Parts) -> None:
    document, _ = unpacked(write_avatar(avatar_of(plain_glb(SYNTHETIC), parts)))
    (node,) = [node for node in document["nodes"] if node.get("name") == "LowerTorso"]
    assert node.get("translation", [0, 0, 0]) == [0, 0, 0]


def test_fifteen_cages_lie_where_they_were_fitted(parts: Parts) -> None:
    model = read_rigged(write_avatar(avatar_of(textured_glb(SYNTHETIC), parts)))
    cages = {mesh.mesh_name: mesh for mesh in model.meshes if "Cage" in mesh.mesh_name}
    assert tuple(cages) == CAGE_NAMES
    topology = template()
    for part, cage in enumerate(cages.values()):
        own = topology.vertex_slices[part]
        faces = topology.faces[topology.face_slices[part]] - own.start
        assert np.abs(cage.vertices - parts.cage.vertices[own]).max() < 1e-6
        assert np.array_equal(cage.faces, faces)
        assert cage.uvs is not None
        assert np.abs(cage.uvs - topology.uvs[own]).max() < 1e-6


def test_cages_are_invisible_and_the_body_is_not(parts: Parts) -> None:
    model = read_rigged(write_avatar(avatar_of(textured_glb(SYNTHETIC), parts)))
    cages = [mesh for mesh in model.meshes if "Cage" in mesh.mesh_name]
    assert all(m.material is not None and not model.opaque_materials[m.material] for m in cages)
    assert [model.opaque_materials[m.material] for m in body_meshes(model) if m.material == 0]


def test_nineteen_attachments_hang_on_their_parts(parts: Parts) -> None:
    model = read_rigged(write_avatar(avatar_of(plain_glb(SYNTHETIC), parts)))
    assert sum(node.name.endswith("_Att") for node in model.nodes) == len(SITES) == 19
    for point in parts.attachments:
        node = model.nodes[index_of(model, point.name)]
        assert model.nodes[node.parent].name == PART_NAMES[point.part]
        assert np.abs(node.world_from_node[:3, 3] - point.position).max() < 1e-6
        assert np.abs(node.rotation - point.rotation).max() < 1e-6


@pytest.mark.parametrize("kind", ["textured", "split"])
def test_images_materials_and_samplers_are_those_of_the_input(kind: str, parts: Parts) -> None:
    source = avatar_of(INPUTS[kind](SYNTHETIC), parts)
    document, binary = unpacked(write_avatar(source))
    (image,) = document["images"]
    view = document["bufferViews"][image["bufferView"]]
    data = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    assert data == png_image(1 if kind == "textured" else 2)
    library = source.source.materials
    assert tuple(document["materials"][:-1]) == library.materials
    assert tuple(document["textures"]) == library.textures
    assert tuple(document["samplers"]) == library.samplers
    assert tuple(document.get("extensionsUsed", ())) == library.extensions_used


@pytest.mark.parametrize("kind", INPUTS)
def test_the_readers_take_the_written_body_for_the_input(kind: str, parts: Parts) -> None:
    avatar = avatar_of(INPUTS[kind](SYNTHETIC), parts)
    again = read_model(write_avatar(avatar))
    before = avatar.source
    assert np.abs(again.mesh.vertices - before.mesh.vertices).max() < 1e-6
    assert np.array_equal(again.mesh.faces, before.mesh.faces)
    assert again.materials == before.materials
    for name in ("normals", "uvs", "colors"):
        given, found = getattr(before, name), getattr(again, name)
        assert (given is None) == (found is None)
        assert given is None or np.abs(found - given).max() < 1e-6


def test_normals_turn_with_the_body(parts: Parts) -> None:
    avatar = avatar_of(textured_glb(SYNTHETIC), parts)
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    turned = replace(avatar, vertices=avatar.vertices @ turn.T, rotation=turn * 3)
    normals = read_model(write_avatar(turned)).normals
    assert normals is not None
    assert avatar.source.normals is not None
    assert np.abs(normals - avatar.source.normals @ turn.T).max() < 1e-5


def test_the_same_avatar_gives_the_same_bytes(avatar: FinishedAvatar) -> None:
    assert write_avatar(avatar) == write_avatar(avatar)


def attributes_of(document: dict[str, Any]) -> dict[str, int]:
    return document["meshes"][0]["primitives"][0]["attributes"]


def short_second_set(document: dict[str, Any]) -> None:
    attributes = attributes_of(document)
    first = document["accessors"][attributes["JOINTS_0"]]
    document["accessors"].append({**first, "count": first["count"] - 1})
    attributes["JOINTS_1"] = len(document["accessors"]) - 1
    attributes["WEIGHTS_1"] = attributes["WEIGHTS_0"]


def too_few_joints(document: dict[str, Any]) -> None:
    document["skins"][0]["joints"] = document["skins"][0]["joints"][:3]


def short_texture_coordinates(document: dict[str, Any]) -> None:
    document["accessors"].append({"componentType": 5126, "type": "VEC2", "count": 3})
    attributes_of(document)["TEXCOORD_0"] = len(document["accessors"]) - 1


@pytest.mark.parametrize("edit", [short_second_set, too_few_joints, short_texture_coordinates])
def test_a_rigged_file_whose_arrays_do_not_fit_is_refused(
    edit: Callable[[dict[str, Any]], None],
) -> None:
    assert read_rigged(skinned_glb(SYNTHETIC)).joints
    with pytest.raises(InvalidInput, match="fit"):
        read_rigged(edited(skinned_glb(SYNTHETIC), edit))


@pytest.mark.parametrize("component", [5120, 5122])
def test_influences_before_the_first_joint_are_refused(component: int) -> None:
    def signed(document: dict[str, Any]) -> None:
        position = document["accessors"][attributes_of(document)["POSITION"]]
        accessor = document["accessors"][attributes_of(document)["JOINTS_0"]]
        accessor |= {"componentType": component, "bufferView": position["bufferView"]}

    with pytest.raises(InvalidInput, match="fit"):
        read_rigged(edited(skinned_glb(SYNTHETIC), signed))
