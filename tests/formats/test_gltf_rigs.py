"""What glTF brings besides triangles: bones, weights, VRM's humanoid, morphs, UV sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rigline.avatar.body import PARENT, PART_NAMES
from rigline.formats import SourceModel, read_model
from rigline.formats.glb_builder import GlbBuilder
from rigline.formats.source_rig import strongest
from tests.support.bodies import box_body
from tests.support.glb_files import edited, gltf_text, plain_glb, png_image, skinned_glb

BODY = box_body(2)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)


def vrm(version: int) -> bytes:
    """The skinned body with a humanoid that names its bones' roles, and bones without names."""
    roles = {f"bone{k}": PART_NAMES[k][0].lower() + PART_NAMES[k][1:] for k in range(15)}
    roles |= {"bone1": "spine", "bone2": "hips", "bone0": "neck"}

    def change(document: dict[str, Any]) -> None:
        bones = {}
        for index, node in enumerate(document["nodes"]):
            if node.get("name") in PART_NAMES:
                node["name"] = f"bone{PART_NAMES.index(node['name'])}"
                bones[roles[node["name"]]] = {"node": index}
        if version == 1:
            extension = {"VRMC_vrm": {"specVersion": "1.0", "humanoid": {"humanBones": bones}}}
        else:
            listed = [{"bone": role, **bone} for role, bone in bones.items()]
            extension = {"VRM": {"humanoid": {"humanBones": [*listed, {"bone": 3}, "x"]}}}
        document["extensions"] = extension
        document["extensionsUsed"] = list(extension)

    return edited(skinned_glb(BODY), change)


@pytest.mark.parametrize("bent", [0.0, 0.4])
@pytest.mark.parametrize("as_text", [False, True])
def test_bones_and_weights_come_with_the_mesh(bent: float, as_text: bool) -> None:
    """Also where the nodes are posed away from the bind pose in which the mesh is taken."""
    data = skinned_glb(BODY, bent=bent)
    rig = read_model(gltf_text(data) if as_text else data).rig
    assert rig is not None
    assert rig.names == PART_NAMES
    assert rig.parents == PARENT
    limbs = [k for k in range(15) if PARENT[k] >= 0]
    np.testing.assert_allclose(rig.positions[limbs], BODY.joints[limbs], atol=1e-5)
    np.testing.assert_array_equal(rig.joints[:, 0], BODY.part)
    np.testing.assert_array_equal(rig.weights, np.tile([1, 0, 0, 0], (len(BODY.part), 1)))


def test_a_model_with_a_rig_is_stored_whole() -> None:
    model = read_model(vrm(0))
    again = SourceModel.from_bytes(model.to_bytes())
    assert again.to_bytes() == model.to_bytes()
    assert again.rig is not None
    assert model.rig is not None
    assert (again.rig.names, again.rig.roles) == (model.rig.names, model.rig.roles)
    assert again.declared_front == "-Z"


def test_a_plain_model_has_no_rig() -> None:
    assert read_model(plain_glb(BODY)).rig is None


@pytest.mark.parametrize(("version", "front"), [(0, "-Z"), (1, "Z")])
def test_vrm_says_its_front_and_its_bones_roles(version: int, front: str) -> None:
    model = read_model(vrm(version))
    assert (model.format, model.declared_up, model.declared_front) == ("vrm", "Y", front)
    assert model.rig is not None
    assert model.rig.roles[model.rig.names.index("bone2")] == "hips"
    assert model.rig.roles[model.rig.names.index("bone3")] == "leftUpperArm"


@pytest.mark.parametrize("value", [None, 3, {"humanoid": []}, {"humanoid": {"humanBones": 7}}])
def test_a_broken_humanoid_is_passed_over(value: object) -> None:
    def change(document: dict[str, Any]) -> None:
        document["extensions"] = {"VRM": value, "VRMC_vrm": value}

    assert read_model(edited(skinned_glb(BODY), change)).mesh is not None


@pytest.mark.parametrize("what", ["count", "type", "slot"])
def test_broken_weights_leave_the_mesh(what: str) -> None:
    def change(document: dict[str, Any]) -> None:
        attributes = document["meshes"][0]["primitives"][0]["attributes"]
        accessor = document["accessors"][attributes["JOINTS_0"]]
        if what == "count":
            accessor["count"] -= 1
        elif what == "type":
            accessor["type"] = "SCALAR"
        else:
            document["skins"][0]["joints"] = document["skins"][0]["joints"][:4]

    model = read_model(edited(skinned_glb(BODY), change))
    np.testing.assert_allclose(model.mesh.vertices, BODY.vertices, atol=1e-5)
    assert any("weights are broken" in warning for warning in model.warnings)


def test_a_mesh_that_hangs_on_a_bone_follows_it() -> None:
    """As hats and weapons of game characters do."""

    def change(document: dict[str, Any]) -> None:
        mesh = document["meshes"][0]
        bare = {k: v for k, v in mesh["primitives"][0].items() if k != "attributes"}
        position = {"POSITION": mesh["primitives"][0]["attributes"]["POSITION"]}
        document["meshes"].append({"primitives": [{**bare, "attributes": position}]})
        document["nodes"].append({"name": "Hat", "mesh": 1})
        head = next(n for n in document["nodes"] if n.get("name") == "Head")
        head.setdefault("children", []).append(len(document["nodes"]) - 1)

    model = read_model(edited(skinned_glb(BODY), change))
    assert model.rig is not None
    start = next(p for p in model.primitives if p.name == "Hat").vertex_start
    hat = slice(start, start + len(BODY.part))
    assert {model.rig.names[k] for k in model.rig.joints[hat, 0]} == {"Head"}
    assert (model.rig.weights[hat, 0] == 1).all()


def test_the_strongest_four_influences_are_kept_and_doubles_are_summed() -> None:
    bones = np.array([[5, 3, 5, 2, 1, 0], [0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]])
    weights = np.array([[0.2, 0.3, 0.2, 0.1, 0.05, 0.15], [0, 0, 0, 0, 0, 0],
                        [-1, np.nan, np.inf, 0.5, 0.25, 0.25]], np.float32)  # fmt: skip
    joints, shares = strongest(bones, weights)
    assert joints[0].tolist() == [5, 3, 0, 2]
    np.testing.assert_allclose(shares[0], np.array([0.4, 0.3, 0.15, 0.1]) / 0.95, atol=1e-6)
    assert shares[1].tolist() == [0, 0, 0, 0]
    assert joints[2].tolist() == [4, 5, 6, 0]
    np.testing.assert_allclose(shares.sum(axis=1), [1, 0, 1], atol=1e-6)


def square(extra: dict[str, Any], mesh: dict[str, Any] | None = None) -> GlbBuilder:
    glb = GlbBuilder("tests")
    primitive = {
        "attributes": {"POSITION": glb.add_array(SQUARE, with_range=True)},
        "indices": glb.add_array(np.array([0, 1, 2, 2, 1, 3], np.uint16)),
        **extra,
    }
    glb.add("meshes", {"primitives": [primitive], **(mesh or {})})
    glb.add("nodes", {"mesh": 0})
    glb.document["scenes"] = [{"nodes": [0]}]
    glb.document["scene"] = 0
    return glb


@pytest.mark.parametrize("on_node", [False, True])
def test_morph_targets_are_taken_in_the_mix_that_the_file_shows(on_node: bool) -> None:
    glb = square({}, {"weights": [9.0, 9.0, 9.0] if on_node else [0.0, 0.5, 1.0]})
    delta = np.full((4, 3), 0.5, np.float32)
    targets = [{"POSITION": glb.add_array(delta * k, with_range=True)} for k in (1, 2, 3)]
    glb.document["meshes"][0]["primitives"][0]["targets"] = targets
    if on_node:
        glb.document["nodes"][0]["weights"] = [0.0, 0.5, 1.0]
    model = read_model(glb.to_bytes())
    np.testing.assert_allclose(model.mesh.vertices, SQUARE + 2.0, atol=1e-6)
    assert "Morph targets" in model.warnings[0]


def two_sets(**transform: Any) -> SourceModel:
    """A base colour laid out by the second set, a normal map by the first."""
    glb = square({"material": 0})
    uvs = [np.full((4, 2), value, np.float32) for value in (0.25, 0.75)]
    attributes = glb.document["meshes"][0]["primitives"][0]["attributes"]
    attributes |= {f"TEXCOORD_{k}": glb.add_array(values) for k, values in enumerate(uvs)}
    image = {"bufferView": glb.add_bytes(png_image(1)), "mimeType": "image/png"}
    glb.add("textures", {"source": glb.add("images", image)})
    use: dict[str, Any] = {"index": 0, "texCoord": 0 if transform else 1}
    if transform:
        use["extensions"] = {"KHR_texture_transform": transform}
    material = {"pbrMetallicRoughness": {"baseColorTexture": use}, "normalTexture": {"index": 0}}
    glb.add("materials", material)
    return read_model(glb.to_bytes())


@pytest.mark.parametrize("by_transform", [False, True])
def test_the_set_of_the_base_colour_is_kept(by_transform: bool) -> None:
    model = two_sets(texCoord=1, scale=[2, 2]) if by_transform else two_sets()
    assert model.uvs is not None
    np.testing.assert_array_equal(model.uvs, np.full((4, 2), 0.75))
    (material,) = model.materials.materials
    kept = material["pbrMetallicRoughness"]["baseColorTexture"]
    assert "texCoord" not in kept
    if by_transform:
        assert kept["extensions"]["KHR_texture_transform"] == {"scale": [2, 2]}
    assert "normalTexture" not in material
    assert any("than the base colour" in warning for warning in model.warnings)
