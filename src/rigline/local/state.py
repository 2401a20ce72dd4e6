"""What ``rigline up`` has started, kept in the stack's folder for whoever comes next."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rigline.errors import ServiceUnavailable
from rigline.local.processes import ProcessId

FORMAT: Final = 1


@dataclass(frozen=True)
class Started:
    """A server that was started. ``wave`` tells which parts stand on it: those of higher ones."""

    name: str
    identity: ProcessId
    wave: int
    address: str
    log: str


@dataclass(frozen=True)
class State:
    """The servers of a stack by name, and what the stack works on."""

    started: Mapping[str, Started] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)


def read_state(folder: Path) -> State:
    """The state as it was written last; an empty one when there is none that can be read.

    Nothing is lost with a damaged file: processes are found by their marks.
    """
    try:
        found = json.loads((folder / "stack.json").read_text("utf-8"))
        if found["format"] != FORMAT:
            return State()
        started = [_started_of(entry) for entry in found["started"]]
        return State({part.name: part for part in started}, dict(found["about"]))
    except (OSError, ValueError, KeyError, TypeError):
        return State()


def write_state(folder: Path, state: State) -> None:
    """Put the state in the place of the one before, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stack.json"
    shown = {
        "format": FORMAT,
        "about": dict(state.about),
        "started": [asdict(part) for part in state.started.values()],
    }
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(shown, indent=2), "utf-8")
    beside.replace(path)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The stack for oneself; ``ServiceUnavailable`` while another command has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServiceUnavailable(
                f"Another rigline up or down is at work in {folder}.", remedy="Wait for its end."
            ) from error
        yield


def _started_of(entry: Mapping[str, Any]) -> Started:
    identity = ProcessId(int(entry["identity"]["pid"]), float(entry["identity"]["created"]))
    return Started(
        str(entry["name"]), identity, int(entry["wave"]), str(entry["address"]), str(entry["log"])
    )
