"""Diffusion: constants stay, ranges hold, and both solvers agree on any topology."""

import numpy as np
import pytest

from rigline.avatar import diffusion
from rigline.avatar.diffusion import SurfaceDiffusion
from rigline.avatar.mesh import Floats, Ints


def strip(n: int = 60) -> tuple[Floats, Ints]:
    """A flat strip of length 1 and width 0.1 along X."""
    x = np.linspace(0, 1, n)
    vertices = np.concatenate([np.c_[x, 0 * x, 0 * x], np.c_[x, 0 * x + 0.1, 0 * x]])
    i = np.arange(n - 1)
    faces = np.concatenate([np.c_[i, i + 1, i + n], np.c_[i + 1, i + n + 1, i + n]])
    return vertices, faces


def test_a_step_becomes_a_smooth_ramp_through_one_half() -> None:
    vertices, faces = strip()
    step = (vertices[:, :1] > 0.5).astype(float)
    out = SurfaceDiffusion(vertices, faces).smooth(step, 0.05)[:60, 0]
    assert (np.diff(out) > -1e-9).all()
    assert np.interp(0.5, vertices[:60, 0], out) == pytest.approx(0.5, abs=0.02)
    assert out[0] < 1e-3
    assert out[-1] > 1 - 1e-3


def test_the_ramp_of_a_step_is_exponential_with_the_radius() -> None:
    """In one dimension (1 - t d²/dx²)u = step has the solution 1 - exp(-x / √t) / 2 beyond it."""
    vertices, faces = strip(400)
    radius = 0.05
    step = (vertices[:, :1] > 0.5).astype(float)
    out = SurfaceDiffusion(vertices, faces).smooth(step, radius)[:400, 0]
    x = vertices[:400, 0]
    beyond = (x > 0.51) & (x < 0.7)
    assert np.abs(out - (1 - 0.5 * np.exp(-(x - 0.5) / radius)))[beyond].max() < 0.01


@pytest.mark.parametrize("kind", ["strip", "soup", "fin", "lonely vertices"])
def test_constants_and_ranges_survive_any_topology(kind: str) -> None:
    vertices, faces = strip(30)
    rng = np.random.default_rng(0)
    if kind == "soup":
        vertices, faces = rng.random((90, 3)), np.arange(90).reshape(-1, 3)
    if kind == "fin":
        vertices = np.concatenate([vertices, [[0.5, 0.05, 0.2]]])
        faces = np.concatenate([faces, [[10, 40, 60], [10, 40, 60]]])
    if kind == "lonely vertices":
        vertices = np.concatenate([vertices, rng.random((5, 3))])
    values = np.c_[np.ones(len(vertices)), rng.random(len(vertices))]
    out = SurfaceDiffusion(vertices, faces).smooth(values, 0.05)
    assert out[:, 0] == pytest.approx(np.ones(len(vertices)), abs=1e-6)
    assert out[:, 1].min() >= values[:, 1].min() - 0.05
    assert out[:, 1].max() <= values[:, 1].max() + 0.05


def test_both_solvers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = strip(80)
    values = np.random.default_rng(1).random((len(vertices), 3))
    direct = SurfaceDiffusion(vertices, faces).smooth(values, 0.03)
    monkeypatch.setattr(diffusion, "DIRECT_LIMIT", 0)
    iterated = SurfaceDiffusion(vertices, faces).smooth(values, 0.03)
    assert np.abs(direct - iterated).max() < 1e-4


def test_values_do_not_cross_a_gap() -> None:
    vertices, faces = strip(20)
    both = np.concatenate([vertices, vertices + [0, 0, 0.001]])
    values = np.repeat([[0.0], [1.0]], len(vertices), axis=0)
    out = SurfaceDiffusion(both, np.concatenate([faces, faces + len(vertices)])).smooth(values, 0.1)
    assert np.abs(out - values).max() < 1e-6
