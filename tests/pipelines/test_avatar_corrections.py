"""Corrections of a real character: what changes, what does not, and what is left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rigline.avatar.body import PART_NAMES, Part
from rigline.avatar.mesh import Floats, weld
from rigline.bootstrap import Services, avatar_pipeline, open_services
from rigline.engine.override import Override
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput
from rigline.evaluation.rigs import rig_of
from rigline.formats.rigged_glb import read_rigged
from rigline.pipelines.avatar_corrections import corrected
from rigline.pipelines.avatar_outcome import AVATAR_JOBS, conclude
from rigline.pipelines.correction_preview import preview_corrections
from rigline.pipelines.job_kind import FinishedRun
from rigline.pipelines.report import AssetEntry
from rigline.review.correction import OPS_BY_STAGE, Correction, parse_correction
from rigline.settings import Settings
from rigline.storage.local import LocalStore
from rigline.storage.overlay import OverlayStore
from rigline.triage.subject import Subject
from tests.support.glb_files import gltf_problems

SAMPLE = Path(__file__).resolve().parents[2] / "benchmarks/samples/straw_hat.glb"
ELBOW = Part.LEFT_LOWER_ARM


@dataclass(frozen=True)
class Finished:
    """A job that ran once. ``store`` is never written to by the tests."""

    services: Services
    store: LocalStore
    pipeline: Pipeline
    asset_sha256: str
    runs: Mapping[str, StageRun]
    bench: Workbench

    def trial(self) -> Workbench:
        """A workbench whose outputs are forgotten with it."""
        return replace(self.bench, store=OverlayStore(self.store), values={**self.bench.values})

    def run(
        self, bench: Workbench, *corrections: Correction, overrides: tuple[Override, ...] = ()
    ) -> dict[str, StageRun]:
        return run_pipeline(
            self.pipeline,
            self.asset_sha256,
            bench,
            overrides=overrides,
            amendments=[AVATAR_JOBS.amendment(c) for c in corrections],
        )

    def value(self, stage: str) -> Any:
        return self.bench.value(self.pipeline, stage, self.runs[stage].sha256)

    def correction(self, stage: str, *ops: dict[str, Any], base: str = "") -> Correction:
        return parse_correction(
            {
                "schema_version": 1,
                "stage": stage,
                "base_artifact_sha256": base or self.runs[stage].sha256,
                "ops": list(ops),
            }
        )

    def corrected(self, stage: str, *ops: dict[str, Any]) -> Any:
        inputs = {n: self.value(n) for n in self.pipeline.stage(stage).inputs}
        return corrected(self.correction(stage, *ops), self.value(stage), inputs)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    services = replace(open_services(Settings(store=str(store.root))), store=store)
    pipeline = avatar_pipeline(services.settings)
    bench = Workbench(store, services.models, SAMPLE.name)
    asset = store.put(SAMPLE.read_bytes())
    runs = run_pipeline(pipeline, asset, bench)
    return Finished(services, store, pipeline, asset, runs, bench)


def elbow_at(job: Finished, shift: tuple[float, float, float]) -> dict[str, Any]:
    place = (job.value("rig").joints[ELBOW] + np.array(shift)).tolist()
    return {"op": "move_joint", "joint": "LeftLowerArm", "position": place}


def in_the_file(job: Finished, place: Sequence[float]) -> Floats:
    """Where a canonical place is in the finished avatar."""
    upright = job.value("orient")
    return (np.array(place) - upright.own_origin()) * upright.height_asset


def computed(runs: Mapping[str, StageRun]) -> set[str]:
    return {name for name, run in runs.items() if not run.reused}


def test_a_moved_joint_runs_what_depends_on_it_and_is_where_it_was_put(job: Finished) -> None:
    op = elbow_at(job, (0.03, -0.02, 0.01))
    bench = job.trial()
    runs = job.run(bench, job.correction("rig", op))
    assert computed(runs) == {"skin", "cage", "attach", "assemble", "validate", "picture"}
    glb = bench.store.get(runs["assemble"].sha256)
    height = job.value("orient").height_asset
    rig = rig_of(read_rigged(glb))
    np.testing.assert_allclose(
        rig.joints[ELBOW], in_the_file(job, op["position"]), atol=1e-5 * height
    )
    others = np.arange(len(PART_NAMES)) != ELBOW
    before = rig_of(read_rigged(job.value("assemble"))).joints
    np.testing.assert_allclose(rig.joints[others], before[others], atol=1e-6 * height)
    assert gltf_problems(glb) == []
    skin = bench.value(job.pipeline, "skin", runs["skin"].sha256)
    assert (skin.dense() != job.value("skin").dense()).any()


def test_the_report_shows_the_joint_where_it_was_put(job: Finished) -> None:
    op = elbow_at(job, (0.02, 0, 0))
    bench = job.trial()
    runs = job.run(bench, job.correction("rig", op))
    asset = AssetEntry(name="a.glb", sha256=job.asset_sha256, bytes=1)
    subject = Subject(job.asset_sha256)
    finished = FinishedRun(job.pipeline, bench, asset, runs, job.services.policy, subject)
    report = conclude(finished).report
    joint = report.joints["LeftLowerArm"]
    assert joint.position_canonical == pytest.approx(op["position"])
    assert joint.position == pytest.approx(in_the_file(job, op["position"]).tolist())


def test_found_joints_stay_and_the_last_of_two_operations_wins(job: Finished) -> None:
    far, near = elbow_at(job, (0.1, 0, 0)), elbow_at(job, (0.01, 0, 0))
    before = job.value("rig").joints.copy()
    skeleton = job.corrected("rig", far, near)
    np.testing.assert_array_equal(skeleton.joints[ELBOW], near["position"])
    np.testing.assert_array_equal(skeleton.found_joints, job.value("rig").found_joints)
    np.testing.assert_array_equal(job.value("rig").joints, before)


def test_correcting_twice_goes_on_from_the_first_correction(job: Finished) -> None:
    bench = job.trial()
    op = elbow_at(job, (0.02, 0, 0))
    once = job.run(bench, job.correction("rig", op))
    override = once["rig"].override
    assert override is not None
    assert override.base_sha256 == job.runs["rig"].sha256
    head = {"op": "move_joint", "joint": "Head", "position": [0, 0.8, 0]}
    second = job.correction("rig", head, base=override.sha256)
    twice = job.run(bench, second, overrides=(override,))
    skeleton = bench.value(job.pipeline, "rig", twice["rig"].sha256)
    np.testing.assert_array_equal(skeleton.joints[ELBOW], op["position"])
    np.testing.assert_array_equal(skeleton.joints[Part.HEAD], head["position"])
    np.testing.assert_array_equal(skeleton.found_joints, job.value("rig").found_joints)
    assert twice["rig"].override == Override("rig", override.base_sha256, twice["rig"].sha256)


def test_a_preview_shows_what_will_be_and_leaves_the_store_as_it_was(job: Finished) -> None:
    change = job.correction("rig", elbow_at(job, (0.02, 0.01, 0)))
    before = listing(job.store)
    known = set(job.bench.values)
    seen = preview_corrections(
        job.pipeline, job.asset_sha256, job.bench, [AVATAR_JOBS.amendment(change)]
    )
    assert listing(job.store) == before
    assert set(job.bench.values) == known
    assert set(seen.outputs) == {"rig"} | computed(seen.runs)
    bench = job.trial()
    runs = job.run(bench, change)
    assert {n: r.sha256 for n, r in runs.items()} == {n: r.sha256 for n, r in seen.runs.items()}
    assert seen.outputs["assemble"] == bench.store.get(runs["assemble"].sha256)


def listing(store: LocalStore) -> dict[Path, tuple[int, int]]:
    files = (path for path in store.root.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_a_correction_of_another_output_is_left_out_and_reported(job: Finished) -> None:
    change = job.correction("rig", elbow_at(job, (0.02, 0, 0)), base="0" * 64)
    seen = preview_corrections(
        job.pipeline, job.asset_sha256, job.bench, [AVATAR_JOBS.amendment(change)]
    )
    assert seen.dropped == ("rig",)
    assert seen.outputs == {}
    assert seen.runs["assemble"].sha256 == job.runs["assemble"].sha256


def test_relabelled_vertices_take_their_duplicates_along(job: Finished) -> None:
    mesh = job.value("orient")
    _, inverse = weld(mesh.vertices)
    doubled = np.flatnonzero(np.bincount(inverse) > 1)
    assert len(doubled)
    vertex = int(np.flatnonzero(inverse == doubled[0])[0])
    op = {"op": "relabel", "part": "LeftFoot", "vertices": [vertex], "faces": [5]}
    found = job.corrected("segment", op)
    for welded in np.unique(inverse[[vertex, *mesh.faces[5]]]):
        assert (found.part[inverse == welded] == Part.LEFT_FOOT).all()
    low, high = np.full(inverse.max() + 1, 99), np.zeros(inverse.max() + 1, int)
    np.minimum.at(low, inverse, found.part)
    np.maximum.at(high, inverse, found.part)
    np.testing.assert_array_equal(low, high)
    assert found.face_part[5] == Part.LEFT_FOOT
    assert (found.probability[mesh.faces[5], Part.LEFT_FOOT] == 1).all()
    assert found.part.dtype == found.face_part.dtype == np.uint8
    corners = found.part[mesh.faces]
    agreed = (corners == corners[:, :1]).all(axis=1)
    np.testing.assert_array_equal(found.face_part[agreed], corners[agreed, 0])
    untouched = ~np.isin(inverse[mesh.faces], inverse[[vertex, *mesh.faces[5]]]).any(axis=1)
    np.testing.assert_array_equal(
        found.face_part[untouched], job.value("segment").face_part[untouched]
    )


def test_labels_run_what_depends_on_them_and_not_the_rig(job: Finished) -> None:
    op = {"op": "relabel", "part": "LeftHand", "faces": list(range(40))}
    runs = job.run(job.trial(), job.correction("segment", op))
    assert computed(runs) == {"skin", "cage", "attach", "assemble", "validate", "picture"}


def test_a_character_turned_about_stands_the_other_way_on_the_same_floor(job: Finished) -> None:
    before = job.value("orient")
    turned = job.corrected("orient", {"op": "set_front", "front": [0, 0, -1]})
    np.testing.assert_allclose(turned.vertices, before.vertices * np.array([-1, 1, -1]), atol=1e-6)
    assert turned.height_asset == pytest.approx(before.height_asset)
    source = job.value("ingest").mesh.vertices
    matrix = turned.canonical_from_asset
    np.testing.assert_allclose(source @ matrix[:3, :3].T + matrix[:3, 3], turned.vertices)
    back = job.corrected("orient", {"op": "set_front", "front": [0, 0, 1]})
    np.testing.assert_allclose(back.vertices, before.vertices, atol=1e-9)


def test_a_character_that_lay_down_gets_its_height_anew(job: Finished) -> None:
    op = {"op": "set_front", "front": [0, -1, 0], "up": [0, 0, 1]}
    before, raised = job.value("orient"), job.corrected("orient", op)
    assert raised.vertices[:, 1].min() == pytest.approx(0, abs=1e-9)
    assert np.ptp(raised.vertices[:, 1]) == pytest.approx(1)
    assert raised.height_asset == pytest.approx(np.ptp(before.vertices[:, 2]) * before.height_asset)


def test_cage_vertices_take_along_what_is_at_the_same_place(job: Finished) -> None:
    cage = job.value("cage").vertices
    _, place = np.unique(cage, axis=0, return_inverse=True)
    place = place.reshape(-1)
    vertex = int(np.flatnonzero(np.bincount(place)[place] > 1)[0])
    goal = (cage[vertex] + 0.01).tolist()
    op = {"op": "move_cage_vertices", "vertices": [vertex], "positions": [goal]}
    bench = job.trial()
    runs = job.run(bench, job.correction("cage", op))
    moved = bench.value(job.pipeline, "cage", runs["cage"].sha256).vertices
    same = place == place[vertex]
    np.testing.assert_array_equal(moved[same], np.tile(goal, (same.sum(), 1)))
    np.testing.assert_array_equal(moved[~same], cage[~same])
    assert computed(runs) == {"assemble", "validate", "picture"}


def test_a_moved_attachment_is_in_the_file_where_it_was_put(job: Finished) -> None:
    before = job.value("attach").points()[2]
    goal = (before.position + np.array([0, -0.01, 0.01])).tolist()
    op = {"op": "move_attachment", "attachment": "Hat_Att", "position": goal}
    bench = job.trial()
    runs = job.run(bench, job.correction("attach", op))
    assert computed(runs) == {"assemble", "validate"}
    model = read_rigged(bench.store.get(runs["assemble"].sha256))
    hat = next(node for node in model.nodes if node.name == "Hat_Att")
    height = job.value("orient").height_asset
    np.testing.assert_allclose(
        hat.world_from_node[:3, 3], in_the_file(job, goal), atol=1e-5 * height
    )
    turn = {**op, "rotation": [0, 1, 0, 0]}
    after = job.corrected("attach", op, turn).points()[2]
    np.testing.assert_array_equal(after.rotation, [0, 1, 0, 0])
    np.testing.assert_array_equal(job.corrected("attach", op).points()[2].rotation, before.rotation)


@pytest.mark.parametrize("field", ["vertices", "faces"])
def test_a_number_that_the_artifact_lacks_is_named_with_its_operation(
    job: Finished, field: str
) -> None:
    good = {"op": "relabel", "part": "Head", "vertices": [0]}
    count = len(getattr(job.value("orient"), field))
    with pytest.raises(InvalidInput, match=f"Operation 1 names {count} among the {field}") as bad:
        job.run(
            job.trial(),
            job.correction("segment", good, {"op": "relabel", "part": "Head", field: [count]}),
        )
    assert bad.value.fields == {
        "op_index": 1, "field": field, "value": count, "stage": "segment",
    }  # fmt: skip


def test_every_stage_that_takes_operations_can_be_corrected(job: Finished) -> None:
    cases: dict[str, dict[str, Any]] = {
        "orient": {"op": "set_front", "front": [1, 0, 0]},
        "segment": {"op": "relabel", "part": "LeftFoot", "vertices": [0]},
        "rig": elbow_at(job, (0.01, 0, 0)),
        "cage": {"op": "move_cage_vertices", "vertices": [9], "positions": [[0, 1, 0]]},
        "attach": {"op": "move_attachment", "attachment": "Hat_Att", "position": [0, 1, 0]},
    }
    assert set(cases) == set(OPS_BY_STAGE)
    for stage, op in cases.items():
        codec = job.pipeline.stage(stage).codec
        first, second = job.corrected(stage, op), job.corrected(stage, op)
        assert codec.encode(first) == codec.encode(second) != codec.encode(job.value(stage))
    strange = job.correction("rig", cases["rig"]).model_copy(update={"stage": "skin"})
    with pytest.raises(InvalidInput, match="'skin' cannot be corrected"):
        corrected(strange, job.value("skin"), {})
