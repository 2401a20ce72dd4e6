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
    export_body,
    export_orientation,
    likeness_from,
    network_from,
)
from rigline_training.exported_weights import (
    load_exported,
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


def shaken(net: nn.Module, seed: int) -> nn.Module:
    """The network with no two parameters alike: equal ones are shared in an exported file."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in net.parameters():
            value += torch.randn_like(value) * 0.05
    return net


def test_exported_weights_come_back(tmp_path: Path) -> None:
    net = shaken(OrientationNetwork(), seed=1)
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
    net = shaken(BodyNetwork(**SMALL), seed)
    torch.save({"config": net.config, "average": net.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose joints come from two members beside the first network."""
    folder = tmp_path_factory.mktemp("joined")
    head = shaken(LikenessHead(SMALL["width"]), seed=9)
    torch.save({"head": head.state_dict()}, folder / "likeness.pt")
    first, *members = [saved(folder / f"{k}.pt", k) for k in range(3)]
    worst = export_body(first, folder / "likeness.pt", folder, members=members, share=0.2)
    assert max(worst.values()) < MAX_DIFFERENCE
    return folder


def test_each_network_of_an_ensemble_comes_back(joined: Path) -> None:
    model = joined / "avatar_rigging" / "1" / "model.onnx"
    networks = networks_in(model)
    assert [n["width"] for n in networks] == [32, 32, 32]
    assert shares_in(model) == [0.6, 0.2, 0.2]
    for k, prefix in enumerate(["net.", "members.0.", "members.1."]):
        again, net = JointFinder(**networks[k]), network_from(joined / f"{k}.pt", JointFinder)
        load_exported(again, model, prefix)
        for (parameter, value), (_, found) in zip(
            net.named_parameters(), again.named_parameters(), strict=True
        ):
            assert torch.equal(value, found), parameter


def test_exported_models_can_be_exported_again(joined: Path, tmp_path: Path) -> None:
    rigging, parts = (joined / f"avatar_{n}/1/model.onnx" for n in ("rigging", "segmentation"))
    export_body(rigging, rigging, tmp_path, parts)
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


def test_the_surer_a_network_is_of_a_joint_the_more_it_weighs(joined: Path) -> None:
    each = [network_from(joined / f"{k}.pt", JointFinder).eval() for k in range(3)]
    head = likeness_from(joined / "likeness.pt", SMALL["width"]).eval()
    seen = torch.rand(1, 200, 6) - 0.5, torch.randint(0, 200, (1, 128, 20))
    with torch.no_grad():
        found = [net(*seen) for net in each]
        alone = Rigging(each[0], head)(*seen)
        joints, log_scale, dispersion, humanoid = Rigging(each[0], head, each[1:], 0.2)(*seen)
    places, scales, spreads = (torch.stack([f[k] for f in found]) for k in (1, 2, 3))
    weight = torch.tensor([0.6, 0.2, 0.2])[:, None, None] / scales.exp() ** 2
    weight = weight / weight.sum(0)
    assert torch.allclose(joints, (weight[..., None] * places).sum(0), atol=1e-6)
    assert torch.allclose(log_scale, (weight * scales).sum(0), atol=1e-5)
    assert (dispersion > (weight * spreads**2).sum(0).sqrt()).all()
    assert torch.equal(humanoid, alone[3])


def test_another_network_is_refused(tmp_path: Path) -> None:
    net = OrientationNetwork()
    torch.save({"config": net.config, "average": net.state_dict()}, tmp_path / "net.pt")
    export_orientation(tmp_path / "net.pt", tmp_path)
    with pytest.raises(ValueError, match="another network"):
        load_exported(BodyNetwork(), tmp_path / "avatar_orientation" / "1" / "model.onnx")


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
