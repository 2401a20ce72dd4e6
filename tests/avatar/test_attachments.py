"""The nineteen attachments: in their regions, on the surface, mirrored, grips across."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rigline.avatar.attachments import (
    SITES,
    place_attachments,
    quaternion,
    region_box,
    rotation_matrix,
)
from rigline.avatar.body import MIRROR, PARENT, Part
from rigline.avatar.surface_queries import lattice_samples, nearest_on_surface
from tests.support.bodies import SyntheticBody, box_body, capsule_body

BODIES = [make(pose=pose) for make in (box_body, capsule_body) for pose in ("A", "T", "I")]


def placed(body: SyntheticBody):  # type: ignore[no-untyped-def]
    return place_attachments(body.vertices, body.faces, body.part, body.joints)


def test_there_are_nineteen_in_the_published_order() -> None:
    names = [a.name for a in placed(box_body())]
    assert names == [site.name for site in SITES]
    assert len(set(names)) == 19
    assert all(name.endswith("_Att") for name in names)


@pytest.mark.parametrize("body", BODIES)
def test_each_lies_in_its_region(body: SyntheticBody) -> None:
    for site, point in zip(SITES, placed(body), strict=True):
        assert point.part == site.part
        if not site.at_joint:
            low, high = region_box(site, body.vertices[body.part == site.part])
            assert (point.position >= low - 1e-12).all()
            assert (point.position <= high + 1e-12).all()


@pytest.mark.parametrize("body", BODIES)
def test_surface_ones_lie_on_the_surface(body: SyntheticBody) -> None:
    points = [p for s, p in zip(SITES, placed(body), strict=True) if s.ray is not None]
    positions = np.array([p.position for p in points])
    samples = lattice_samples(body.vertices, body.faces, 0.01, 20_000)
    nearest, _ = nearest_on_surface(positions, body.vertices, body.faces, samples)
    np.testing.assert_allclose(positions, nearest, atol=1e-6)


def test_known_places_of_the_box_body() -> None:
    body = box_body()
    by_name = {a.name: a.position for a in placed(body)}
    head = body.vertices[body.part == Part.HEAD]
    assert by_name["Hat_Att"][1] == pytest.approx(1.0)
    assert by_name["FaceFront_Att"][2] == pytest.approx(head[:, 2].max())
    np.testing.assert_array_equal(by_name["Root_Att"], body.joints[Part.LOWER_TORSO])
    assert by_name["LeftFoot_Att"][1] == pytest.approx(0.0)
    assert by_name["LeftCollar_Att"][0] > 0 > by_name["RightCollar_Att"][0]
    assert by_name["BodyFront_Att"][2] > by_name["BodyBack_Att"][2]


def test_left_and_right_mirror_each_other() -> None:
    by_name = {a.name: a for a in placed(capsule_body())}
    for name, left in by_name.items():
        if name.startswith("Left"):
            right = by_name[name.replace("Left", "Right")]
            np.testing.assert_allclose(left.position * (-1, 1, 1), right.position, atol=1e-9)
            assert MIRROR[left.part] == right.part or left.part == right.part


@pytest.mark.parametrize("pose", ["A", "T", "I"])
def test_grips_stand_across_the_lower_arm(pose) -> None:  # type: ignore[no-untyped-def]
    body = box_body(pose=pose)
    for point in placed(body):
        if "Grip" in point.name:
            arm = body.joints[point.part] - body.joints[PARENT[point.part]]
            matrix = rotation_matrix(point.rotation)
            assert matrix[:, 2] @ arm == pytest.approx(0, abs=1e-12)
            assert matrix[:, 1] @ arm == pytest.approx(-np.linalg.norm(arm))
            assert np.linalg.det(matrix) == pytest.approx(1)
            assert matrix[2, 2] > 0.9


def test_an_arm_pointing_forwards_has_a_grip_too() -> None:
    body = box_body(pose="T")
    joints = body.joints.copy()
    joints[Part.LEFT_HAND] = joints[Part.LEFT_LOWER_ARM] + [0, 0, 0.1]
    points = place_attachments(body.vertices, body.faces, body.part, joints)
    grip = next(a for a in points if a.name == "LeftGrip_Att")
    assert np.isfinite(grip.rotation).all()
    assert rotation_matrix(grip.rotation)[:, 2] @ [0, 0, 1] == pytest.approx(0, abs=1e-9)


def test_empty_parts_lend_their_joint() -> None:
    body = box_body().without(*Part)
    body = SyntheticBody(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.zeros(3, int), body.joints)
    for point in placed(body):
        assert np.isfinite(point.position).all()
        if point.part != Part.HEAD:
            np.testing.assert_array_equal(point.position, body.joints[point.part])


def test_quaternions_match_the_matrices() -> None:
    for rotation in Rotation.random(50, rng=4):
        matrix = rotation.as_matrix()
        np.testing.assert_allclose(rotation_matrix(quaternion(matrix)), matrix, atol=1e-12)
        expected = rotation.as_quat(canonical=True)
        np.testing.assert_allclose(quaternion(matrix), expected, atol=1e-12)
