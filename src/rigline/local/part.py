"""What a stack is made of: servers that stay, and steps that come to an end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

Probe = Callable[[float], bool]
"""Whether a part that was started at that time (seconds since the epoch) does its work by now."""


@dataclass(frozen=True)
class Part:
    """One process of a stack.

    A part with ``ready`` is a server: it stays, and is ready once that holds; then ``once_ready``
    is done, before any part that comes ``after`` it is started. A part without is a step: it is
    done when its command ends with exit code 0. ``first`` is done right before the start.
    ``address`` is where a person finds it, ``ports`` are those it listens on, each with the setting
    that moves it.
    """

    name: str
    command: tuple[str, ...]
    ready: Probe | None = None
    after: tuple[str, ...] = ()
    address: str = ""
    ports: Mapping[int, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    ready_limit_s: float = 120.0
    first: Callable[[], object] = lambda: None
    once_ready: Callable[[], object] = lambda: None

    @property
    def is_server(self) -> bool:
        """Whether the part stays."""
        return self.ready is not None


@dataclass(frozen=True)
class LeftOut:
    """A part that the stack does not have, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Plan:
    """A whole stack: its parts in the order in which they are shown.

    Parts run in ``root`` with ``environment``. State and logs lie in ``folder``, which belongs to
    one stack. ``about`` says what the stack works on; stacks that differ in it are not mixed.
    """

    root: Path
    folder: Path
    host: str
    environment: Mapping[str, str]
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    def log_of(self, name: str) -> Path:
        """Where a part's output goes."""
        return self.folder / "log" / f"{name}.log"


class Phase(StrEnum):
    """What becomes of a part while a stack is started or stopped."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


Tell = Callable[[str, Phase, str], None]
"""Hears the name of a part, what has just become of it, and a remark."""


def tell_nobody(name: str, phase: Phase, said: str) -> None:
    """For those who need not know."""
