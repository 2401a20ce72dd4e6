"""The loop: it resumes, keeps the best weights, and leaves a record; exported weights come back."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from rigline_training.averaging import between, mean_of
from rigline_training.export import MAX_DIFFERENCE, export_orientation
from rigline_training.exported_weights import load_exported, module_path
from rigline_training.networks import BodyNetwork, OrientationNetwork
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


def test_another_network_is_refused(tmp_path: Path) -> None:
    net = OrientationNetwork()
    torch.save({"config": net.config, "average": net.state_dict()}, tmp_path / "net.pt")
    export_orientation(tmp_path / "net.pt", tmp_path)
    with pytest.raises(ValueError, match="another network"):
        load_exported(BodyNetwork(), tmp_path / "avatar_orientation" / "1" / "model.onnx")


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("/net/encoder/point/point.0/MatMul", "encoder.point.0"),
        ("/net/blocks.3/mlp/mlp.2/MatMul", "blocks.3.mlp.2"),
        ("/net/vote/MatMul", "vote"),
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
