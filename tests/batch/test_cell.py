"""What happens in the child process costs one item at most."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rigline.batch.cell import Cell
from rigline.batch.source import Entry
from rigline.batch.work import Answer, Equipment, Errand
from rigline.engine.batch import BatchLimits, FaultKind
from rigline.errors import InvalidInput
from rigline.settings import Settings
from tests.support import trivial_jobs
from tests.support.trivial_jobs import PLACE, WORDS

LIMITS = BatchLimits(stage_seconds=2.0, memory_mib=1024)
STAGES = tuple(stage.name for stage in WORDS)


@pytest.fixture(scope="module")
def equipment(tmp_path_factory: pytest.TempPathFactory) -> Equipment:
    folder = tmp_path_factory.mktemp("cell")
    settings = Settings(store=str(folder / "store"), pipelines=PLACE)
    return Equipment(
        settings, trivial_jobs.POLICY, "words", {}, str(folder / "out"), LIMITS, "carol", "b1"
    )


@pytest.fixture(scope="module")
def cell(equipment: Equipment) -> Iterator[Cell]:
    cell = Cell(equipment)
    yield cell
    cell.close()


def errands(cell: Cell, folder: Path, texts: Sequence[str]) -> list[Errand]:
    """Errands over texts that the store has."""
    entries = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.txt"
        path.write_text(text)
        entries.append(Entry(str(path), path.name))
    return [
        Errand(n, f"job{n}", r.sha256, r.entry.name, r.bytes, r.entry.name, STAGES)
        for n, r in enumerate(cell.receive(entries))
    ]


def kinds(answers: Sequence[Answer]) -> list[FaultKind | None]:
    return [a.fault.kind if a.fault else None for a in answers]


def test_poison_costs_its_item_alone(cell: Cell, tmp_path: Path, equipment: Equipment) -> None:
    texts = ["one two", "crash 1", "three", "loop 2", "bad", "hog 3", "four five six"]
    answers = cell.carry_out(errands(cell, tmp_path, texts))
    assert kinds(answers) == [
        None, FaultKind.CRASH, None, FaultKind.TIMEOUT, FaultKind.INVALID, FaultKind.MEMORY, None,
    ]  # fmt: skip
    said = [a.fault for a in answers if a.fault]
    assert [fault.stage for fault in said] == ["split", "split", "read", "split"]
    assert "SIGSEGV" in said[0].error
    assert "2 s" in said[1].error
    assert [r.stage for r in answers[1].runs] == ["read"], "what ran before the crash is known"
    good = answers[6].judgement
    assert good is not None
    assert good.verdict == "accept"
    assert (Path(equipment.dest) / "6.txt.count.json").read_bytes() == b"3"


def test_a_crash_in_company_costs_the_one_that_crashed(cell: Cell, tmp_path: Path) -> None:
    texts = ["to gether", "crash together", "to morrow", "away:/ home"]
    answers = cell.carry_out(errands(cell, tmp_path, texts), together=True)
    assert kinds(answers) == [None, FaultKind.CRASH, None, FaultKind.UNAVAILABLE]


def test_one_killed_from_outside_may_try_again(cell: Cell, tmp_path: Path) -> None:
    todo = errands(cell, tmp_path, ["slow:20", "after"])
    child = cell.pid
    killer = threading.Timer(0.5, os.kill, (child, signal.SIGKILL))
    killer.start()
    first, second = cell.carry_out(todo)
    assert first.fault is not None
    assert first.fault.kind == FaultKind.LOST
    assert first.fault.passing
    assert second.fault is None
    assert cell.pid != child


def test_one_that_dies_between_orders_is_nobodys_fault(cell: Cell, tmp_path: Path) -> None:
    (todo,) = errands(cell, tmp_path, ["between orders"])
    os.kill(cell.pid, signal.SIGKILL)
    os.waitid(os.P_PID, cell.pid, os.WEXITED | os.WNOWAIT)
    (answer,) = cell.carry_out([todo])
    assert answer.fault is None


def test_files_that_cannot_be_read_say_why(cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("good")
    entries = [
        Entry(str(tmp_path / "gone.txt"), "gone"),
        Entry(str(tmp_path / "good.txt"), "good"),
        Entry("list.csv:3", "", "Entry 3 has no path."),
    ]
    gone, good, wrong = cell.receive(entries)
    assert gone.fault is not None
    assert "gone.txt" in gone.fault.error
    assert good.fault is None
    assert good.bytes == 4
    assert wrong.fault is not None
    assert wrong.fault.error == "Entry 3 has no path."


def test_what_a_worker_lacks_is_said_when_it_starts(equipment: Equipment) -> None:
    cell = Cell(replace(equipment, pipeline="nothing"))
    with pytest.raises(InvalidInput, match="nothing"):
        cell.start()


def test_a_child_dies_with_its_worker(equipment: Equipment, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    worker = os.fork()
    if worker == 0:  # in the fork nothing of the test's own may go on
        try:
            cell = Cell(equipment)
            todo = errands(cell, tmp_path, ["loop for ever"])
            os.write(writes, f"{cell.pid}\n".encode())
            cell.carry_out(todo)
        finally:
            os._exit(1)
    os.close(writes)
    with os.fdopen(reads) as said:
        child = int(said.readline())
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and Path(f"/proc/{child}").exists():
        if ") Z " in Path(f"/proc/{child}/stat").read_text():
            return  # dead, and only not yet buried by the system's first process
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
