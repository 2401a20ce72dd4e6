"""The whole job on characters whose answer is known, however they stand in their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rigline.avatar.body import N_PARTS, PART_NAMES
from rigline.avatar.canonical import MAX_SINKING, TURNS
from rigline.avatar.mesh import Floats
from rigline.bootstrap import Services, in_memory, open_services, set_up_avatar
from rigline.evaluation.rigs import Rig, rig_of
from rigline.formats.rigged_glb import read_rigged
from rigline.pipelines.avatar_outcome import Outcome
from rigline.settings import Settings
from tests.support.bodies import capsule_body
from tests.support.glb_files import gltf_problems, obj_text, plain_glb

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "benchmarks/samples").glob("*.glb"))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return in_memory(open_services(Settings(store=tmp_path_factory.mktemp("store"))))


def rig_from(outcome: Outcome) -> Rig:
    return rig_of(read_rigged(outcome.avatar_glb))


def in_heights(rig: Rig) -> Floats:
    """Joints in shares of the body's height."""
    return rig.joints / np.ptp(rig.vertices[:, 1])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_every_sample_gives_a_valid_avatar(services: Services, path: Path) -> None:
    outcome = set_up_avatar(services, path.read_bytes(), path.name)
    rig = rig_from(outcome)
    assert gltf_problems(outcome.avatar_glb) == []
    assert outcome.report.validation.errors == 0
    assert rig.joint_valid.all()
    np.testing.assert_allclose(rig.weights.sum(axis=1), 1, atol=1e-6)
    low, high = rig.vertices[:, 1].min(), rig.vertices[:, 1].max()
    assert abs(low) <= MAX_SINKING * (high - low)
    joints = in_heights(rig)
    names = {name: joints[p] for p, name in enumerate(PART_NAMES)}
    assert names["LeftUpperArm"][0] > names["RightUpperArm"][0]
    assert names["Head"][1] > names["LowerTorso"][1] > names["LeftLowerLeg"][1]


@pytest.mark.parametrize("turn", range(0, 24, 5))
def test_the_answer_does_not_depend_on_how_the_file_stands(services: Services, turn: int) -> None:
    body = capsule_body(pose="A")
    upright = rig_from(set_up_avatar(services, obj_text(body), "hero.obj"))
    turned = body.moved(100 * TURNS[turn])
    found = rig_from(set_up_avatar(services, obj_text(turned), "hero.obj"))
    assert np.linalg.norm(in_heights(found) - in_heights(upright), axis=1).max() < 0.03
    assert np.ptp(found.vertices[:, 1]) == pytest.approx(
        100 * np.ptp(body.vertices[:, 1]), rel=1e-4
    )


def test_a_plain_body_is_rigged_where_its_joints_are(services: Services) -> None:
    body = capsule_body(pose="A")
    rig = rig_from(set_up_avatar(services, plain_glb(body), "hero.glb"))
    error = np.linalg.norm(in_heights(rig) - body.joints / np.ptp(body.vertices[:, 1]), axis=1)
    assert error.mean() < 0.05
    assert (rig.part == body.part).mean() > 0.8
    assert len(np.unique(rig.part)) == N_PARTS


def test_two_runs_give_the_same_bytes(services: Services) -> None:
    data = SAMPLES[0].read_bytes()
    first = set_up_avatar(services, data, "a.glb")
    second = set_up_avatar(in_memory(services), data, "b.glb")
    assert first.avatar_glb == second.avatar_glb
    assert first.preview_png == second.preview_png
