"""A stack is started, looked at and stopped."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from rigline.errors import InvalidInput, RiglineError, ServiceUnavailable
from rigline.local import processes
from rigline.local.part import Part, Phase, Plan, Tell, tell_nobody
from rigline.local.processes import ProcessId
from rigline.local.state import Started, State, held, read_state, write_state

LOOK_EVERY_S: Final = 0.2


class Health(StrEnum):
    """How a part is found: up, gone though it was started, or never started."""

    RUNNING = "running"
    DEAD = "dead"
    ABSENT = "absent"


@dataclass(frozen=True)
class Seen:
    """A server of a stack as it is found; without a process there is no ``identity``."""

    name: str
    health: Health
    address: str
    log: str
    identity: ProcessId | None = None


def up(plan: Plan, tell: Tell = tell_nobody) -> list[Seen]:
    """Start every server that does not run; the servers as they are then.

    Unless all of them run, the steps are done again. When a part fails, or this is interrupted, all
    that was started here is stopped again, and what ran before goes on.

    Raises ``InvalidInput`` for a port that somebody else has, or when what runs works on something
    else; ``ServiceUnavailable`` for a part that ends or is not ready in time, with the end of its
    log, and while another command is at work on the stack.
    """
    with held(plan.folder):
        state = read_state(plan.folder)
        running = {n: s for n, s in state.started.items() if processes.is_running(s.identity)}
        if running and dict(state.about) != dict(plan.about):
            raise InvalidInput(
                f"What runs works on {_told(state.about)}, not on {_told(plan.about)}.",
                remedy="Run rigline down first, or set the settings as they were.",
            )
        missing = [p for p in plan.parts if p.is_server and p.name not in running]
        if missing:
            _Start(plan, State(running, plan.about), tell).run()
        else:
            for part in plan.parts:
                if part.is_server:
                    tell(part.name, Phase.RUNNING, "ran already")
        return look(plan)


def look(plan: Plan) -> list[Seen]:
    """The servers of the plan, and any other that was started, as they are."""
    started = read_state(plan.folder).started
    seen: list[Seen] = []
    for part in plan.parts:
        if part.is_server and part.name not in started:
            seen.append(Seen(part.name, Health.ABSENT, part.address, ""))
    for name, entry in started.items():
        runs = processes.is_running(entry.identity)
        health = Health.RUNNING if runs else Health.DEAD
        seen.append(Seen(name, health, entry.address, entry.log, entry.identity))
    order = [part.name for part in plan.parts]
    return sorted(seen, key=lambda s: order.index(s.name) if s.name in order else len(order))


def down(plan: Plan, tell: Tell = tell_nobody) -> list[str]:
    """Stop all that ``up`` has started, and nothing else; names of what was stopped.

    Raises ``ServiceUnavailable`` while another command is at work on the stack, and for processes
    that cannot be ended.
    """
    with held(plan.folder):
        state = read_state(plan.folder)
        alive = {n for n, s in state.started.items() if processes.is_running(s.identity)}
        alive |= processes.marked_parts(plan.folder)
        _stop(plan, alive, state.started, tell)
        write_state(plan.folder, State())
        return sorted(alive)


def _stop(plan: Plan, names: Iterable[str], started: Mapping[str, Started], tell: Tell) -> None:
    """Stop parts, first those that stand on others."""
    waves: dict[int, list[str]] = {}
    for name in names:
        wave = started[name].wave if name in started else _wave(plan, name)
        waves.setdefault(wave, []).append(name)
    for _, together in sorted(waves.items(), reverse=True):
        for name in together:
            tell(name, Phase.STOPPING, "")
        leaders = {n: started[n].identity if n in started else None for n in together}
        killed = processes.stop(plan.folder, leaders)
        for name in together:
            tell(name, Phase.STOPPED, "killed: it did not end by itself" if name in killed else "")
    left = processes.marked_parts(plan.folder) & {n for wave in waves.values() for n in wave}
    if left:
        raise ServiceUnavailable(
            f"Processes of {', '.join(sorted(left))} cannot be ended.",
            remedy="rigline status shows them; end them as the user who started them.",
        )


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    since: float
    deadline: float


@dataclass
class _Start:
    """One ``up`` at work: parts go from ``waiting`` to ``pending`` to ``settled``."""

    plan: Plan
    state: State
    tell: Tell
    pending: dict[str, _Running] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    fresh: dict[str, Started | None] = field(default_factory=dict)

    def run(self) -> None:
        parts = [p for p in self.plan.parts if p.name not in self.state.started]
        for part in self.plan.parts:
            if part not in parts:
                self.settled.add(part.name)
                self.tell(part.name, Phase.RUNNING, "ran already")
            else:
                self.tell(part.name, Phase.WAITING, "")
        _check_ports(self.plan.host, parts)
        write_state(self.plan.folder, self.state)
        try:
            # What an earlier start left half done would be in the way.
            orphans = processes.marked_parts(self.plan.folder) - set(self.state.started)
            processes.stop(self.plan.folder, dict.fromkeys(orphans))
            while len(self.settled) < len(self.plan.parts):
                for part in parts:
                    if part.name not in self.fresh and self.settled.issuperset(part.after):
                        self._begin(part)
                for name in list(self.pending):
                    self._look_at(self.pending[name])
                time.sleep(LOOK_EVERY_S)
        except BaseException:
            self._take_back()
            raise

    def _begin(self, part: Part) -> None:
        self.tell(part.name, Phase.STARTING, "")
        self.fresh[part.name] = None
        log, since = self.plan.log_of(part.name), time.time()
        try:
            part.first()
            process, identity = processes.start(
                part.command, {**self.plan.environment, **part.variables},
                self.plan.root, log, self.plan.folder, part.name,
            )  # fmt: skip
        except (OSError, RiglineError) as error:
            raise self._failure(part, f"{part.name} cannot be started: {error}") from error
        self.pending[part.name] = _Running(
            part, process, since, time.monotonic() + part.ready_limit_s
        )
        if part.is_server:
            wave = _wave(self.plan, part.name)
            entry = Started(part.name, identity, wave, part.address, str(log))
            self.fresh[part.name] = entry
            self.state = replace(self.state, started={**self.state.started, part.name: entry})
            write_state(self.plan.folder, self.state)

    def _look_at(self, running: _Running) -> None:
        part, code = running.part, running.process.poll()
        if part.ready is None and code == 0:
            self._settle(part, Phase.DONE)
        elif code is not None:
            raise self._failure(part, f"{part.name} ended with exit code {code}")
        elif part.ready is not None and part.ready(running.since):
            try:
                part.once_ready()
            except RiglineError as error:
                raise self._failure(part, f"{part.name} does not work: {error.message}") from error
            self._settle(part, Phase.RUNNING)
        elif time.monotonic() > running.deadline:
            raise self._failure(part, f"{part.name} was not ready in {part.ready_limit_s:g} s")

    def _settle(self, part: Part, phase: Phase) -> None:
        del self.pending[part.name]
        self.settled.add(part.name)
        self.tell(part.name, phase, "")

    def _failure(self, part: Part, what: str) -> ServiceUnavailable:
        log = self.plan.log_of(part.name)
        said = "\n".join(processes.tail(log))
        self.tell(part.name, Phase.FAILED, "")
        return ServiceUnavailable(
            f"{what.rstrip('.')}.", remedy=f"Its log is {log}.", part=part.name, tail=said
        )

    def _take_back(self) -> None:
        """Stop what was started here."""
        started = {name: entry for name, entry in self.fresh.items() if entry is not None}
        _stop(self.plan, self.fresh, started, self.tell)
        kept = {n: s for n, s in self.state.started.items() if n not in self.fresh}
        write_state(self.plan.folder, replace(self.state, started=kept))


def _wave(plan: Plan, name: str) -> int:
    """How many parts stand below one another under a part."""
    below = {part.name: part.after for part in plan.parts}
    return 1 + max((_wave(plan, n) for n in below.get(name, ())), default=-1)


def _check_ports(host: str, parts: Iterable[Part]) -> None:
    for part in parts:
        for port, setting in part.ports.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise InvalidInput(
                        f"{part.name} cannot listen on {host}:{port}: {error.strerror}.",
                        remedy=f"Set {setting} to a free port.",
                    ) from error


def _told(about: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in about.items())
