"""Batches on a real Ray cluster, by the command line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from rigline.batch.progress import Figures
from rigline.cli import app
from tests.support.trivial_jobs import PLACE, write_policy

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation of its own for the words of texts."""
    for name, value in (
        ("STORE", tmp_path / "store"), ("DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}"),
        ("POLICY", write_policy(tmp_path)), ("PIPELINES", PLACE),
    ):  # fmt: skip
        monkeypatch.setenv(f"RIGLINE_{name}", str(value))
    assert rigline("db", "upgrade").exit_code == 0


def rigline(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def batch(*arguments: object, code: int = 0) -> Any:
    """What ``rigline batch`` prints as JSON."""
    result = rigline("batch", *arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def run(source: Path, *arguments: object, code: int = 0) -> Any:
    own = ("--dest", source.parent / "out", "--pipeline", "words", "--pattern", "*.txt")
    return batch(source, *own, *arguments, code=code)


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def test_one_batch_from_dry_run_to_replay(tmp_path: Path) -> None:
    good = {f"good{n}.txt": f"{n} two three four" for n in range(20)}
    poison = {
        "crash.txt": "crash", "loop.txt": "loop", "hog.txt": "hog", "bad.txt": "bad",
        "twin1.txt": "the same two times", "twin2.txt": "the same two times", "doubt.txt": "doubt",
    }  # fmt: skip
    source = write(tmp_path / "in", good | poison)
    plan = run(source, "--dry-run")
    assert plan["files"] == 27
    assert batch("list") == []

    limits = ("--stage-seconds", 2, "--memory-mib", 1024)
    done = run(source, *limits, code=1)
    assert done["state"] == "finished"
    assert {k: v for k, v in done["items"].items() if v} == {
        "published": 21, "in_review": 1, "dead": 4, "duplicates": 1,
    }  # fmt: skip
    said = batch("report", done["id"], "-o", tmp_path / "all.parquet")
    reasons = {Path(d["source"]).stem: (d["kind"], d["stage"]) for d in said["dead_letters"]}
    assert reasons == {
        "crash": ("crash", "split"), "loop": ("timeout", "split"), "hog": ("memory", "split"),
        "bad": ("invalid", "read"),
    }  # fmt: skip
    rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert Counter(row["state"] for row in rows) == {"done": 22, "dead": 4, "duplicate": 1}
    assert {row["verdict"] for row in rows if row["state"] == "done"} == {"accept", "review"}
    assert len(list((tmp_path / "out").glob("*.count.json"))) == 22
    (ticket,) = json.loads(rigline("review", "list", "--json").stdout)
    assert ticket["flagged"] == ["count"]

    again = batch("--resume", done["id"], code=1)
    assert again["items"] == done["items"]
    (taken_back,) = batch("replay", done["id"], "--kind", "crash")
    assert taken_back["source"].endswith("crash.txt")
    assert batch("show", done["id"])["items"]["waiting"] == 1
    assert batch("--resume", done["id"], code=1)["items"]["dead"] == 4
    assert [b["id"] for b in batch("list")] == [done["id"]]


def test_a_worker_that_is_killed_costs_no_item(tmp_path: Path) -> None:
    texts = {f"{n:03}.txt": f"slow:0.02 {n} three four" for n in range(150)}
    source = write(tmp_path / "in", texts)
    killed: list[int] = []

    def kill_one(figures: Figures) -> None:
        if figures.ended > 20 and not killed:
            killed.extend(_workers()[:1])
            os.kill(killed[0], signal.SIGKILL)

    @contextmanager
    def watched(*, quiet: bool) -> Iterator[Callable[[Figures], None]]:
        yield kill_one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["rigline.cli.batch"], "shown_progress", watched)
        done = run(source)
    assert killed
    assert {k: v for k, v in done["items"].items() if v} == {"published": 150}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Usage"),
        (("in",), "--dest"),
        (("nowhere", "--dest", "out"), "neither a folder nor a manifest"),
        (("in", "--dest", "in"), "both source and destination"),
        (("in", "--dest", "out", "--pipeline", "nothing"), "nothing"),
        (("--resume", "nothing"), "no batch"),
        (("show", "nothing"), "no batch"),
        (("in", "--dest", "out", "--limit", "0"), "limit"),
    ],
)
def test_wrong_commands_say_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in", {})
    result = rigline("batch", *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.output


def _workers() -> list[int]:
    """Processes of the workers of this process's own Ray."""
    below = psutil.Process().children(recursive=True)
    return [process.pid for process in below if process.name().startswith("ray::Worker")]
