"""A file's own rig through the whole job: kept where it is plausible, and said in the report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rigline.avatar.body import MIRROR, PART_NAMES, Part
from rigline.avatar.skeleton import Skeleton
from rigline.bootstrap import Services, in_memory, open_services, set_up_avatar
from rigline.evaluation.rigs import rig_of
from rigline.formats.rigged_glb import read_rigged
from rigline.pipelines.avatar_outcome import Outcome
from rigline.pipelines.source_rig_reuse import KeptJoints
from rigline.settings import Settings
from tests.support.bodies import capsule_body
from tests.support.glb_files import edited, skinned_glb

BODY = capsule_body(24)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def services(settings: Settings) -> Services:
    return in_memory(open_services(settings))


def joint_gap(outcome: Outcome) -> float:
    """The largest distance of a joint from the body's own."""
    found = [outcome.report.joints[name].position_canonical for name in PART_NAMES]
    return float(np.abs(np.array(found) - BODY.joints).max())


def states(outcome: Outcome) -> tuple[str, str]:
    stages = outcome.report.stages
    return stages["rig"].evidence["source_rig"], stages["skin"].evidence["source_weights"]


def test_a_plausible_rig_is_kept_with_its_weights(services: Services) -> None:
    outcome = set_up_avatar(services, skinned_glb(BODY), "rigged.glb")
    assert states(outcome) == ("kept", "kept")
    assert joint_gap(outcome) < 1e-4
    rig = rig_of(read_rigged(outcome.avatar_glb))
    np.testing.assert_array_equal(rig.part, BODY.part)
    np.testing.assert_allclose(rig.weights, np.eye(15)[BODY.part], atol=1e-6)
    told = " ".join(outcome.report.warnings)
    assert "own rig (R15, 15 bones) was kept" in told
    assert "weights of the file's own rig were kept" in told


def test_weights_that_tear_the_body_are_made_anew(services: Services) -> None:
    """A strip of the forearm that hangs on the hips agrees with most labels all the same."""
    part = BODY.part.copy()
    strip = (part == Part.LEFT_LOWER_ARM) & (np.arange(len(part)) % 5 == 0)
    part[strip] = Part.LOWER_TORSO
    outcome = set_up_avatar(services, skinned_glb(replace(BODY, part=part)), "torn.glb")
    assert states(outcome) == ("kept", "refused")
    assert "bent, they tear" in " ".join(outcome.report.warnings)
    rig = rig_of(read_rigged(outcome.avatar_glb))
    assert (rig.part[strip] != Part.LOWER_TORSO).all()


def test_the_error_of_a_kept_joint_is_what_the_model_does_not_explain(services: Services) -> None:
    joints = (
        set_up_avatar(services, skinned_glb(BODY), "rigged.glb")
        .report.stages["rig"]
        .evidence["joints"]
    )
    assert all(0 <= j["expected_error"] <= j["source_gap"] for j in joints.values())
    models_own = np.full(15, 0.02)
    gaps = np.array([0.01, 0.05, *[np.nan] * 13])
    kept = KeptJoints(Skeleton(BODY.joints, BODY.joints), "kept", (), gaps)
    found = kept.expected_error(models_own)
    np.testing.assert_allclose(found, [0.0, 0.03, *[0.02] * 13])


def test_the_setting_turns_it_off(settings: Settings) -> None:
    off = in_memory(open_services(settings.model_copy(update={"reuse_rig": False})))
    outcome = set_up_avatar(off, skinned_glb(BODY), "rigged.glb")
    assert states(outcome) == ("off", "off")
    assert joint_gap(outcome) > 1e-3


def test_a_rig_whose_sides_are_swapped_is_refused(services: Services) -> None:
    """The names say that the body faces backwards, and all views deny it."""

    def swapped(document: dict[str, Any]) -> None:
        for node in document["nodes"]:
            if node.get("name") in PART_NAMES:
                node["name"] = PART_NAMES[MIRROR[PART_NAMES.index(node["name"])]]

    outcome = set_up_avatar(services, edited(skinned_glb(BODY), swapped), "rigged.glb")
    assert outcome.report.stages["orient"].evidence["front"] == "+Z"
    assert states(outcome) == ("refused", "refused")
    assert "left is on the body's right" in " ".join(outcome.report.warnings)
