"""The loop: it resumes, keeps the best weights, and leaves a record; exported weights come back."""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from rigline_training.averaging import between, mean_of
from rigline_training.export import (
    MAX_DIFFERENCE,
    JointFinder,
    Rigging,
    Segmentation,
    body_from,
    export_body,
    export_orientation,
    likeness_from,
)
from rigline_training.exported_weights import (
    load_exported,
    module_path,
    networks_in,
    shares_in,
)
from rigline_training.networks import BodyNetwork, LikenessHead, OrientationNetwork
from rigline_training.training_run import Lesson, run_options, train
from torch import nn


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config: dict = {}
        self.slope = nn.Parameter(torch.zeros(()))


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    monkeypatch.setattr("rigline_training.training_run.Shards", lambda folder: Samples(folder))
    words = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--seconds", "0.5"]
    return run_options("").parse_args([*words, "--every", "0.2", "--device", "cpu"])


class Samples:
    files = ()

    def __init__(self, folder: Path) -> None:
        self.data: dict = {}

    def __len__(self) -> int:
        return 64

    def refresh(self) -> None: ...
    def fingerprint(self) -> str:
        return "none"


LESSON = Lesson(
    Line,
    cost=lambda net, data, index: (net.slope - 3) ** 2,
    scores=lambda net: {"gap": abs(net.slope.item() - 3)},
    regret=lambda scores: scores["gap"],
    batch=8, rate=0.05, weight_decay=0.0, keep=0.9,
)  # fmt: skip


def test_a_run_resumes_and_keeps_its_best(options: argparse.Namespace) -> None:
    first = train(LESSON, options)
    options.seconds = 1.0
    second = train(LESSON, options)
    assert second.step > first.step
    assert second.history[: len(first.history)] == first.history
    best = torch.load(options.out / "best.pt", weights_only=False)
    assert best["best"] == min(h["gap"] for h in second.history)
    record = json.loads((options.out / "record.json").read_text())
    assert record["steps"] == second.step
    assert record["options"]["seed"] == 0
    assert record["history"] == second.history


def test_exported_weights_come_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = OrientationNetwork()
    with torch.no_grad():  # equal constants, as untrained norms have, are shared in the file
        for value in net.parameters():
            value += torch.randn_like(value) * 0.01
    torch.save({"config": net.config, "average": net.state_dict()}, tmp_path / "net.pt")
    worst = export_orientation(tmp_path / "net.pt", tmp_path)
    assert max(worst.values()) < MAX_DIFFERENCE
    again = OrientationNetwork()
    load_exported(again, tmp_path / "avatar_orientation" / "1" / "model.onnx")
    for name, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


SMALL = dict(width=32, depth=1, heads=2, query=16)


def saved(path: Path, seed: int) -> Path:
    """A small body network that nobody trained, stored as a run does."""
    torch.manual_seed(seed)
    net = BodyNetwork(**SMALL)
    with torch.no_grad():
        for value in net.parameters():
            value += torch.randn_like(value) * 0.05
    torch.save({"config": net.config, "average": net.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose body models ask two members beside the first network."""
    folder = tmp_path_factory.mktemp("joined")
    torch.manual_seed(9)
    head = LikenessHead(SMALL["width"])
    with torch.no_grad():
        for value in head.parameters():
            value += torch.randn_like(value) * 0.05
    torch.save({"head": head.state_dict()}, folder / "likeness.pt")
    first, *members = [saved(folder / f"{k}.pt", k) for k in range(3)]
    worst = export_body(first, folder / "likeness.pt", folder, members=members, share=0.2)
    assert max(worst.values()) < MAX_DIFFERENCE
    return folder


@pytest.mark.parametrize("name", ["avatar_rigging", "avatar_segmentation"])
def test_each_network_of_an_ensemble_comes_back(joined: Path, name: str) -> None:
    model = joined / name / "1" / "model.onnx"
    kind = JointFinder if name == "avatar_rigging" else BodyNetwork
    networks = networks_in(model)
    assert [n["width"] for n in networks] == [32, 32, 32]
    assert shares_in(model) == [0.6, 0.2, 0.2]
    for k, prefix in enumerate(["net.", "members.0.", "members.1."]):
        again, net = kind(**networks[k]), body_from(joined / f"{k}.pt", kind)
        load_exported(again, model, prefix)
        for (parameter, value), (_, found) in zip(
            net.named_parameters(), again.named_parameters(), strict=True
        ):
            assert torch.equal(value, found), parameter


def test_exported_models_can_be_exported_again(joined: Path, tmp_path: Path) -> None:
    rigging, parts = (joined / f"avatar_{n}/1/model.onnx" for n in ("rigging", "segmentation"))
    members = [joined / "1.pt", joined / "2.pt"]
    export_body(rigging, rigging, tmp_path, parts, members, share=0.2)
    for model in (rigging, parts):
        again = tmp_path / model.relative_to(joined)
        old, new = (answers_of(path) for path in (model, again))
        for name, value in old.items():
            np.testing.assert_allclose(new[name], value, atol=1e-5, err_msg=name)


def answers_of(model: Path) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(model))
    rng = np.random.default_rng(0)
    inputs = {
        "features": rng.normal(size=(2, 2048, 6)).astype(np.float32) / 4,
        "neighbours": rng.integers(0, 2048, (2, 128, 20)),
        "queries": rng.normal(size=(2, 50, 6)).astype(np.float32) / 4,
    }
    asked = {i.name: inputs[i.name] for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, asked), strict=True))


def test_members_move_joints_by_their_share_and_widen_the_dispersion(joined: Path) -> None:
    each = [body_from(joined / f"{k}.pt", JointFinder).eval() for k in range(3)]
    head = likeness_from(joined / "likeness.pt", SMALL["width"]).eval()
    features, neighbours = torch.rand(1, 200, 6) - 0.5, torch.randint(0, 200, (1, 128, 20))
    with torch.no_grad():
        found = [net(features, neighbours) for net in each]
        alone = Rigging(each[0], head)(features, neighbours)
        joints, log_scale, dispersion, humanoid = Rigging(each[0], head, each[1:], 0.2)(
            features, neighbours
        )
    mean = 0.6 * found[0][1] + 0.2 * found[1][1] + 0.2 * found[2][1]
    assert torch.allclose(joints, mean, atol=1e-6)
    assert torch.allclose(log_scale, 0.6 * found[0][2] + 0.2 * (found[1][2] + found[2][2]))
    within = (0.6 * found[0][3] ** 2 + 0.2 * (found[1][3] ** 2 + found[2][3] ** 2)).sqrt()
    assert (dispersion > within).all()
    assert torch.equal(humanoid, alone[3])


def test_parts_are_pooled_by_their_logarithms(joined: Path) -> None:
    each = [body_from(joined / f"{k}.pt").eval() for k in range(2)]
    seen = torch.rand(1, 200, 6) - 0.5, torch.randint(0, 200, (1, 128, 20)), torch.rand(1, 9, 6)
    with torch.no_grad():
        one, other = (Segmentation(net)(*seen) for net in each)
        pooled = Segmentation(each[0], each[1:], 0.5)(*seen)
    wanted = (one * other).sqrt()
    assert torch.allclose(pooled, wanted / wanted.sum(-1, keepdim=True), atol=1e-6)


def test_another_network_is_refused(tmp_path: Path) -> None:
    net = OrientationNetwork()
    torch.save({"config": net.config, "average": net.state_dict()}, tmp_path / "net.pt")
    export_orientation(tmp_path / "net.pt", tmp_path)
    with pytest.raises(ValueError, match="another network"):
        load_exported(BodyNetwork(), tmp_path / "avatar_orientation" / "1" / "model.onnx")


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("/net/encoder/point/point.0/MatMul", "net.encoder.point.0"),
        ("/members.1/blocks.3/mlp/mlp.2/MatMul", "members.1.blocks.3.mlp.2"),
        ("/net/vote/MatMul", "net.vote"),
    ],
)
def test_a_nodes_name_tells_its_module(node: str, path: str) -> None:
    assert module_path(node) == path


def test_averaged_weights_lie_between_two_networks() -> None:
    first = {"w": torch.tensor([0.0, 2.0]), "steps": torch.tensor(3)}
    last = {"w": torch.tensor([1.0, 4.0]), "steps": torch.tensor(5)}
    assert between(first, last, 0.25)["w"].tolist() == [0.25, 2.5]
    assert between(first, last, 1.0)["w"].tolist() == last["w"].tolist()
    assert between(first, last, 0.25)["steps"] == 5


def test_the_mean_of_two_runs_lies_halfway() -> None:
    one = {"w": torch.tensor([0.0, 2.0]), "steps": torch.tensor(3)}
    other = {"w": torch.tensor([1.0, 4.0]), "steps": torch.tensor(5)}
    mean = mean_of([one, other])
    assert mean["w"].tolist() == [0.5, 3.0]
    assert mean["steps"] == 3
