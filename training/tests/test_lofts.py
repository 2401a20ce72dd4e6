"""Swept tubes: closed, wound outwards, labels that change at the joints."""

import numpy as np
import pytest
from rigline_training.lofts import Section, boundary_stations, loft, placed


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", np.cross(a, b), c).sum() / 6)


@pytest.mark.parametrize("section", [Section(2.0, 12), Section(8.0, 4), Section(3.0, 5)])
def test_a_loft_is_closed_and_wound_outwards(section: Section) -> None:
    stations = np.array([0.0, 0.5, 1.0])
    piece = loft(stations, np.full((3, 2), 0.2), section, np.zeros(3, int))
    edges = np.concatenate([piece.faces[:, [0, 1]], piece.faces[:, [1, 2]], piece.faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert {tuple(e) for e in edges} == {tuple(e[::-1]) for e in edges}
    assert 0.05 < volume(piece.vertices, piece.faces) <= 0.16 + 1e-9


def test_a_mirroring_placement_keeps_the_winding() -> None:
    piece = loft(np.array([0.0, 1.0]), np.full((2, 2), 0.1), Section(2.0, 8), np.zeros(2, int))
    mirrored = placed(piece, np.diag([-1.0, 1, 1]), np.zeros(3))
    assert volume(mirrored.vertices, mirrored.faces) == pytest.approx(
        volume(piece.vertices, piece.faces)
    )


def test_stations_straddle_each_boundary() -> None:
    stations, below = boundary_stations(np.array([0.4, 0.8]), 0.0, 1.0)
    assert (np.diff(stations) > 0).all()
    assert sorted(set(below.tolist())) == [0, 1, 2]
    for k, bound in enumerate((0.4, 0.8), start=1):
        middle = (stations[below < k].max() + stations[below >= k].min()) / 2
        assert middle == pytest.approx(bound)
