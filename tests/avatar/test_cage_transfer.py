"""Cages pushed out of bodies, and templates of other makers laid around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rigline.avatar.body import Part
from rigline.avatar.cage import OuterCage, fit_cage
from rigline.avatar.cage_template import template
from rigline.avatar.cage_transfer import CageMeshes, boxed, onto_template, own_cages, pushed_out
from rigline.avatar.mesh import Floats
from rigline.avatar.surface_queries import lattice_samples, nearest_on_surface, share_inside
from rigline.errors import InvalidInput
from tests.support.bodies import SyntheticBody, capsule_body
from tests.support.parted import one_skin, synthetic


def cage_of(body: SyntheticBody) -> OuterCage:
    return fit_cage(body.vertices, body.faces, body.part, body.joints)


def gaps(points: Floats, body: SyntheticBody) -> Floats:
    samples = lattice_samples(body.vertices, body.faces, 0.01, 20_000)
    nearest, _ = nearest_on_surface(points, body.vertices, body.faces, samples, 30)
    return np.linalg.norm(points - nearest, axis=1)


def foreign(pose: str = "A") -> CageMeshes:
    """A template that is not ours: every second ring of our cage's kind, turned, in centimetres."""
    cages = own_cages(cage_of(capsule_body(12, pose)))  # type: ignore[arg-type]
    divided, faces = [cages.vertices], cages.faces
    return replace(cages, vertices=np.concatenate(divided) * [-170, 170, -170] + [3, 40, 1],
                   faces=faces)  # fmt: skip


def test_a_sunken_cage_is_pushed_out_and_stays_together() -> None:
    solid, joints = one_skin(), synthetic().joints
    part = solid.weights.argmax(axis=1)
    cage = fit_cage(solid.vertices, solid.faces, part, joints)
    middle = joints[template().part]
    sunk = OuterCage(middle + 0.8 * (cage.vertices - middle))
    out = pushed_out(sunk, solid.vertices, solid.faces, part)
    rings = ~template().is_pole
    before, after = (
        share_inside(c.vertices[rings], solid.vertices, solid.faces) for c in (sunk, out)
    )
    assert before > 0.3
    assert after < 0.05
    np.testing.assert_array_equal(out.vertices, out.vertices[template().twin])


def test_a_cage_much_wider_than_its_part_is_brought_in() -> None:
    body = capsule_body(16)
    cage, foot = cage_of(body), template().part == Part.LEFT_FOOT
    wide = OuterCage(np.where(foot[:, None], cage.vertices * [1, 1, 6], cage.vertices))
    found = boxed(wide, body.vertices, body.part, 0.05)
    size = np.ptp(body.vertices[body.part == Part.LEFT_FOOT], axis=0)
    assert (np.ptp(wide.vertices[foot], axis=0) > 2 * size + 0.05).any()
    assert (np.ptp(found.vertices[foot], axis=0) <= 2 * size + 0.05).all()
    np.testing.assert_array_equal(
        boxed(cage, body.vertices, body.part, 0.05).vertices, cage.vertices
    )


def test_a_cage_outside_stays_as_it_is() -> None:
    body = capsule_body(16)
    wide = OuterCage(cage_of(body).vertices * 3 + [0, 5, 0])
    same = pushed_out(wide, body.vertices, body.faces, body.part)
    np.testing.assert_array_equal(same.vertices, wide.vertices)


@pytest.mark.parametrize("pose", ["A", "T"])
def test_another_template_is_laid_around_the_body(pose: str) -> None:
    user = foreign(pose)
    body = capsule_body(16).moved(np.diag([1.3, 1.0, 1.2]))
    laid = onto_template(user, cage_of(body))
    np.testing.assert_array_equal(laid.faces, user.faces)
    np.testing.assert_array_equal(laid.uvs, user.uvs)
    assert gaps(laid.vertices, body).max() < 0.12
    assert share_inside(laid.vertices, body.vertices, body.faces) < 0.15
    for part in Part:
        own = laid.vertices[laid.part == part].mean(axis=0)
        assert np.linalg.norm(own - body.vertices[body.part == part].mean(axis=0)) < 0.06
    np.testing.assert_allclose(laid.vertices, laid.vertices[template().twin], atol=1e-9)


def test_a_template_without_a_part_is_refused() -> None:
    user = foreign()
    kept = user.part[user.faces[:, 0]] != Part.LEFT_HAND
    with pytest.raises(InvalidInput, match="LeftHand_OuterCage"):
        replace(user, part=np.where(user.part == Part.LEFT_HAND, Part.LEFT_FOOT, user.part),
                faces=user.faces[kept])  # fmt: skip
