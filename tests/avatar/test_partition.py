"""Fifteen closed parts whose seams hold together, however the body is posed."""

from __future__ import annotations

from dataclasses import replace

import manifold3d
import numpy as np
import pytest

from rigline.avatar.body import N_PARTS, PARENT, PART_NAMES, Part
from rigline.avatar.closing import boundary_loops
from rigline.avatar.mesh import face_areas
from rigline.avatar.partition import PartedBody, partition, partition_evidence, with_lids
from rigline.avatar.posing import pose, sweep_poses
from tests.support.parted import one_skin, parted, synthetic


def solid_part(body: PartedBody, part: int) -> manifold3d.Manifold:
    """A part as an independent library takes it."""
    used, local = np.unique(body.faces[body.rows_of(part)], return_inverse=True)
    return manifold3d.Manifold(
        manifold3d.Mesh64(body.vertices[used], local.reshape(-1, 3).astype(np.uint64))
    )


@pytest.mark.parametrize("part", Part)
def test_every_part_is_watertight_by_another_library(part: Part) -> None:
    solid = solid_part(parted(), part)
    assert solid.status() == manifold3d.Error.NoError
    assert solid.volume() > 0


def test_the_parts_together_are_the_body() -> None:
    body, cut = one_skin(), parted()
    whole = face_areas(body.vertices, body.faces).sum()
    assert face_areas(cut.vertices, cut.faces)[~cut.lid].sum() == pytest.approx(whole, rel=1e-4)
    volumes = [solid_part(cut, part).volume() for part in range(N_PARTS)]
    solid = manifold3d.Manifold(manifold3d.Mesh64(body.vertices, body.faces.astype(np.uint64)))
    assert sum(volumes) == pytest.approx(solid.volume(), rel=0.02)


def test_cuts_are_flat_and_pass_near_their_joints() -> None:
    cut, joints = parted(), synthetic().joints
    for part in (Part.LEFT_LOWER_ARM, Part.LEFT_HAND, Part.RIGHT_LOWER_LEG, Part.RIGHT_FOOT):
        shared = np.intersect1d(cut.faces[cut.rows_of(part)], cut.faces[cut.rows_of(PARENT[part])])
        loop = cut.vertices[shared]
        flatness = np.linalg.svd(loop - loop.mean(axis=0), compute_uv=False)[2]
        assert flatness / np.sqrt(len(loop)) < 0.003, part.name
        assert np.linalg.norm(loop.mean(axis=0) - joints[part]) < 0.05, part.name


def test_seams_hold_in_every_pose() -> None:
    cut, joints = parted(), synthetic().joints
    for turns in sweep_poses(joints).values():
        moved = pose(cut.vertices, cut.weights, joints, turns)
        # Shared vertices are one row, so a seam can only open where a part's own loop does.
        assert np.isfinite(moved).all()
    skin = cut.faces[~cut.lid]
    assert boundary_loops(skin) == []


def test_a_part_that_nothing_follows_takes_what_lies_beyond_its_joint() -> None:
    body = one_skin()
    weights = body.weights.copy()
    weights[:, Part.LEFT_LOWER_ARM] += weights[:, Part.LEFT_HAND]
    weights[:, Part.LEFT_HAND] = 0
    cut = partition(replace(body, weights=weights), synthetic().joints)
    own = cut.vertices[np.unique(cut.faces[cut.rows_of(Part.LEFT_HAND)])]
    assert len(own) > 8
    middle = own.mean(axis=0) - synthetic().joints[Part.LEFT_HAND]
    forearm = synthetic().joints[Part.LEFT_HAND] - synthetic().joints[Part.LEFT_LOWER_ARM]
    assert middle @ forearm > 0


def test_a_patch_is_given_a_volume_by_its_lid() -> None:
    """A dish: a lid over its rim would lie on its wrong side."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = np.stack([0.1 * np.cos(turn), 0.1 * np.sin(turn), 0 * turn], axis=1)
    around = np.arange(12)
    faces = np.stack([around, np.roll(around, -1), np.full(12, 12)], axis=1)
    dish = PartedBody(
        np.concatenate([rim, [[0.0, 0.0, -0.015]]]), faces, np.full(12, Part.LEFT_HAND, np.uint8),
        np.zeros(12, bool), np.zeros(12, np.int64), np.eye(15)[[Part.LEFT_HAND] * 13],
    )  # fmt: skip
    closed = with_lids(dish)
    solid = solid_part(closed, Part.LEFT_HAND)
    assert solid.status() == manifold3d.Error.NoError
    assert solid.volume() > 0
    np.testing.assert_array_equal(closed.vertices[:13], dish.vertices)


def test_evidence_counts_what_is_there() -> None:
    evidence = partition_evidence(parted())
    assert evidence["open_parts"] == evidence["empty_parts"] == 0
    assert set(evidence["triangles"]) == set(PART_NAMES)
    assert sum(evidence["triangles"].values()) == len(parted().faces)
    torn = replace(parted(), faces=parted().faces[1:], face_part=parted().face_part[1:],
                   lid=parted().lid[1:])  # fmt: skip
    assert partition_evidence(torn)["open_parts"] == 1


def test_the_skin_has_no_lids_and_every_part() -> None:
    skin = parted().skin()
    assert len(skin.faces) == (~parted().lid).sum()
    assert set(skin.part) == set(range(N_PARTS))
    assert (skin.part[skin.faces] == skin.part[skin.faces][:, :1]).all()
