"""Meshes of the parts: what two parts share is the same in both."""

from __future__ import annotations

import numpy as np

from rigline.avatar.atlas import unwrap
from rigline.avatar.mesh import face_cross
from rigline.avatar.part_meshes import CREASE_COSINE, corner_normals, part_meshes
from tests.support.parted import parted


def test_seams_have_one_position_weight_and_normal() -> None:
    body = parted()
    rows: dict[bytes, set[bytes]] = {}
    for mesh in part_meshes(body):
        lids = body.lid[body.rows_of(mesh.part)]
        for v in np.unique(mesh.faces[~lids]):
            place = mesh.positions[v].tobytes()
            weights = mesh.weights.joints[v].tobytes() + mesh.weights.weights[v].tobytes()
            rows.setdefault(place, set()).add(weights)
    assert all(len(found) == 1 for found in rows.values())


def test_shading_goes_on_across_cuts() -> None:
    body = parted()
    skin = np.flatnonzero(~body.lid)
    normals = corner_normals(body)[skin].reshape(-1, 3)
    vertex = body.faces[skin].ravel()
    part = np.repeat(body.face_part[skin], 3)
    checked = 0
    for v in np.unique(vertex):
        corners = np.flatnonzero(vertex == v)
        if len(set(part[corners].tolist())) > 1:
            cross = face_cross(body.vertices, body.faces[skin[corners // 3]])
            flat = cross / np.linalg.norm(cross, axis=1, keepdims=True)
            if (flat @ flat.T).min() > CREASE_COSINE:
                assert np.ptp(normals[corners], axis=0).max() < 1e-9
                checked += 1
    assert checked > 20


def test_meshes_hold_every_triangle_in_its_order() -> None:
    body = parted()
    for mesh in part_meshes(body):
        expected = body.vertices[body.faces[body.rows_of(mesh.part)]]
        np.testing.assert_array_equal(mesh.positions[mesh.faces], expected)
        np.testing.assert_allclose(mesh.weights.weights.sum(axis=1), 1, atol=1e-6)


def test_normals_look_outwards_and_lids_are_flat() -> None:
    body = parted()
    normals = corner_normals(body)
    cross = face_cross(body.vertices, body.faces)
    flat = cross / np.linalg.norm(cross, axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1)
    assert (np.einsum("fkx,fx->fk", normals, flat) > 0.2).all()
    np.testing.assert_allclose(normals[body.lid], np.repeat(flat[body.lid][:, None], 3, axis=1))


def test_corner_uvs_part_vertices() -> None:
    body = parted()
    same = np.zeros((len(body.faces), 3, 2))
    apart = np.arange(6.0 * len(body.faces)).reshape(-1, 3, 2) / (6 * len(body.faces))
    few = sum(len(m.positions) for m in part_meshes(body, uvs=same))
    many = sum(len(m.positions) for m in part_meshes(body, uvs=apart))
    assert many == 3 * len(body.faces) > few


def test_tangents_stand_across_normals() -> None:
    body = parted()
    for mesh in part_meshes(body, uvs=unwrap(body, 256)):
        assert mesh.tangents is not None
        np.testing.assert_allclose(np.linalg.norm(mesh.tangents, axis=1), 1, atol=1e-6)
        assert np.abs((mesh.tangents * mesh.normals).sum(axis=1)).max() < 1e-5
