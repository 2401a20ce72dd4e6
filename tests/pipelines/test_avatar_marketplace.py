"""The marketplace preset on a real character: file, report, jobs and previews of corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rigline.avatar.attachments import quaternion
from rigline.avatar.body import PART_NAMES, Part
from rigline.avatar.cage_template import CAGE_NAMES
from rigline.avatar.cage_transfer import CageMeshes
from rigline.avatar.posing import pose, sweep_poses
from rigline.bootstrap import (
    Outcome,
    Services,
    avatar_pipeline,
    conclude,
    in_memory,
    keep_cage_template,
    open_services,
)
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput
from rigline.evaluation.rigs import rig_of
from rigline.formats.isolation import Isolation
from rigline.formats.rigged_glb import read_rigged
from rigline.formats.rigged_model import RiggedModel
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP, BODY_STAGES
from rigline.pipelines.avatar_outcome import MARKETPLACE_JOBS
from rigline.pipelines.cage_template_file import TEMPLATE_CODEC, read_template
from rigline.pipelines.correction_preview import preview_corrections
from rigline.pipelines.job_kind import FinishedRun
from rigline.pipelines.marketplace_options import MarketplaceOptions
from rigline.pipelines.report import AssetEntry
from rigline.review.correction import parse_correction
from rigline.settings import Settings
from rigline.triage.subject import Subject
from tests.support.glb_files import gltf_problems, posed_by_three

SAMPLE = Path(__file__).resolve().parents[2] / "benchmarks/samples/straw_hat.glb"


@dataclass(frozen=True)
class Finished:
    """A marketplace job that ran once."""

    services: Services
    pipeline: Pipeline
    bench: Workbench
    asset_sha256: str
    runs: Mapping[str, StageRun]
    outcome: Outcome

    @property
    def model(self) -> RiggedModel:
        return read_rigged(self.outcome.avatar_glb)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    services = in_memory(open_services(Settings(store=tmp_path_factory.mktemp("store"))))
    pipeline = avatar_pipeline(services.settings, "marketplace")
    bench = Workbench(services.store, services.models, SAMPLE.name)
    data = SAMPLE.read_bytes()
    sha256 = services.store.put(data)
    runs = run_pipeline(pipeline, sha256, bench)
    asset = AssetEntry(name=SAMPLE.name, sha256=sha256, bytes=len(data))
    subject = Subject(sha256)
    outcome = conclude(FinishedRun(pipeline, bench, asset, runs, services.policy, subject))
    return Finished(services, pipeline, bench, sha256, runs, outcome)


def test_the_file_is_valid_and_has_fifteen_parts_and_cages(finished: Finished) -> None:
    assert gltf_problems(finished.outcome.avatar_glb) == []
    names = [finished.model.nodes[mesh.node].name for mesh in finished.model.meshes]
    assert sorted(names) == sorted([*(f"{n}_Geo" for n in PART_NAMES), *CAGE_NAMES])


def test_the_report_is_of_the_marketplace(finished: Finished) -> None:
    report = finished.outcome.report
    assert report.pipeline == "avatar-marketplace"
    assert report.validation.preset == "marketplace"
    rig = rig_of(finished.model)
    for part, name in enumerate(PART_NAMES):
        np.testing.assert_allclose(rig.joints[part], report.joints[name].position, atol=1e-4)


def test_one_material_with_an_atlas_as_validation_wants_it(finished: Finished) -> None:
    sizes = {t.role: (t.width, t.height) for t in finished.model.textures}
    assert sizes == {
        "base_color": (1024, 1024), "metallic_roughness": (256, 256), "normal": (256, 256),
    }  # fmt: skip
    body = [m for m in finished.model.meshes if m.mesh_name.endswith("_Geo")]
    assert len({m.material for m in body}) == 1
    assert all(m.uvs is not None and 0 <= m.uvs.min() <= m.uvs.max() <= 1 for m in body)


def test_wrong_options_are_refused() -> None:
    for wrong in ({"body_type": "giant"}, {"atlas_px": 1000}, {"proportions": "none"}):
        with pytest.raises(InvalidInput, match="Use"):
            MarketplaceOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="marketplace"):
        avatar_pipeline(Settings(), "development", MarketplaceOptions())


def test_a_template_of_ones_own_takes_the_place_of_ours(finished: Finished) -> None:
    sha256 = keep_cage_template(finished.services, finished.outcome.avatar_glb, "mine.glb")
    options = MarketplaceOptions(cage_template=sha256)
    pipeline = avatar_pipeline(finished.services.settings, "marketplace", options)
    runs = run_pipeline(pipeline, finished.asset_sha256, finished.bench)
    assert {name for name, run in runs.items() if not run.reused} == {
        "assemble",
        "validate",
        "explain",
    }
    verdict = finished.bench.value(pipeline, "validate", runs["validate"].sha256)
    (rule,) = [r for r in verdict["rules"] if r["rule_id"] == "cage.template"]
    assert rule["passed"]
    assert verdict["cage_template"] == sha256
    assert sha256 in runs["assemble"].record.inputs.values()  # so that no sweep takes it
    model = read_rigged(finished.bench.value(pipeline, "assemble", runs["assemble"].sha256))
    for before, after in zip(finished.model.meshes, model.meshes, strict=True):
        assert before.mesh_name == after.mesh_name
        np.testing.assert_array_equal(before.faces, after.faces)
        if before.mesh_name in CAGE_NAMES:
            assert before.uvs is not None
            np.testing.assert_allclose(before.uvs, after.uvs, atol=1e-6)
            assert np.abs(before.vertices - after.vertices).mean() < 0.15
    with pytest.raises(InvalidInput, match="OuterCage"):
        read_template(SAMPLE.read_bytes())


def test_a_template_may_be_obj(finished: Finished) -> None:
    ours = read_template(finished.outcome.avatar_glb)
    found = read_template(obj_template(ours), "mine.obj", isolation=Isolation())
    for part in range(len(CAGE_NAMES)):
        (own, faces), (theirs, their_faces) = ours.of_part(part), found.of_part(part)
        corners = np.column_stack([ours.vertices[own], ours.uvs[own]])[faces]
        as_read = np.column_stack([found.vertices[theirs], found.uvs[theirs]])[their_faces]
        np.testing.assert_allclose(as_read, corners, atol=1e-5)
        assert len(theirs) <= len(own)
    assert TEMPLATE_CODEC.decode(TEMPLATE_CODEC.encode(found)).part.tolist() == found.part.tolist()


def obj_template(cages: CageMeshes) -> bytes:
    """The cages as OBJ with a normal for each face, as modelling tools write flat shading."""
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in cages.vertices]
    lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in cages.uvs]
    lines += [f"vn {k % 7} 1 {k % 3}" for k in range(len(cages.faces))]
    for part, name in enumerate(CAGE_NAMES):
        lines.append(f"o {name}")
        for k in np.flatnonzero(cages.part[cages.faces[:, 0]] == part):
            lines.append("f " + " ".join(f"{c + 1}/{c + 1}/{k + 1}" for c in cages.faces[k]))
    return "\n".join(lines).encode()


def test_no_seam_opens_in_any_pose(finished: Finished) -> None:
    rig = rig_of(finished.model)
    height = float(np.ptp(rig.vertices[:, 1]))
    _, place = np.unique(np.round(rig.vertices / height, 7), axis=0, return_inverse=True)
    for turns in sweep_poses(rig.joints).values():
        moved = pose(rig.vertices, rig.weights, rig.joints, turns)
        low, high = np.full((place.max() + 1, 3), np.inf), np.full((place.max() + 1, 3), -np.inf)
        np.minimum.at(low, place, moved)
        np.maximum.at(high, place, moved)
        assert (high - low).max() < 1e-4 * height


def test_another_reader_bends_it_as_we_do(finished: Finished) -> None:
    rig = rig_of(finished.model)
    height = float(np.ptp(rig.vertices[:, 1]))
    turns = sweep_poses(rig.joints)["walk"]
    named = {PART_NAMES[part]: quaternion(turn).tolist() for part, turn in turns.items()}
    theirs = posed_by_three(finished.outcome.avatar_glb, named)
    ours, start = pose(rig.vertices, rig.weights, rig.joints, turns), 0
    for mesh in finished.model.meshes:
        name = finished.model.nodes[mesh.node].name
        if name.endswith("_Geo"):
            stop = start + len(mesh.vertices)
            np.testing.assert_allclose(theirs[name], ours[start:stop], atol=1e-4 * height)
            start = stop
    assert start == len(ours)


def test_body_stages_are_shared_and_found_again(finished: Finished) -> None:
    names = {stage.name for stage in BODY_STAGES}
    assert AVATAR_AUTO_SETUP.stages[: len(BODY_STAGES)] == BODY_STAGES
    development = avatar_pipeline(finished.services.settings)
    again = run_pipeline(development, finished.asset_sha256, finished.bench)
    assert {name for name, run in again.items() if run.reused} == names


def test_a_moved_joint_is_previewed_with_the_parts_that_it_cuts(finished: Finished) -> None:
    found = finished.bench.value(finished.pipeline, "rig", finished.runs["rig"].sha256)
    place = found.joints[Part.LEFT_LOWER_LEG] + [0, 0.03, 0]
    correction = parse_correction(
        {
            "schema_version": 1,
            "stage": "rig",
            "base_artifact_sha256": finished.runs["rig"].sha256,
            "ops": [{"op": "move_joint", "joint": "LeftLowerLeg", "position": place.tolist()}],
        }
    )
    preview = preview_corrections(
        finished.pipeline,
        finished.asset_sha256,
        finished.bench,
        [MARKETPLACE_JOBS.amendment(correction)],
    )
    assert {"rig", "partition", "reduce", "fit", "cage", "attach", "assemble"} <= set(
        preview.outputs
    )
    assert "segment" not in preview.outputs
    rig = rig_of(read_rigged(preview.outputs["assemble"]))
    before = rig_of(finished.model)
    height = np.ptp(before.vertices[:, 1])
    moved = (rig.joints - before.joints) / height
    assert moved[Part.LEFT_LOWER_LEG, 1] == pytest.approx(0.03, abs=1e-3)
