"""Every number agrees with the scorer that came with the evaluation set, where that is at hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rigline.avatar.body import N_PARTS, PART_NAMES
from rigline.avatar.cage_template import template
from rigline.avatar.mesh import Floats, TriangleMesh
from rigline.avatar.skinning import strongest
from rigline.evaluation.metrics import score_rig
from rigline.evaluation.rigs import read_rig, read_truth
from rigline.evaluation.summary import evaluate, summary_of
from rigline.formats.avatar_glb import FinishedAvatar, write_avatar
from rigline.formats.source_model import MaterialLibrary, Primitive, SourceModel

EVAL = Path(__file__).resolve().parents[2].parent / "shared" / "eval"
TRUTH = EVAL / "truth"
CHARACTERS = ("boxman", "kk_mage", "q_alien")
FAULTS = ("none", "noise", "permuted", "scaled", "missing joint", "swapped")
SWAP = np.array([0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11])

pytestmark = pytest.mark.skipif(
    not (EVAL / "score.py").is_file(), reason=f"the evaluation set is not at {EVAL}"
)

Arrays = dict[str, npt.NDArray[Any]]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_score", EVAL / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def perturbed(name: str, fault: str) -> Arrays:
    """A character's truth with one known fault and, but for "none", noise in joints and weights."""
    with np.load(TRUTH / f"{name}.npz") as file:
        arrays = {key: file[key] for key in ("vertices", "faces", "joint", "weights")}
    vertices, joints = (arrays[key].astype(np.float64) for key in ("vertices", "joint"))
    weights = arrays["weights"].astype(np.float64)
    faces = arrays["faces"].astype(np.int64)
    if fault != "none":
        rng = np.random.default_rng([len(vertices), FAULTS.index(fault)])
        joints = joints + rng.normal(0, 0.02 * np.ptp(vertices[:, 1]), joints.shape)
        noisy = weights + 0.4 * rng.random(weights.shape) ** 4
        weights = noisy / noisy.sum(axis=1, keepdims=True)
    if fault == "permuted":
        order = np.random.default_rng(1).permutation(len(vertices))
        vertices, weights, faces = vertices[order], weights[order], np.argsort(order)[faces]
    elif fault == "scaled":
        vertices, joints = vertices * 100, joints * 100
    elif fault == "missing joint":
        joints[[5, 10]] = np.nan
    elif fault == "swapped":
        joints, weights = joints[SWAP], weights[:, SWAP]
    return {"vertices": vertices, "faces": faces, "joint": joints, "weights": weights}


def write_npz(folder: Path, name: str, arrays: Arrays) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, **{key: arrays[key] for key in ("vertices", "joint", "weights")})
    return path


def write_glb(folder: Path, name: str, arrays: Arrays) -> Path:
    """The prediction as an avatar, with cages; a joint that is missing keeps a foreign name."""
    vertices, faces = arrays["vertices"], arrays["faces"]
    missing = np.isnan(arrays["joint"][:, 0])
    joints: Floats = np.where(missing[:, None], vertices.mean(axis=0), arrays["joint"])
    source = SourceModel(
        TriangleMesh(vertices, faces), None, None, None,
        (Primitive("all", None, 0, len(vertices), 0, len(faces)),), MaterialLibrary(), "glb", "Y",
    )  # fmt: skip
    cage = np.zeros((len(template().uvs), 3))
    weights = strongest(arrays["weights"], arrays["weights"].argmax(axis=1))
    glb = write_avatar(FinishedAvatar(source, vertices, np.eye(3), joints, weights, cage, []))
    for part in np.flatnonzero(missing):
        old = f'"name":"{PART_NAMES[part]}"'.encode()
        assert glb.count(old) == 1
        glb = glb.replace(old, b'"name":"' + b"x" * (len(old) - 9) + b'"')
    path = folder / f"{name}.glb"
    path.write_bytes(glb)
    return path


WRITERS = {"npz": write_npz, "glb": write_glb}


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Where two trees of scores are not the same to 1e-6."""
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or set(ours) != set(theirs):
            return [f"{where}: {ours} and {theirs}"]
        return [d for key in theirs for d in differences(ours[key], theirs[key], f"{where}/{key}")]
    if isinstance(theirs, bool | np.bool_ | list | None):
        return [] if ours == theirs else [f"{where}: {ours} and {theirs}"]
    same = np.isclose(ours, theirs, rtol=0, atol=1e-6, equal_nan=True)
    return [] if same else [f"{where}: {ours} and {theirs}"]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CHARACTERS)
def test_every_score_agrees(
    reference: ModuleType, tmp_path: Path, name: str, fault: str, kind: str
) -> None:
    path = WRITERS[kind](tmp_path, name, perturbed(name, fault))
    truth = TRUTH / f"{name}.npz"
    theirs = reference.score(
        reference.load_truth(str(truth)), reference.load_prediction(str(path)), True
    )
    ours = score_rig(read_truth(truth), read_rig(path))
    assert differences(ours, theirs) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_without_alignment_they_agree_too(reference: ModuleType, tmp_path: Path, kind: str) -> None:
    name = CHARACTERS[0]
    path = WRITERS[kind](tmp_path, name, perturbed(name, "noise"))
    truth = TRUTH / f"{name}.npz"
    theirs = reference.score(
        reference.load_truth(str(truth)), reference.load_prediction(str(path)), False
    )
    assert differences(score_rig(read_truth(truth), read_rig(path), align=False), theirs) == []


def test_the_faults_are_seen_at_all(reference: ModuleType, tmp_path: Path) -> None:
    name = CHARACTERS[1]
    truth = read_truth(TRUTH / f"{name}.npz")
    scores = {
        fault: score_rig(truth, read_rig(write_npz(tmp_path, name, perturbed(name, fault))))
        for fault in FAULTS
    }
    assert scores["none"]["joint_max"] == pytest.approx(0, abs=1e-4)
    assert scores["noise"]["joint_mean"] > 1
    assert scores["scaled"]["aligned"]
    assert scores["swapped"]["lr_swapped"]
    assert len(scores["missing joint"]["joint_missing"]) == 2


def test_means_medians_and_failures_agree(
    reference: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, fault in zip(CHARACTERS, ("noise", "missing joint", "swapped"), strict=True):
        write_npz(tmp_path, name, perturbed(name, fault))
    (tmp_path / "kk_barbarian.npz").write_bytes(b"broken")
    names = [*CHARACTERS, "kk_barbarian", "kenney_char_a"]
    theirs = reference.summarise(*reference.score_folder(str(tmp_path), str(TRUTH), names, True))
    ours = summary_of(evaluate(tmp_path, TRUTH, names))
    assert set(ours.pop("failed")) == set(theirs.pop("failed")) == {"kk_barbarian"}
    assert differences(ours, theirs) == []


def test_the_fifteen_parts_are_the_same(reference: ModuleType) -> None:
    assert tuple(reference.PARTS) == PART_NAMES
    assert len(reference.PARTS) == N_PARTS
    assert np.array_equal(reference.SWAP, SWAP)
