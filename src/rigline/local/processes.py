"""Processes that outlive whoever started them: started, recognised, and stopped to the last.

Every process of a stack bears the stack's folder and its part's name in its environment, and so
do the processes that it starts in turn, in whatever session: that is how all of them are found.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

FOLDER_MARK: Final = "RIGLINE_UP_FOLDER"
PART_MARK: Final = "RIGLINE_UP_PART"
CLOCK_SLACK_S: Final = 2.0
"""Times of creation are told relative to a boot time that shifts when the clock is set."""

ASKED_LIMIT_S: Final = 8.0
PRESSED_LIMIT_S: Final = 4.0
KILLED_LIMIT_S: Final = 10.0
KILLINGS: Final = 3
"""A process that is killed may have started another just before."""


@dataclass(frozen=True)
class ProcessId:
    """A process, told from one that has got its number later by the time of its creation."""

    pid: int
    created: float


def start(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path,
    folder: Path, part: str,
) -> tuple[subprocess.Popen[bytes], ProcessId]:  # fmt: skip
    """A process in a session of its own that bears the marks; what it says goes to ``log``.

    The log of the process before it is kept beside it. Raises ``OSError`` for a command that is
    not there.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    marked = {**environment, FOLDER_MARK: str(folder), PART_MARK: part}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=marked, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    return process, ProcessId(process.pid, _created(process.pid))


def is_running(identity: ProcessId) -> bool:
    """Whether that very process is there and not merely waiting to be buried."""
    return _find(identity) is not None


def kin(folder: Path, part: str, leader: ProcessId | None = None) -> list[psutil.Process]:
    """All processes of a part: those that bear its marks, and those of its leader's session.

    The session also has those that have overwritten their environment, as some servers do. This
    process and those that it comes from are never among them.
    """
    spared = {os.getpid(), *(p.pid for p in psutil.Process().parents())}
    session = leader.pid if leader is not None and is_running(leader) else None
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        marks = _marks(process)
        if marks == (str(folder), part) or (
            session is not None and marks == ("", "") and _session(process.pid) == session
        ):
            found.append(process)
    return [process for process in found if _lives(process)]


def marked_parts(folder: Path) -> set[str]:
    """Names of the parts of which any process is there."""
    marks = (_marks(process) for process in psutil.process_iter() if _lives(process))
    return {part for of, part in marks if of == str(folder)}


def stop(folder: Path, parts: Mapping[str, ProcessId | None]) -> list[str]:
    """Stop all processes of these parts, at the same time; names of those that had to be killed.

    First the leaders are asked, so that they can end what they have started; then all that is left
    is; and what is still left is killed.
    """
    everyone = {name: kin(folder, name, leader) for name, leader in parts.items()}
    leaders = [_find(identity) for identity in parts.values() if identity is not None]
    _end([leader for leader in leaders if leader], psutil.Process.terminate, ASKED_LIMIT_S)
    everyone = _left(folder, everyone)
    _end(_flat(everyone), psutil.Process.terminate, PRESSED_LIMIT_S)
    everyone = _left(folder, everyone)
    killed = [name for name, found in everyone.items() if found]
    for _ in range(KILLINGS):
        _end(_flat(everyone), psutil.Process.kill, KILLED_LIMIT_S)
        everyone = _left(folder, everyone)
    return killed


def _end(
    targets: Sequence[psutil.Process], ask: Callable[[psutil.Process], None], limit_s: float
) -> None:
    for process in targets:
        with suppress(psutil.Error):
            ask(process)
    psutil.wait_procs(list(targets), limit_s)


def _left(
    folder: Path, before: Mapping[str, Sequence[psutil.Process]]
) -> dict[str, list[psutil.Process]]:
    """What is still there of each part, and what has come to be there meanwhile."""
    found: dict[str, list[psutil.Process]] = {}
    for name, processes in before.items():
        new = {process.pid: process for process in kin(folder, name)}
        found[name] = list({**new, **{p.pid: p for p in processes if _lives(p)}}.values())
    return found


def _flat(everyone: Mapping[str, Sequence[psutil.Process]]) -> list[psutil.Process]:
    return [process for found in everyone.values() for process in found]


def _find(identity: ProcessId) -> psutil.Process | None:
    with suppress(psutil.Error):
        process = psutil.Process(identity.pid)
        if abs(process.create_time() - identity.created) <= CLOCK_SLACK_S and _lives(process):
            return process
    return None


def _created(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:  # over already
        return 0.0


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _marks(process: psutil.Process) -> tuple[str, str]:
    """The marks of a process; empty for one without, or that cannot be looked into."""
    with suppress(psutil.Error, OSError):
        environment = process.environ()
        return environment.get(FOLDER_MARK, ""), environment.get(PART_MARK, "")
    return "", ""


def _session(pid: int) -> int | None:
    with suppress(OSError):
        return os.getsid(pid)
    return None


def tail(log: Path, lines: int = 15) -> Iterator[str]:
    """The last lines of a log."""
    with suppress(OSError):
        yield from log.read_text("utf-8", errors="replace").rstrip().splitlines()[-lines:]
