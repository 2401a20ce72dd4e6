"""The canonical frame: known turns are undone, whatever the scale and place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigline.avatar.canonical import (
    COMPOSED,
    EVEN_TURNS,
    ODD_TURNS,
    TURNS,
    CanonicalMesh,
    axis_turns,
    far_specks,
    to_canonical,
    turned_view,
    vote_orientation,
    yaw_matrix,
)
from rigline.avatar.mesh import TriangleMesh
from rigline.avatar.sampling import patches, sample_surface
from rigline.errors import InvalidInput
from tests.support.bodies import box_body, capsule_body


def lopsided_mesh() -> TriangleMesh:
    """Four triangles without any symmetry; upright, feet anywhere."""
    rng = np.random.default_rng(5)
    vertices = rng.uniform([-0.3, 0.0, -0.1], [0.4, 1.8, 0.2], (9, 3))
    return TriangleMesh(vertices, np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 4, 8]]))


def test_there_are_24_proper_turns_and_the_first_is_the_identity() -> None:
    turns = axis_turns()
    assert turns.shape == (24, 3, 3)
    assert np.allclose(turns[0], np.eye(3))
    assert np.allclose(np.linalg.det(turns), 1)
    assert len({tuple(t.ravel()) for t in turns}) == 24


def test_composition_table() -> None:
    for g in range(24):
        for c in range(24):
            assert np.allclose(TURNS[COMPOSED[g, c]], TURNS[g] @ TURNS[c])


def test_canonical_frame() -> None:
    mesh = to_canonical(lopsided_mesh(), np.eye(3))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert low[1] == pytest.approx(0)
    assert high[1] == pytest.approx(1)
    assert (low + high)[[0, 2]] == pytest.approx([0, 0])


def standing_at(x: float, y: float, z: float) -> CanonicalMesh:
    """A mesh whose box has its middle and floor at the origin, moved in its own units."""
    body = to_canonical(lopsided_mesh(), np.eye(3)).mesh
    return to_canonical(TriangleMesh(body.vertices + [x, y, z], body.faces), np.eye(3))


def test_an_origin_under_the_body_is_its_own() -> None:
    np.testing.assert_allclose(standing_at(0.05, 0, 0.02).own_origin(), [-0.05, 0, -0.02])
    np.testing.assert_allclose(standing_at(0, -0.008, 0).own_origin(), [0, 0.008, 0], atol=1e-12)


def test_an_origin_elsewhere_says_nothing_of_where_a_body_stands() -> None:
    assert standing_at(5, 0, 0).own_origin().tolist() == [0, 0, 0]
    np.testing.assert_allclose(standing_at(0.05, -0.5, 0).own_origin(), [-0.05, 0, 0])


@settings(max_examples=40, deadline=None)
@given(
    turn=st.integers(0, 23),
    yaw=st.floats(-0.5, 0.5),
    scale=st.floats(1e-3, 1e4),
    shift=st.tuples(*[st.floats(-1e3, 1e3)] * 3),
)
def test_any_stance_is_undone(
    turn: int, yaw: float, scale: float, shift: tuple[float, float, float]
) -> None:
    upright = lopsided_mesh()
    expected = to_canonical(upright, np.eye(3))
    stance = TURNS[turn] @ yaw_matrix(yaw)
    moved = TriangleMesh(
        upright.vertices @ stance.T * scale + np.array(shift) * scale, upright.faces
    )
    found = to_canonical(moved, stance.T)
    assert np.abs(found.vertices - expected.vertices).max() < 1e-8
    homogeneous = np.c_[moved.vertices, np.ones(len(moved.vertices))]
    assert (
        np.abs(homogeneous @ found.canonical_from_asset.T - np.c_[found.vertices, np.ones(9)]).max()
        < 1e-7
    )


def test_a_flat_mesh_is_refused() -> None:
    flat = TriangleMesh(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1.0]]), np.array([[0, 1, 2]]))
    with pytest.raises(InvalidInput, match="no height"):
        to_canonical(flat, np.eye(3))


@pytest.mark.parametrize("turn", [0, 5, 13, 23])
def test_votes_of_turned_copies_add_up(turn: int) -> None:
    """A model that is right on three quarters of the copies names the turn with a margin."""
    votes, everywhere = np.full((24, 24), -6.0), np.arange(24)
    for g in range(24):
        votes[g, COMPOSED[g, turn] if g % 4 else (COMPOSED[g, turn] + 7) % 24] = -0.01
    yaw = np.tile([np.cos(0.3), np.sin(0.3)], (24, 1))
    found = vote_orientation(everywhere, votes, yaw)
    assert found.turn == turn
    assert found.margin > 0.5
    assert found.yaw_rad == pytest.approx(0.3)
    assert found.probability.sum() == pytest.approx(1)


def test_a_small_yaw_is_left_alone() -> None:
    votes = np.zeros((24, 24))
    yaw = np.tile([np.cos(0.05), np.sin(0.05)], (24, 1))
    assert vote_orientation(np.arange(24), votes, yaw).yaw_rad == 0


def test_a_turned_view_turns_points_and_normals_together() -> None:
    cloud = sample_surface(lopsided_mesh(), 96, np.random.default_rng(0))
    view, turns = patches(cloud, 16, 8), np.array([0, 9, 17])
    features, neighbours = turned_view(view, turns)
    assert features.shape == (3, 96, 6)
    assert neighbours.shape == (3, 16, 8)
    for seen, turn in zip(features, TURNS[turns], strict=True):
        assert np.allclose(seen[:, :3], view.features[:, :3] @ turn.T, atol=1e-6)
        assert np.allclose(seen[:, 3:], view.features[:, 3:] @ turn.T, atol=1e-6)


def test_either_half_of_the_turns_shows_an_asset_from_all_sides() -> None:
    """The even turns are a group, so a turned asset is seen in one whole half or in the other."""
    assert np.isin(COMPOSED[np.ix_(EVEN_TURNS, EVEN_TURNS)], EVEN_TURNS).all()
    assert np.isin(COMPOSED[np.ix_(EVEN_TURNS, ODD_TURNS)], ODD_TURNS).all()
    for half in (EVEN_TURNS, ODD_TURNS):
        for column in (1, 2):  # where up goes, and where the front does
            assert len(np.unique(TURNS[half][:, :, column], axis=0)) == 6


def test_far_specks_do_not_shrink_the_character() -> None:
    body = capsule_body(pose="A")
    speck = np.array([[1e4, 0, 0], [1e4, 0.01, 0], [1e4, 0, 0.01]])
    vertices = np.concatenate([body.vertices, speck])
    faces = np.concatenate([body.faces, [[len(body.vertices) + k for k in range(3)]]])
    mesh = TriangleMesh(vertices, faces)
    specks = far_specks(mesh)
    assert np.flatnonzero(specks).tolist() == list(range(len(body.vertices), len(vertices)))
    alone = to_canonical(TriangleMesh(body.vertices, body.faces), np.eye(3))
    together = to_canonical(mesh, np.eye(3), specks)
    np.testing.assert_allclose(together.vertices[:-3], alone.vertices, atol=1e-12)


def test_a_character_of_many_pieces_has_no_specks() -> None:
    body = box_body()
    loose = body.vertices[body.faces].reshape(-1, 3)
    faces = np.arange(len(loose)).reshape(-1, 3)
    assert not far_specks(TriangleMesh(loose, faces)).any()
