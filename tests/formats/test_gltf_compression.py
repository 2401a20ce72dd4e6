"""Draco and meshopt: the body comes back, and damage is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rigline.errors import InvalidInput
from rigline.formats import read_model
from rigline.formats.glb_builder import GlbBuilder
from rigline.formats.rigged_glb import read_rigged
from tests.support.bodies import box_body
from tests.support.glb_files import edited, packed, unpacked

DracoPy = pytest.importorskip("DracoPy", reason="the extra compression is not installed")
meshoptimizer = pytest.importorskip("meshoptimizer", reason="the extra compression is missing")

BODY = box_body(4)
POINTS = BODY.vertices.astype(np.float32)
UVS = np.random.default_rng(1).random((len(POINTS), 2)).astype(np.float32)
BONES = np.stack([BODY.part, 0 * BODY.part, 0 * BODY.part, 0 * BODY.part], axis=1).astype(np.uint16)


def draco_glb() -> bytes:
    """Positions, UVs and bones in Draco bytes alone."""
    data = DracoPy.encode(
        POINTS, BODY.faces.astype(np.uint32), quantization_bits=16, preserve_order=True,
        tex_coord=UVS.astype(float), tex_coord_quantization_bits=16, generic_attributes={7: BONES},
    )  # fmt: skip
    ids = {a["attribute_type"]: a["unique_id"] for a in DracoPy.decode(data).attributes}
    glb = GlbBuilder("tests")
    view = glb.add_bytes(data)
    count = len(POINTS)
    accessors = {
        "POSITION": {"componentType": 5126, "count": count, "type": "VEC3",
                     "min": POINTS.min(axis=0).tolist(), "max": POINTS.max(axis=0).tolist()},
        "TEXCOORD_0": {"componentType": 5126, "count": count, "type": "VEC2"},
        "JOINTS_0": {"componentType": 5123, "count": count, "type": "VEC4"},
    }  # fmt: skip
    attributes = {name: glb.add("accessors", accessor) for name, accessor in accessors.items()}
    corners = {"componentType": 5125, "count": BODY.faces.size, "type": "SCALAR"}
    extension = {
        "bufferView": view,
        "attributes": {"POSITION": ids[0], "TEXCOORD_0": ids[3], "JOINTS_0": 7},
    }
    primitive = {
        "attributes": attributes,
        "indices": glb.add("accessors", corners),
        "extensions": {"KHR_draco_mesh_compression": extension},
    }
    glb.document["extensionsUsed"] = ["KHR_draco_mesh_compression"]
    glb.document["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    return scene(glb, primitive)


def meshopt_glb(name: str = "EXT_meshopt_compression") -> bytes:
    """Positions as attributes, indices as triangles, normals under the octahedral filter."""
    glb = GlbBuilder("tests")
    count = len(POINTS)
    # As vertices are stored by the tools: positions in the order that the triangles visit.
    views = [
        meshopt_view(glb, name, meshoptimizer.encode_vertex_buffer(POINTS, count, 12), count, 12),
        meshopt_view(glb, name, meshoptimizer.encode_vertex_buffer(octahedral(), count, 4),
                     count, 4, "OCTAHEDRAL"),
        meshopt_view(glb, name, meshoptimizer.encode_index_buffer(
            BODY.faces.astype(np.uint32).ravel(), BODY.faces.size, count), BODY.faces.size, 4,
            mode="TRIANGLES"),
    ]  # fmt: skip
    kinds = [(5126, count, "VEC3", {}), (5120, count, "VEC3", {"normalized": True}),
             (5125, BODY.faces.size, "SCALAR", {})]  # fmt: skip
    accessors = [
        glb.add(
            "accessors", {"bufferView": view, "componentType": c, "count": n, "type": t, **more}
        )
        for view, (c, n, t, more) in zip(views, kinds, strict=True)
    ]
    glb.document["extensionsUsed"] = glb.document["extensionsRequired"] = [name]
    attributes = {"POSITION": accessors[0], "NORMAL": accessors[1]}
    return scene(glb, {"attributes": attributes, "indices": accessors[2]})


def octahedral() -> np.ndarray:
    """``(n, 4)`` int8: unit vectors as the filter has them, out of the body's middle."""
    outwards = POINTS - POINTS.mean(axis=0)
    flat = outwards / np.abs(outwards).sum(axis=1, keepdims=True)
    folded = (1 - np.abs(flat[:, [1, 0]])) * np.where(flat[:, :2] < 0, -1, 1)
    plane = np.where(flat[:, 2:] < 0, folded, flat[:, :2])
    stored = np.zeros((len(POINTS), 4), np.int8)
    stored[:, :2] = np.round(127 * plane)
    stored[:, 2] = 127
    return stored


def meshopt_view(
    glb: GlbBuilder, name: str, data: bytes, count: int, stride: int, kind: str = "NONE",
    mode: str = "ATTRIBUTES",
) -> int:  # fmt: skip
    view = glb.add_bytes(bytes(data))
    own = glb.document["bufferViews"][view]
    extension = {**own, "byteStride": stride, "count": count, "mode": mode, "filter": kind}
    own["byteLength"] = count * stride
    if mode == "ATTRIBUTES":
        own["byteStride"] = stride
    own["extensions"] = {name: extension}
    return view


def scene(glb: GlbBuilder, primitive: dict[str, Any]) -> bytes:
    glb.add("meshes", {"primitives": [primitive]})
    glb.add("nodes", {"name": "Body", "mesh": 0})
    glb.document["scenes"] = [{"nodes": [0]}]
    glb.document["scene"] = 0
    return glb.to_bytes()


def sorted_faces(faces: np.ndarray) -> np.ndarray:
    """Triangles from their smallest corner on, in order: the codec may turn and move them."""
    first = faces.argmin(axis=1)[:, None]
    turned = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
    return turned[np.lexsort(turned.T[::-1])]


def test_draco_brings_places_uvs_and_triangles() -> None:
    model = read_model(draco_glb())
    np.testing.assert_array_equal(model.mesh.faces, BODY.faces)
    np.testing.assert_allclose(model.mesh.vertices, POINTS, atol=2e-5)
    assert model.uvs is not None
    np.testing.assert_allclose(model.uvs, UVS, atol=2e-5)


def test_a_rigged_file_under_draco_is_read() -> None:
    (mesh,) = read_rigged(draco_glb()).meshes
    np.testing.assert_allclose(mesh.vertices, POINTS, atol=2e-5)


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_meshopt_compression"])
def test_meshopt_brings_places_normals_and_triangles(name: str) -> None:
    model = read_model(meshopt_glb(name))
    np.testing.assert_array_equal(model.mesh.vertices, POINTS.astype(float))
    np.testing.assert_array_equal(sorted_faces(model.mesh.faces), sorted_faces(BODY.faces))
    outwards = POINTS - POINTS.mean(axis=0)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert model.normals is not None
    assert (np.einsum("ij,ij->i", model.normals, outwards) > 0.999).all()


@pytest.mark.parametrize(
    ("file", "library"), [(draco_glb, "DracoPy"), (meshopt_glb, "meshoptimizer")]
)
def test_without_the_library_the_remedy_is_said(
    monkeypatch: pytest.MonkeyPatch, file: Callable[[], bytes], library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InvalidInput, match=r"rigline\[compression\]"):
        read_model(file())


def view_extension(document: dict[str, Any]) -> dict[str, Any]:
    return document["bufferViews"][0]["extensions"]["EXT_meshopt_compression"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("count", 10**9), ("count", 3), ("byteStride", 7), ("byteStride", 260), ("mode", "POINTS"),
     ("filter", "QUATERNION"), ("filter", "BLUR"), ("byteLength", 10), ("byteLength", 10**9),
     ("buffer", 3), ("mode", "TRIANGLES")],
)  # fmt: skip
def test_wrong_words_of_meshopt_are_refused(key: str, value: object) -> None:
    def change(document: dict[str, Any]) -> None:
        view_extension(document)[key] = value

    with pytest.raises(InvalidInput):
        read_model(edited(meshopt_glb(), change))


@pytest.mark.parametrize("flaw", ["id", "missing", "count", "view"])
def test_wrong_words_of_draco_are_refused(flaw: str) -> None:
    def change(document: dict[str, Any]) -> None:
        primitive = document["meshes"][0]["primitives"][0]
        extension = primitive["extensions"]["KHR_draco_mesh_compression"]
        if flaw == "id":
            extension["attributes"]["POSITION"] = 99
        elif flaw == "missing":
            del extension["attributes"]
        elif flaw == "count":
            document["accessors"][0]["count"] += 1
        else:
            extension["bufferView"] = 9

    with pytest.raises(InvalidInput):
        read_model(edited(draco_glb(), change))


@pytest.mark.parametrize("file", [draco_glb, meshopt_glb])
def test_damaged_bytes_are_read_or_refused(file: Callable[[], bytes]) -> None:
    document, binary = unpacked(file())
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        damaged = bytearray(binary)
        for place in rng.integers(len(damaged), size=rng.integers(1, 9)):
            damaged[place] ^= 1 << int(rng.integers(8))
        try:
            read_model(packed(document, bytes(damaged)))
        except InvalidInput:
            refused += 1
    assert refused > 10
