"""Model cards: what they say of runs that are gone, and of members."""

import json
from pathlib import Path

import onnx
import pytest
import torch
from rigline_training.card_sections import MEMBERS, TRAINING, Extras, kept_section
from rigline_training.cards import describe
from rigline_training.exported_weights import SHARES

SCORES = {
    "seconds": 60.0, "step": 9, "samples": 48, "joint_error": 3.0, "part_accuracy": 0.8,
    "paper_dolls_joint_error": 4.0, "paper_dolls_part_accuracy": 0.7,
}  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A rigging model that says that it has one member, and the card of a run that is gone."""
    folder = tmp_path / "avatar_rigging"
    (folder / "1").mkdir(parents=True)
    graph = onnx.helper.make_graph([], "nothing", [], [])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, {SHARES: "[0.7, 0.3]"})
    onnx.save(model, folder / "1" / "model.onnx")
    card = f"# avatar_rigging\n\n{TRAINING}Long ago.\n\n{MEMBERS}One.\n\n## Limits\n\nMany.\n"
    (folder / "MODEL_CARD.md").write_text(card)
    return tmp_path


def run(folder: Path, seed: int) -> Path:
    folder.mkdir()
    record = {
        "network": {"width": 8}, "options": {"seed": seed}, "revision": "abc",
        "data_sha256": "0" * 64, "history": [SCORES, SCORES],
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(record))
    torch.save({"history": [SCORES]}, folder / "best.pt")
    return folder


def told(repository: Path, *members: Path) -> str:
    describe("avatar_rigging", None, repository, Extras(None, None, None, (), members), None)
    return (repository / "avatar_rigging" / "MODEL_CARD.md").read_text()


def test_a_card_keeps_what_it_said_of_runs_that_are_gone(repository: Path) -> None:
    text = told(repository)
    assert f"{TRAINING}Long ago.\n" in text
    assert f"{MEMBERS}One.\n" in text
    assert "Many." not in text


def test_a_card_tells_of_its_members(repository: Path) -> None:
    text = told(repository, run(repository / "member", seed=51))
    assert "70% for the large one, 30% for a smaller one" in text
    assert "| 51 | 48 | 9 | 1 | 3.00 / 80.0 | 4.00 / 70.0 |" in text
    assert "One." not in text
    assert (repository / "avatar_rigging" / "members.png").stat().st_size > 1000


def test_more_runs_than_members_are_refused(repository: Path) -> None:
    runs = [run(repository / name, seed=1) for name in ("one", "two")]
    with pytest.raises(SystemExit, match="has 1 members, --members names 2 runs"):
        told(repository, *runs)


def test_without_a_run_and_a_card_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There is no run"):
        kept_section(tmp_path / "MODEL_CARD.md", TRAINING)
