"""Draco and meshopt: the body comes back, and damage is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rigline.errors import InvalidInput
from rigline.formats import read_model
from rigline.formats.rigged_glb import read_rigged
from tests.support.compressed_files import BODY, POINTS, UVS, draco_glb, meshopt_glb
from tests.support.glb_files import edited, packed, unpacked

DracoPy = pytest.importorskip("DracoPy", reason="the extra compression is not installed")
meshoptimizer = pytest.importorskip("meshoptimizer", reason="the extra compression is missing")


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
    data = file()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InvalidInput, match=r"rigline\[compression\]"):
        read_model(data)


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
