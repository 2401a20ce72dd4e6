"""From corner opinions to labels: seams agree, strays dissolve, rigid pieces stay whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigline.avatar.body import N_PARTS, Part
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.mesh import Floats, Ints, vertex_areas
from rigline.avatar.segmentation import face_queries, label_evidence, segment, stray_vertices

HEAD, TORSO = int(Part.HEAD), int(Part.UPPER_TORSO)


def sheet(n: int = 41) -> tuple[Floats, Ints]:
    """A square sheet in the XY plane, y from 0 to 1."""
    y, x = np.meshgrid(np.linspace(0, 1, n), np.linspace(-0.5, 0.5, n), indexing="ij")
    vertices = np.c_[x.ravel(), y.ravel(), np.zeros(n * n)]
    i, j = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    a = (i * n + j).ravel()
    return vertices, np.concatenate([np.c_[a, a + 1, a + n], np.c_[a + 1, a + n + 1, a + n]])


def canonical(vertices: Floats, faces: Ints) -> CanonicalMesh:
    return CanonicalMesh(vertices, faces, np.eye(4), 1.0)


def opinion(points: Floats, part: Ints, certainty: float = 0.9) -> Floats:
    out = np.full((len(points), N_PARTS), (1 - certainty) / (N_PARTS - 1))
    out[np.arange(len(points)), part] = certainty
    return out


def test_queries_of_large_faces_lie_inside_them_near_their_corners() -> None:
    vertices, faces = sheet(5)
    asked = face_queries(canonical(vertices, faces))
    corners = vertices[faces].reshape(-1, 3)
    middle = np.repeat(vertices[faces].mean(axis=1), 3, axis=0)
    assert asked.at_corners(asked.points) == pytest.approx(0.75 * corners + 0.25 * middle)
    assert np.allclose(asked.normals, [0, 0, 1])


def test_small_faces_that_lie_together_and_face_one_way_share_a_query() -> None:
    vertices, faces = sheet(401)
    back = len(vertices) + faces[:, ::-1]
    both = np.concatenate([vertices, vertices])
    asked = face_queries(canonical(both, np.concatenate([faces, back])))
    assert len(asked.points) < len(faces) / 5
    middle = np.repeat(np.tile(vertices[faces].mean(axis=1), (2, 1)), 3, axis=0)
    far = np.linalg.norm(asked.at_corners(asked.points) - middle, axis=1).max()
    assert far < 0.015 * np.sqrt(2)
    way = np.sign(asked.at_corners(asked.normals)[:, 2])
    assert np.array_equal(way, np.repeat([1, -1], 3 * len(faces)))


@given(st.integers(2, 60), st.floats(0.2, 3.0), st.integers(0, 2**32 - 1))
def test_every_corner_has_one_query_of_its_own_face_or_cell(n: int, width: float, s: int) -> None:
    vertices, faces = sheet(n)
    vertices = vertices * [width, 1, 1] + np.random.default_rng(s).normal(0, 0.01, vertices.shape)
    asked = face_queries(canonical(vertices, faces))
    assert np.array_equal(np.unique(asked.of_corner), np.arange(len(asked.points)))
    corners = vertices[faces].reshape(-1, 3)
    reach = np.linalg.norm(asked.at_corners(asked.points) - corners, axis=1)
    longest = np.linalg.norm(vertices[faces] - np.roll(vertices[faces], 1, axis=1), axis=2).max()
    assert reach.max() <= max(longest, 0.05) + 0.015 * np.sqrt(3)


def test_a_clear_opinion_is_kept() -> None:
    vertices, faces = sheet()
    mesh = canonical(vertices, faces)
    asked = face_queries(mesh)
    wanted = np.where(asked.points[:, 1] > 0.6, HEAD, TORSO)
    found = segment(mesh, asked.at_corners(opinion(asked.points, wanted)))
    clear = np.abs(vertices[:, 1] - 0.6) > 0.03
    expected = np.where(vertices[:, 1] > 0.6, HEAD, TORSO)
    assert (found.part[clear] == expected[clear]).all()
    assert found.probability.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_stray_patch_dissolves_into_what_surrounds_it() -> None:
    vertices, faces = sheet()
    mesh = canonical(vertices, faces)
    asked = face_queries(mesh)
    wanted = np.where(asked.points[:, 1] > 0.6, HEAD, TORSO)
    stray = np.linalg.norm(asked.points - [0.1, 0.25, 0], axis=1) < 0.09
    found = segment(mesh, asked.at_corners(opinion(asked.points, np.where(stray, HEAD, wanted))))
    assert (found.part[vertices[:, 1] < 0.5] == TORSO).all()
    assert (found.face_part[vertices[faces].mean(axis=1)[:, 1] < 0.5] == TORSO).all()


def test_a_rigid_island_is_of_one_part() -> None:
    vertices, faces = sheet(21)
    small = vertices * 0.2 + [2, 0, 0]
    both = np.concatenate([vertices, small])
    mesh = canonical(both, np.concatenate([faces, faces + len(vertices)]))
    asked = face_queries(mesh)
    wanted = np.where((asked.points[:, 0] > 1) & (asked.points[:, 1] > 0.15), HEAD, TORSO)
    found = segment(mesh, asked.at_corners(opinion(asked.points, wanted)))
    assert (found.part == TORSO).all()


@pytest.mark.parametrize("assembled", [True, False])
def test_a_piece_that_spans_a_joint_is_rigid_only_among_rigid_pieces(assembled: bool) -> None:
    vertices, faces = sheet(41)
    glove = vertices * [0.1, 0.5, 1] + [2, 0, 0]
    mesh = canonical(
        np.concatenate([vertices, glove]), np.concatenate([faces, faces + len(vertices)])
    )
    asked = face_queries(mesh)
    hand, arm = int(Part.LEFT_HAND), int(Part.LEFT_LOWER_ARM)
    body = np.where((asked.points[:, 1] > 0.6) & (not assembled), HEAD, TORSO)
    on_glove = np.where(asked.points[:, 1] > 0.12, hand, arm)
    found = segment(
        mesh,
        asked.at_corners(opinion(asked.points, np.where(asked.points[:, 0] > 1, on_glove, body))),
    )
    forearm = found.part[len(vertices) :][glove[:, 1] < 0.09]
    assert (forearm == (hand if assembled else arm)).all()


def test_an_island_of_its_own_is_no_stray() -> None:
    vertices, faces = sheet(21)
    eye = vertices * 0.05 + [0, 0.3, 0.1]
    both, all_faces = (
        np.concatenate([vertices, eye]),
        np.concatenate([faces, faces + len(vertices)]),
    )
    part = np.r_[np.where(vertices[:, 1] > 0.5, HEAD, TORSO), np.full(len(eye), HEAD)]
    assert not stray_vertices(all_faces, part, vertex_areas(both, all_faces)).any()


def test_seam_duplicates_agree() -> None:
    vertices, faces = sheet(21)
    n = len(vertices)
    split = faces.copy()
    split[len(faces) // 2 :] += n
    mesh = canonical(np.concatenate([vertices, vertices]), split)
    asked = face_queries(mesh)
    rng = np.random.default_rng(0)
    found = segment(mesh, asked.at_corners(rng.dirichlet(np.ones(N_PARTS), len(asked.points))))
    assert np.array_equal(found.part[:n], found.part[n:])


def test_evidence_counts_where_views_differ() -> None:
    vertices, faces = sheet(11)
    mesh = canonical(vertices, faces)
    asked = face_queries(mesh)
    one = np.full(len(asked.points), TORSO)
    other = np.where(asked.points[:, 0] > 0, HEAD, TORSO)
    found = segment(mesh, asked.at_corners(opinion(asked.points, one)))
    named = np.stack([asked.at_corners(one), asked.at_corners(other)])
    evidence = label_evidence(mesh, found, named)
    assert evidence["view_disagreement"] == pytest.approx(0.5, abs=0.01)
    assert evidence["missing_parts"] == 14
