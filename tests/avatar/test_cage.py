"""The cage's template and its fit to bodies, known and real."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rigline.avatar import body as body_module
from rigline.avatar import cage_kernel
from rigline.avatar.body import CHILD, MIRROR, N_PARTS, PARENT, SIDE, TOP_DOWN, Part
from rigline.avatar.cage import cage_evidence, fit_cage
from rigline.avatar.cage_template import CAGE_NAMES, RINGS, SEGMENTS, template
from rigline.avatar.mesh import Floats, Ints, face_areas
from rigline.avatar.surface_queries import winding_numbers
from rigline.errors import InvalidInput
from tests.support.bodies import SyntheticBody, box_body, capsule_body

POSES = ("A", "T", "I")
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "eval" / "truth"
FLIP = np.array([-1.0, 1.0, 1.0])


def fit(body: SyntheticBody) -> Floats:
    return fit_cage(body.vertices, body.faces, body.part, body.joints).vertices


def evidence(body: SyntheticBody) -> dict[str, float]:
    cage = fit_cage(body.vertices, body.faces, body.part, body.joints)
    return cage_evidence(cage, body.vertices, body.faces, body.part)


def welded_faces(part: int) -> Ints:
    topology = template()
    return topology.twin[topology.faces[topology.face_slices[part]]]


def rings_of(cage: Floats, part: int) -> Floats:
    """The rings ``(R, S + 1, 3)`` of a part, without its poles."""
    return cage[template().vertex_slices[part]][1:-1].reshape(RINGS[part], -1, 3)


def signed_volume(vertices: Floats, faces: Ints) -> float:
    a, b, c = (vertices[faces[:, k]] - vertices[faces].mean(axis=(0, 1)) for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def expected_mirror(cage: Floats) -> Floats:
    """The mirrored cage in the template's order: right for left, and central rings backwards."""
    topology = template()
    mirrored = np.empty_like(cage)
    for part in range(N_PARTS):
        source = cage[topology.vertex_slices[MIRROR[part]]] * FLIP
        if SIDE[part] == 0:
            shape = (RINGS[part], SEGMENTS[part] + 1, 3)
            source[1:-1] = source[1:-1].reshape(shape)[:, ::-1].reshape(-1, 3)
        mirrored[topology.vertex_slices[part]] = source
    return mirrored


def test_template_is_fixed_and_complete() -> None:
    topology = template()
    assert topology is template()
    assert topology.n_vertices == 1469
    assert len(topology.vertex_slices) == len(CAGE_NAMES) == N_PARTS
    assert topology.vertex_slices[-1].stop == topology.n_vertices
    assert topology.face_slices[-1].stop == len(topology.faces)
    assert topology.is_pole.sum() == 2 * N_PARTS
    with pytest.raises(ValueError, match="read-only"):
        topology.uvs[0] = 0.0


@pytest.mark.parametrize("part", range(N_PARTS))
def test_parts_are_closed_and_consistently_wound(part: int) -> None:
    topology = template()
    own = topology.vertex_slices[part]
    faces = topology.faces[topology.face_slices[part]]
    assert faces.min() == own.start
    assert faces.max() == own.stop - 1
    welded = welded_faces(part)
    directed = welded[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)
    reverse = {tuple(edge) for edge in directed[:, ::-1].tolist()}
    assert reverse == {tuple(edge) for edge in directed.tolist()}


def test_uvs_fill_one_rectangle_a_part_without_flat_triangles() -> None:
    topology = template()
    assert topology.uvs.min() >= 0
    assert topology.uvs.max() <= 1
    a, b, c = (topology.uvs[topology.faces[:, k]] for k in range(3))
    first, second = b - a, c - a
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    assert area.min() > 1e-6
    boxes = [(topology.uvs[s].min(axis=0), topology.uvs[s].max(axis=0)) for s in
             topology.vertex_slices]  # fmt: skip
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[i + 1 :]:
            assert (high < other_low).any() or (other_high < low).any()


def test_left_and_right_share_parameters() -> None:
    topology = template()
    for part in np.flatnonzero(SIDE > 0):
        left = topology.vertex_slices[part]
        right = topology.vertex_slices[MIRROR[part]]
        np.testing.assert_array_equal(topology.t[left], topology.t[right])
        np.testing.assert_array_equal(topology.angle_rad[left], topology.angle_rad[right])


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("make", [box_body, capsule_body])
def test_cage_wraps_known_bodies(make, pose) -> None:  # type: ignore[no-untyped-def]
    found = evidence(make(pose=pose))
    assert found["inside_share"] < 0.06
    assert found["max_distance"] < 0.05
    assert found["mean_distance"] < 0.02
    assert found["bare_parts"] == 0


@pytest.mark.parametrize("pose", POSES)
def test_every_part_winds_outwards_and_encloses_its_bone(pose) -> None:  # type: ignore[no-untyped-def]
    body = capsule_body(pose=pose)
    cage = fit(body)
    for part in range(N_PARTS):
        faces = template().faces[template().face_slices[part]]
        assert signed_volume(cage, faces) > 0
        middle = np.median(body.vertices[body.part == part], axis=0)
        assert winding_numbers(middle[None], cage, faces)[0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("make", [box_body, capsule_body])
def test_cage_is_mirror_symmetric(make) -> None:  # type: ignore[no-untyped-def]
    """Within 0.3 %: the central pieces' quads are cut along one diagonal, so samples differ."""
    cage = fit(make())
    np.testing.assert_allclose(cage, expected_mirror(cage), rtol=0, atol=0.003)


@pytest.mark.parametrize("make", [box_body, capsule_body])
def test_cage_of_mirrored_triangles_is_exactly_symmetric(make) -> None:  # type: ignore[no-untyped-def]
    body = make()
    flipped = body.faces[:, ::-1] + len(body.vertices)
    both = SyntheticBody(
        np.concatenate([body.vertices, body.vertices * FLIP]),
        np.concatenate([body.faces, flipped]),
        np.concatenate([body.part, np.array(MIRROR)[body.part]]),
        body.joints,
    )
    cage = fit(both)
    np.testing.assert_allclose(cage, expected_mirror(cage), rtol=0, atol=1e-9)


@pytest.mark.parametrize("noise", [1e-12, 1e-9, 1e-6])
@pytest.mark.parametrize("make", [box_body, capsule_body])
def test_rounding_does_not_move_the_cage(make, noise) -> None:  # type: ignore[no-untyped-def]
    """Boxes flush with the joints put samples on every border there is."""
    body = make()
    shift = noise * np.random.default_rng(0).standard_normal(body.vertices.shape)
    moved = fit(replace(body, vertices=body.vertices + shift))
    np.testing.assert_allclose(moved, fit(body), rtol=0, atol=1e-9 + 100 * noise)


def test_mirrored_asymmetric_body_gets_the_mirrored_cage() -> None:
    rng = np.random.default_rng(5)
    body = capsule_body()
    bent = body.vertices + 0.01 * rng.standard_normal(body.vertices.shape)
    body = replace(body, vertices=bent)
    mirrored = SyntheticBody(
        body.vertices * FLIP,
        body.faces[:, ::-1],
        np.array(MIRROR)[body.part],
        body.joints[list(MIRROR)] * FLIP,
    )
    np.testing.assert_allclose(fit(mirrored), expected_mirror(fit(body)), atol=1e-9)


def test_result_does_not_depend_on_the_order_of_faces_or_vertices() -> None:
    body = box_body(segments=3)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(body.vertices))
    place = np.argsort(order)
    faces = np.roll(place[body.faces][rng.permutation(len(body.faces))], 1, axis=1)
    shuffled = SyntheticBody(body.vertices[order], faces, body.part[order], body.joints)
    np.testing.assert_allclose(fit(shuffled), fit(body), atol=1e-9)


def test_seam_vertices_coincide_and_facing_rings_meet() -> None:
    cage = fit(capsule_body())
    topology = template()
    np.testing.assert_array_equal(cage, cage[topology.twin])
    for part in range(N_PARTS):
        if CHILD[part] >= 0:
            ours = rings_of(cage, part)[-1]
            theirs = rings_of(cage, CHILD[part])[0]
            np.testing.assert_array_equal(ours, theirs)


def test_rings_surround_the_bone_without_twist() -> None:
    """Neighbouring rings turn together: no vertex has its nearest neighbour far around the ring."""
    cage = fit(box_body(segments=4))
    for part in range(3, N_PARTS):
        rings = rings_of(cage, part)[:, :-1]
        gap = np.linalg.norm(rings[:-1, :, None] - rings[1:, None], axis=3)
        turn = (gap.argmin(axis=2) - np.arange(gap.shape[1])) % gap.shape[1]
        assert (np.minimum(turn, gap.shape[1] - turn) <= 1).all()


def test_missing_parts_get_a_small_tube_around_their_bone() -> None:
    body = capsule_body().without(Part.LEFT_HAND, Part.RIGHT_FOOT, Part.LOWER_TORSO)
    cage = fit(body)
    assert np.isfinite(cage).all()
    hand = cage[template().vertex_slices[Part.LEFT_HAND]]
    assert np.linalg.norm(hand - body.joints[Part.LEFT_HAND], axis=1).max() < 0.15
    assert np.ptp(hand, axis=0).max() > 0.02
    assert evidence(body)["bare_parts"] == 3


@pytest.mark.parametrize("seed", range(6))
def test_any_soup_gives_a_finite_cage_near_the_body(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 400))
    vertices = rng.random((count, 3)) * rng.choice([0.01, 1.0], 3)
    faces = rng.integers(0, count, (int(rng.integers(1, 300)), 3))
    part = rng.integers(0, N_PARTS, count) if seed % 2 else np.full(count, seed)
    joints = rng.random((N_PARTS, 3)) if seed % 3 else np.zeros((N_PARTS, 3))
    body = SyntheticBody(vertices, faces, part, joints)
    cage = fit(body)
    assert np.isfinite(cage).all()
    assert all(np.isfinite(value) for value in evidence(body).values())


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("back", [0.0, -0.3])
def test_a_held_lance_is_left_out(pose, back) -> None:  # type: ignore[no-untyped-def]
    body = capsule_body(pose=pose)
    grip = body.vertices[body.part == Part.LEFT_HAND].mean(axis=0)
    lance = grip + np.array([[0, 0, back], [0, 0, 0.9], [0.004, 0, back], [0, 0.004, 0.9]])
    n = len(body.vertices)
    armed = SyntheticBody(
        np.concatenate([body.vertices, lance]),
        np.concatenate([body.faces, n + np.array([[0, 1, 2], [1, 3, 2]])]),
        np.concatenate([body.part, np.full(4, Part.LEFT_HAND)]),
        body.joints,
    )
    off = np.linalg.norm(fit(armed) - fit(body), axis=1)
    assert off.max() < 0.05
    assert np.median(off[template().vertex_slices[Part.LEFT_HAND]]) < 0.015


def test_evidence_sees_a_shrunken_and_a_blown_up_cage() -> None:
    body = capsule_body()
    cage = fit_cage(body.vertices, body.faces, body.part, body.joints)
    middle = np.repeat(
        [np.median(body.vertices[body.part == p], axis=0) for p in range(N_PARTS)],
        [s.stop - s.start for s in template().vertex_slices],
        axis=0,
    )
    arrays = (body.vertices, body.faces, body.part)
    small = replace(cage, vertices=middle + 0.5 * (cage.vertices - middle))
    large = replace(cage, vertices=middle + 2.5 * (cage.vertices - middle))
    assert cage_evidence(small, *arrays)["inside_share"] > 0.8
    assert cage_evidence(large, *arrays)["max_distance"] > 0.12


def test_wrong_input_is_named() -> None:
    body = box_body()
    with pytest.raises(InvalidInput, match="joints"):
        fit_cage(body.vertices, body.faces, body.part, body.joints * np.nan)
    with pytest.raises(InvalidInput, match="parts"):
        fit_cage(body.vertices, body.faces, body.part[:-1], body.joints)


def truth(name: str) -> SyntheticBody:
    data = np.load(SHARED / f"{name}.npz")
    vertices = data["vertices"].astype(np.float64)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    scale = 1 / (high[1] - low[1])
    joints = (data["joint"] - origin) * scale
    part = data["part"].astype(np.int64)
    for p in TOP_DOWN:
        if not data["joint_valid"][p]:
            own = vertices[part == p]
            anchor = joints[PARENT[p]] if PARENT[p] >= 0 else joints[[9, 12]].mean(axis=0)
            joints[p] = (own.mean(axis=0) - origin) * scale if len(own) else anchor
    return SyntheticBody((vertices - origin) * scale, data["faces"].astype(np.int64), part, joints)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the evaluation characters are not beside us")
@pytest.mark.parametrize("name", ["kk_mage", "q_alien", "rb_m04", "rl_robot", "vrm_godette"])
def test_real_characters_are_wrapped(name: str) -> None:
    body = truth(name)
    found = evidence(body)
    assert found["inside_share"] < 0.10
    assert found["max_distance"] < 0.12
    cage = fit(body)
    areas = face_areas(cage, template().faces)
    assert np.median(areas) > 1e-6


def test_the_kernel_knows_the_parts_as_the_rest_of_rigline_does() -> None:
    for part in Part:
        assert getattr(cage_kernel, part.name) == part
    for name in ("N_PARTS", "PARENT", "CHILD", "MIRROR", "SIDE"):
        assert np.array_equal(getattr(cage_kernel, name), getattr(body_module, name)), name
    assert len(template().part) == cage_kernel.N_VERTICES


def test_the_kernel_imports_numpy_and_scipy_alone() -> None:
    source = Path(cage_kernel.__file__).read_text("utf-8")
    roots = set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE))
    assert roots - set(sys.stdlib_module_names) == {"numpy", "scipy"}


def test_the_kernel_lays_a_cage_around_a_single_point() -> None:
    vertices = cage_kernel.fit_vertices(np.zeros((1, 3)), np.array([0]), np.zeros((15, 3)))
    assert vertices.shape == (cage_kernel.N_VERTICES, 3)
    assert np.isfinite(vertices).all()
