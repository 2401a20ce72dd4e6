"""Stacks of small processes: started in order, recognised, and stopped to the last."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.local import processes, stack
from rigline.local.part import Part, Phase, Plan
from rigline.local.processes import FOLDER_MARK, PART_MARK
from rigline.local.stack import Seen
from rigline.local.state import held, read_state

STAYS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(300)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + STAYS
PARENT = (
    "import subprocess, sys; "
    "subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(300)'],"
    " start_new_session=True); "
) + STAYS
FAILS = "print('no such model'); print('giving up'); raise SystemExit(3)"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "stack"
    for process in marked(tmp_path / "stack"):
        process.kill()


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ASKED_LIMIT_S", 0.5)
    monkeypatch.setattr(processes, "PRESSED_LIMIT_S", 0.5)
    monkeypatch.setattr(stack, "LOOK_EVERY_S", 0.02)


def marked(folder: Path) -> list[psutil.Process]:
    """The living processes that bear the folder's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(FOLDER_MARK) == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def server(folder: Path, name: str, script: str = STAYS, **changes: object) -> Part:
    """A server that is ready when it has left its flag."""
    flag = folder.parent / f"{name}.flag"
    fields: dict[str, object] = {"ready_limit_s": 20.0, **changes}
    command = (sys.executable, "-I", "-S", "-c", script, str(flag))
    return Part(name, command, lambda since: flag.exists(), **fields)  # type: ignore[arg-type]


def step(name: str, script: str = "pass", **changes: object) -> Part:
    return Part(name, (sys.executable, "-I", "-S", "-c", script), **changes)  # type: ignore[arg-type]


def plan(folder: Path, *parts: Part, **about: str) -> Plan:
    return Plan(folder.parent, folder, "127.0.0.1", dict(os.environ), parts, about=about)


def health(seen: list[Seen]) -> dict[str, str]:
    return {part.name: str(part.health) for part in seen}


def pids(seen: list[Seen]) -> dict[str, int]:
    return {part.name: part.identity.pid for part in seen if part.identity}


def test_parts_are_started_in_their_order_and_all_stopped(folder: Path) -> None:
    told: list[tuple[str, Phase]] = []
    whole = plan(
        folder,
        server(folder, "top", after=("base", "deploy")),
        step("deploy", after=("base",)),
        server(folder, "base", once_ready=lambda: told.append(("pool", Phase.DONE))),
    )
    seen = stack.up(whole, lambda name, phase, said: told.append((name, phase)))
    order = [entry for entry in told if entry[1] != Phase.WAITING]
    assert order == [
        ("base", Phase.STARTING), ("pool", Phase.DONE), ("base", Phase.RUNNING),
        ("deploy", Phase.STARTING), ("deploy", Phase.DONE), ("top", Phase.STARTING),
        ("top", Phase.RUNNING),
    ]  # fmt: skip
    assert health(seen) == {"top": "running", "base": "running"}
    assert {p.pid for p in marked(folder)} == set(pids(seen).values())

    assert pids(stack.up(whole)) == pids(seen)
    told.clear()
    assert stack.down(whole, lambda name, phase, said: told.append((name, phase))) == [
        "base",
        "top",
    ]
    assert told == [
        ("top", Phase.STOPPING), ("top", Phase.STOPPED),
        ("base", Phase.STOPPING), ("base", Phase.STOPPED),
    ]  # fmt: skip
    assert marked(folder) == []
    assert health(stack.look(whole)) == {"top": "absent", "base": "absent"}
    assert stack.down(whole) == []


def test_a_part_that_dies_is_told_with_its_log_and_the_others_are_stopped(folder: Path) -> None:
    before = plan(folder, server(folder, "first"))
    ran = pids(stack.up(before))
    whole = plan(
        folder, *before.parts, server(folder, "second"),
        server(folder, "third", FAILS, after=("second",)),
    )  # fmt: skip
    with pytest.raises(ServiceUnavailable, match="third ended with exit code 3") as caught:
        stack.up(whole)
    assert caught.value.fields["tail"] == "no such model\ngiving up"
    assert str(folder / "log" / "third.log") in str(caught.value)
    assert {p.pid for p in marked(folder)} == {ran["first"]}, "what ran before goes on"
    assert health(stack.look(whole)) == {"first": "running", "second": "absent", "third": "absent"}


def test_a_step_that_fails_stops_the_start(folder: Path) -> None:
    whole = plan(folder, server(folder, "base"), step("ledger", FAILS))
    with pytest.raises(ServiceUnavailable, match="ledger ended with exit code 3"):
        stack.up(whole)
    assert marked(folder) == []


def test_a_part_is_not_waited_for_without_end(folder: Path) -> None:
    slow = replace(server(folder, "slow"), ready=lambda since: False, ready_limit_s=0.3)
    with pytest.raises(ServiceUnavailable, match=r"slow was not ready in 0.3 s"):
        stack.up(plan(folder, slow))
    assert marked(folder) == []


def test_a_part_that_cannot_be_prepared_fails(folder: Path) -> None:
    def refuse() -> None:
        raise ServiceUnavailable("the pool is paused.")

    with pytest.raises(ServiceUnavailable, match="base does not work: the pool is paused"):
        stack.up(plan(folder, server(folder, "base", once_ready=refuse)))
    assert marked(folder) == []


def test_whoever_interrupts_the_start_finds_nothing_left(folder: Path) -> None:
    def interrupt(name: str, phase: Phase, said: str) -> None:
        if (name, phase) == ("second", Phase.STARTING):
            raise KeyboardInterrupt

    whole = plan(folder, server(folder, "first"), server(folder, "second", after=("first",)))
    with pytest.raises(KeyboardInterrupt):
        stack.up(whole, interrupt)
    assert marked(folder) == []
    assert read_state(folder).started == {}


def test_the_stubborn_and_the_grandchildren_go_too(folder: Path) -> None:
    whole = plan(folder, server(folder, "stubborn", STUBBORN), server(folder, "parent", PARENT))
    stack.up(whole)
    assert len(marked(folder)) == 3
    said: dict[str, str] = {}
    stack.down(whole, lambda name, phase, remark: said.update({name: remark}))
    assert marked(folder) == []
    assert said == {"stubborn": "killed: it did not end by itself", "parent": ""}


def test_a_part_that_has_died_is_seen_and_started_again_alone(folder: Path) -> None:
    whole = plan(folder, server(folder, "one"), server(folder, "two"))
    before = pids(stack.up(whole))
    died = psutil.Process(before["one"])
    died.kill()
    died.wait()
    assert health(stack.look(whole)) == {"one": "dead", "two": "running"}
    after = pids(stack.up(whole))
    assert after["two"] == before["two"]
    assert after["one"] != before["one"]
    assert (folder / "log" / "one.previous.log").exists()
    stack.down(whole)
    assert marked(folder) == []


def test_a_number_that_another_process_has_by_now_hurts_nobody(folder: Path) -> None:
    whole = plan(folder, server(folder, "one"))
    stack.up(whole)
    stack.down(whole)
    bystander = psutil.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"])
    try:
        entry = {
            "name": "one", "wave": 0, "address": "", "log": "",
            "identity": {"pid": bystander.pid, "created": bystander.create_time() - 60},
        }  # fmt: skip
        stale = {"format": 1, "about": {}, "started": [entry]}
        (folder / "stack.json").write_text(json.dumps(stale))
        assert health(stack.look(whole)) == {"one": "dead"}
        assert stack.down(whole) == []
        assert bystander.is_running()
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 9}'])
def test_a_damaged_state_loses_nothing(folder: Path, text: str) -> None:
    whole = plan(folder, server(folder, "one"))
    stack.up(whole)
    (folder / "stack.json").write_text(text)
    assert stack.down(whole) == ["one"]
    assert marked(folder) == []


def test_what_a_killed_start_left_is_cleared_away_by_the_next(folder: Path) -> None:
    whole = plan(folder, server(folder, "one"))
    (before,) = pids(stack.up(whole)).values()
    (folder / "stack.json").unlink()
    (after,) = pids(stack.up(whole)).values()
    assert [p.pid for p in marked(folder)] == [after] != [before]
    stack.down(whole)


def test_processes_of_another_stack_are_left_alone(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    mine, theirs = plan(folder, server(folder, "one")), plan(other, server(other, "one"))
    stack.up(mine)
    stack.up(theirs)
    stack.down(mine)
    assert health(stack.look(theirs)) == {"one": "running"}
    stack.down(theirs)
    assert marked(other) == []


def test_two_commands_at_once_are_one_too_many(folder: Path) -> None:
    whole = plan(folder, server(folder, "one"))
    with held(folder):
        for go in (stack.up, stack.down):
            with pytest.raises(ServiceUnavailable, match="at work"):
                go(whole)
    assert marked(folder) == []


def test_what_works_on_something_else_is_not_mixed(folder: Path) -> None:
    whole = plan(folder, server(folder, "one"), ledger="here")
    stack.up(whole)
    with pytest.raises(InvalidInput, match="ledger here, not on ledger there"):
        stack.up(replace(whole, about={"ledger": "there"}))
    stack.down(replace(whole, about={"ledger": "there"}))
    assert marked(folder) == []


def test_a_port_that_somebody_has_is_told_before_anything_starts(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        part = server(folder, "two", ports={port: "RIGLINE_PREFECT_PORT"})
        with pytest.raises(InvalidInput, match=rf"127.0.0.1:{port}.*Set RIGLINE_PREFECT_PORT"):
            stack.up(plan(folder, server(folder, "one"), part))
    assert not (folder / "log").exists()


def test_a_command_that_is_not_there_is_told(folder: Path) -> None:
    part = replace(server(folder, "one"), command=("/nowhere/triton",))
    with pytest.raises(ServiceUnavailable, match="one cannot be started"):
        stack.up(plan(folder, part))


def test_only_the_very_process_is_taken_for_it(tmp_path: Path) -> None:
    command = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)")
    process, identity = processes.start(
        command, dict(os.environ), tmp_path, tmp_path / "log" / "one.log", tmp_path, "one"
    )
    assert abs(identity.created - time.time()) < 60
    assert processes.is_running(identity)
    assert not processes.is_running(replace(identity, created=identity.created - 60))
    while not processes.kin(tmp_path, "one"):
        pass  # the kernel shows the environment an instant after the process
    assert psutil.Process(identity.pid).environ()[PART_MARK] == "one"
    process.kill()
    assert processes.stop(tmp_path, {"one": identity}) == []
    assert not processes.is_running(identity)
