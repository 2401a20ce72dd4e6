"""Scores: the truth is perfect, known faults cost what they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rigline.avatar.body import JOINT_NAMES, MIRROR, N_PARTS, PARENT, SIDE, Part
from rigline.avatar.mesh import Floats
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.evaluation.metrics import METRICS, Scores, score_rig
from rigline.evaluation.rigs import Rig, Truth, part_of_name, read_rig, read_truth
from rigline.evaluation.summary import evaluate, find_prediction, known_truth, summary_of
from tests.support.bodies import SyntheticBody, capsule_body

SWAP = np.array(MIRROR)
PERFECT = {
    "joint_mean": 0, "joint_mean_limb": 0, "joint_median": 0, "joint_max": 0, "pck2.5": 100,
    "pck5": 100, "seg_acc_vertex": 100, "seg_acc_area": 100, "seg_miou": 100, "weight_l1": 0,
    "weight_l1_area": 0, "deform_mean": 0, "deform_mean_moved": 0,
}  # fmt: skip


def blended(body: SyntheticBody) -> Floats:
    """Weights that share a fifth of each vertex with the part above."""
    weights = 0.8 * np.eye(N_PARTS)[body.part]
    above = np.where(np.array(PARENT) < 0, np.arange(N_PARTS), PARENT)[body.part]
    weights[np.arange(len(above)), above] += 0.2
    return weights


def truth_of(body: SyntheticBody) -> Truth:
    rig = Rig(body.vertices, body.part, body.joints, np.ones(N_PARTS, bool), blended(body))
    return Truth(rig, body.faces, np.arange(N_PARTS), np.full(3, np.nan))


def metrics_of(scores: Scores) -> dict[str, float]:
    return {name: scores[name] for name in METRICS}


@pytest.fixture(scope="module")
def truth() -> Truth:
    return truth_of(capsule_body())


def test_truth_as_prediction_is_perfect(truth: Truth) -> None:
    scores = score_rig(truth, truth.rig)
    assert metrics_of(scores) == pytest.approx(PERFECT)
    assert (scores["aligned"], scores["lr_swapped"], scores["joint_missing"]) == (False, False, [])
    assert set(scores["deform"]) == {
        "elbows70", "knees70", "shoulders45", "hips45", "head30", "waist25",
    }  # fmt: skip


def test_the_order_of_vertices_makes_no_difference(truth: Truth) -> None:
    order = np.random.default_rng(0).permutation(len(truth.rig.vertices))
    rig = replace(
        truth.rig,
        vertices=truth.rig.vertices[order],
        part=truth.rig.part[order],
        weights=truth.rig.weights[order],
    )
    scores = score_rig(truth, rig)
    assert metrics_of(scores) == pytest.approx(PERFECT)
    assert scores["match_max"] == 0


@pytest.mark.parametrize("scale", [100.0, 0.01, 1.5])
def test_a_scaled_and_shifted_prediction_is_aligned(truth: Truth, scale: float) -> None:
    shift = np.array([3.0, -2.0, 0.5])
    rig = replace(
        truth.rig,
        vertices=truth.rig.vertices * scale + shift,
        joints=truth.rig.joints * scale + shift,
    )
    scores = score_rig(truth, rig)
    assert scores["aligned"]
    assert metrics_of(scores) == pytest.approx(PERFECT, abs=1e-9)
    assert not score_rig(truth, rig, align=False)["aligned"]
    assert score_rig(truth, rig, align=False)["joint_mean"] > 10


def test_a_prediction_within_one_percent_is_left_where_it_is(truth: Truth) -> None:
    offset = np.array([0.008, 0, 0])
    rig = replace(truth.rig, vertices=truth.rig.vertices + offset, joints=truth.rig.joints + offset)
    scores = score_rig(truth, rig)
    assert not scores["aligned"]
    assert scores["joint_mean"] == pytest.approx(0.8)


def test_swapped_sides_are_noticed_in_the_parts(truth: Truth) -> None:
    rig = replace(truth.rig, part=SWAP[truth.rig.part], weights=truth.rig.weights[:, SWAP])
    scores = score_rig(truth, rig)
    assert scores["lr_swapped"]
    assert scores["seg_acc_area_if_swapped"] == pytest.approx(100)
    central = SIDE[truth.rig.part] == 0
    assert scores["seg_acc_vertex"] == pytest.approx(100 * central.mean())


def test_swapped_sides_are_noticed_in_the_joints(truth: Truth) -> None:
    scores = score_rig(truth, replace(truth.rig, joints=truth.rig.joints[SWAP]))
    assert scores["lr_swapped"]
    assert scores["seg_acc_area"] == pytest.approx(100)


def test_a_joint_off_by_a_known_length_costs_that_share_of_the_height(truth: Truth) -> None:
    joints = truth.rig.joints.copy()
    joints[Part.LEFT_LOWER_ARM] += [0, 0.03, 0.04]
    scores = score_rig(truth, replace(truth.rig, joints=joints))
    assert scores["joint_err"]["LeftElbow"] == pytest.approx(5)
    assert scores["joint_max"] == pytest.approx(5)
    assert scores["joint_mean"] == pytest.approx(5 / 15)
    assert scores["joint_mean_limb"] == pytest.approx(5 / 12)
    assert scores["pck2.5"] == pytest.approx(100 * 14 / 15)
    assert 0 < scores["deform"]["elbows70"]["mean"] < scores["deform"]["elbows70"]["mean_moved"] < 6
    assert scores["deform"]["knees70"]["mean"] == pytest.approx(0)


def test_a_missing_joint_counts_as_one_hundred_and_its_poses_are_left_out(truth: Truth) -> None:
    joints = truth.rig.joints.copy()
    joints[Part.HEAD] = np.nan
    scores = score_rig(truth, replace(truth.rig, joints=joints))
    assert scores["joint_missing"] == ["Neck"]
    assert scores["joint_mean"] == pytest.approx(100 / 15)
    assert "Neck" not in scores["joint_err"]
    assert scores["deform"]["head30"] is None
    assert scores["deform_mean"] == pytest.approx(0)


def test_a_joint_that_truth_lacks_is_not_scored(truth: Truth) -> None:
    valid = np.ones(N_PARTS, bool)
    valid[Part.LEFT_HAND] = False
    joints = truth.rig.joints.copy()
    joints[Part.LEFT_HAND] += 1
    lacking = replace(truth, rig=replace(truth.rig, joint_valid=valid))
    scores = score_rig(lacking, replace(truth.rig, joints=joints))
    assert scores["joint_max"] == pytest.approx(0)
    assert "LeftWrist" not in scores["joint_err"]


def test_weights_moved_to_another_part_cost_twice_their_share(truth: Truth) -> None:
    weights = truth.rig.weights.copy()
    head = truth.rig.part == Part.HEAD
    weights[head, Part.HEAD] -= 0.3
    weights[head, Part.LEFT_FOOT] += 0.3
    scores = score_rig(truth, replace(truth.rig, weights=weights))
    assert scores["weight_l1"] == pytest.approx(0.6 * head.mean())


def test_a_part_named_wrong_costs_its_vertices_and_its_overlap(truth: Truth) -> None:
    part = np.where(truth.rig.part == Part.LEFT_HAND, Part.LEFT_LOWER_ARM, truth.rig.part)
    scores = score_rig(truth, replace(truth.rig, part=part))
    assert scores["seg_acc_vertex"] == pytest.approx(100 * 14 / 15)
    assert scores["iou"]["LeftHand"] == 0
    assert 0 < scores["iou"]["LeftLowerArm"] < 100
    assert scores["iou"]["Head"] == pytest.approx(100)


def test_parts_that_count_as_their_parent_are_merged_on_both_sides(truth: Truth) -> None:
    merge = np.arange(N_PARTS)
    merge[Part.LEFT_HAND] = Part.LEFT_LOWER_ARM
    part = np.where(truth.rig.part == Part.LEFT_HAND, Part.LEFT_LOWER_ARM, truth.rig.part)
    scores = score_rig(replace(truth, merge=merge), replace(truth.rig, part=part))
    assert scores["seg_acc_vertex"] == 100
    assert "LeftHand" not in scores["iou"]
    assert scores["seg_miou"] == pytest.approx(100)


def test_of_coincident_vertices_the_one_that_fits_best_counts(truth: Truth) -> None:
    wrong = np.full_like(truth.rig.part, Part.HEAD)
    doubled = Rig(
        np.concatenate([truth.rig.vertices, truth.rig.vertices]),
        np.concatenate([wrong, truth.rig.part]),
        truth.rig.joints,
        truth.rig.joint_valid,
        np.concatenate([np.eye(N_PARTS)[wrong], truth.rig.weights]),
    )
    assert metrics_of(score_rig(truth, doubled)) == pytest.approx(PERFECT)


def test_the_other_waist_is_measured_where_truth_has_one(truth: Truth) -> None:
    lower = truth.rig.joints[Part.UPPER_TORSO] - [0, 0.02, 0]
    scores = score_rig(replace(truth, waist_alt=lower), truth.rig)
    assert scores["waist_alt_err"] == pytest.approx(2)
    assert "waist_alt_err" not in score_rig(truth, truth.rig)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("LeftHand", Part.LEFT_HAND),
        ("left_hand", Part.LEFT_HAND),
        ("LeftHand_Geo", Part.LEFT_HAND),
        ("Head_mesh.001", Part.HEAD),
        ("UPPER TORSO", Part.UPPER_TORSO),
        ("Hand", None),
        ("mixamorig:LeftHand", None),
        ("", None),
    ],
)
def test_parts_are_known_by_name(name: str, part: int | None) -> None:
    assert part_of_name(name) == part


def save_rig(path: Path, rig: Rig, **more: np.ndarray) -> Path:
    np.savez(path, vertices=rig.vertices, joint=rig.joints, weights=rig.weights, **more)
    return path


def save_truth(folder: Path, name: str, truth: Truth) -> None:
    save_rig(
        folder / f"{name}.npz", truth.rig, part=truth.rig.part, joint_valid=truth.rig.joint_valid,
        faces=truth.faces, merge=truth.merge,
    )  # fmt: skip


def test_rigs_and_truths_come_back_from_files(truth: Truth, tmp_path: Path) -> None:
    save_truth(tmp_path, "one", truth)
    back = read_truth(tmp_path / "one.npz")
    assert np.array_equal(back.faces, truth.faces)
    assert np.isnan(back.waist_alt).all()
    rig = read_rig(tmp_path / "one.npz")
    for found in (back.rig, rig):
        assert np.array_equal(found.vertices, truth.rig.vertices)
        assert np.array_equal(found.joints, truth.rig.joints)
        assert np.array_equal(found.part, truth.rig.part)


def test_weights_that_sum_to_something_else_are_rescaled(truth: Truth, tmp_path: Path) -> None:
    path = save_rig(tmp_path / "a.npz", replace(truth.rig, weights=truth.rig.weights * 3))
    assert metrics_of(score_rig(truth, read_rig(path))) == pytest.approx(PERFECT, abs=1e-9)


FAULTS = (
    "negative", "none", "nan", "narrow", "few joints", "part 15", "flat weights", "flat joints",
    "text", "no vertices",
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rig_that_cannot_be_is_refused(truth: Truth, tmp_path: Path, fault: str) -> None:
    more: dict[str, np.ndarray] = {}
    vertices, weights, joints = truth.rig.vertices, truth.rig.weights.copy(), truth.rig.joints
    if fault == "negative":
        weights[0, :2] = [-0.5, 1.5]
    elif fault == "none":
        weights[0] = 0
    elif fault == "nan":
        weights[0, 0] = np.nan
    elif fault == "narrow":
        weights = weights[:, :14]
    elif fault == "few joints":
        joints = joints[:14]
    elif fault == "part 15":
        more["part"] = np.full(len(weights), 15)
    elif fault == "flat weights":
        weights = weights[0]
    elif fault == "flat joints":
        joints = joints[0]
    elif fault == "text":
        vertices = np.full(vertices.shape, "x")
    else:
        vertices, weights = vertices[:0], weights[:0]
    rig = replace(truth.rig, vertices=vertices, weights=weights, joints=joints)
    path = save_rig(tmp_path / "a.npz", rig, **more)
    with pytest.raises(InvalidInput):
        read_rig(path)


def test_an_array_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InvalidInput, match="no NPZ"):
        read_rig(tmp_path / "a.npz")


def test_a_damaged_archive_is_refused(truth: Truth, tmp_path: Path) -> None:
    whole = save_rig(tmp_path / "a.npz", truth.rig).read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 20):
            damaged[place] ^= 0xFF
        (tmp_path / "a.npz").write_bytes(damaged[: rng.integers(len(whole) // 2, len(whole))])
        with pytest.raises(InvalidInput):
            read_rig(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(60), b"not a zip"])
def test_a_file_that_is_no_rig_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("a.npz", "a.glb"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput):
            read_rig(tmp_path / name)


def test_a_folder_is_scored_and_what_is_missing_or_broken_is_counted(
    truth: Truth, tmp_path: Path
) -> None:
    known, found = tmp_path / "truth", tmp_path / "predictions"
    known.mkdir()
    found.mkdir()
    for name in ("good", "broken", "absent", "swapped"):
        save_truth(known, name, truth)
    save_rig(found / "good.npz", truth.rig)
    (found / "broken.npz").write_bytes(b"nothing")
    swapped = replace(truth.rig, joints=truth.rig.joints[SWAP], weights=truth.rig.weights[:, SWAP])
    save_rig(found / "swapped.npz", swapped)
    heard: list[str] = []
    result = evaluate(found, known, known_truth(known), on_scored=heard.append)
    assert heard == ["absent", "broken", "good", "swapped"]
    assert set(result.scores) == {"good", "swapped"}
    assert result.missing == ["absent"]
    assert list(result.failed) == ["broken"]
    totals = summary_of(result)
    counts = {name: totals[name] for name in ("n", "scored", "failures", "lr_swapped")}
    assert counts == {"n": 4, "scored": 2, "failures": 2, "lr_swapped": 1}
    worst = result.scores["swapped"]["joint_mean"]
    assert totals["summary"]["joint_mean"] == {
        "mean": pytest.approx(worst / 2),
        "median": pytest.approx(worst / 2),
    }
    assert set(totals["per_joint"]) == set(JOINT_NAMES)


def test_a_glb_goes_before_an_npz(tmp_path: Path) -> None:
    assert find_prediction(tmp_path, "a") is None
    for suffix in (".npz", ".avatar.glb", ".glb"):
        path = tmp_path / f"a{suffix}"
        path.touch()
        assert find_prediction(tmp_path, "a") == path


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no truth"):
        known_truth(tmp_path)


def test_a_reader_that_fails_is_no_broken_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_truth(tmp_path, "hero", truth_of(capsule_body()))

    def unread(*_: object) -> Rig:
        raise ServiceUnavailable("The process that reads files does not answer.")

    monkeypatch.setattr("rigline.evaluation.summary.read_rig", unread)
    with pytest.raises(ServiceUnavailable):
        evaluate(tmp_path, tmp_path, ["hero"])
