"""Figures of boxes, and bodies whose proportions are drawn anew."""

import numpy as np
import pytest
import torch
from rigline_training.box_people import box_person
from rigline_training.character import Piece
from rigline_training.dataset import sample_of
from rigline_training.train_body import warped

from rigline.avatar.body import N_PARTS, Part

SEEDS = range(12)


def signed_volume(piece: Piece) -> float:
    a, b, c = (piece.vertices[piece.faces[:, i]] - piece.vertices.mean(axis=0) for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_figure_of_boxes_is_whole_and_wound_outwards(seed: int) -> None:
    rng = np.random.default_rng([seed])
    figure = box_person(rng, 1.0)
    assert all(signed_volume(piece) > 0 for piece in figure.pieces)
    sample = sample_of(figure, rng)
    assert set(np.unique(sample.labels)) == set(range(N_PARTS))


def test_an_arm_as_built_turns_about_its_inner_half_and_bends_on_its_axis() -> None:
    standing = 0
    for seed in SEEDS:
        figure = box_person(np.random.default_rng([seed]), 1.0)
        arm = next(p for p in figure.pieces if Part.LEFT_HAND in p.labels)
        inner, outer = arm.vertices[:, 0].min(), arm.vertices[:, 0].max()
        shoulder, elbow = figure.joints[[Part.LEFT_UPPER_ARM, Part.LEFT_LOWER_ARM], 0]
        if arm.solid is None or not np.allclose(arm.solid.axes, np.eye(3)):
            continue  # its arms are raised or bent
        standing += 1
        assert inner - 1e-9 <= shoulder <= (inner + outer) / 2 + 1e-9
        assert elbow == pytest.approx((inner + outer) / 2)
    assert standing > 2


def test_points_and_joints_are_warped_alike_and_nothing_folds() -> None:
    torch.manual_seed(0)
    joints = torch.rand(8, N_PARTS, 3) - 0.5
    normals = torch.zeros_like(joints)
    normals[..., 1] = 1
    moved, turned, also = warped(joints, normals, joints)
    torch.testing.assert_close(moved, also)
    assert not torch.equal(moved, joints)
    assert torch.equal(moved[..., 1].argsort(1), joints[..., 1].argsort(1))
    assert torch.equal(moved[..., 0].sign(), joints[..., 0].sign())
    torch.testing.assert_close(turned, normals)
