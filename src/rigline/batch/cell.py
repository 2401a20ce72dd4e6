"""A child process under supervision: what happens in it costs one item at most."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from rigline.batch.source import Entry
from rigline.batch.work import Answer, Equipment, Errand, Fault, Received
from rigline.batch.workshop import DELIVER, RECEIVE, answer
from rigline.engine.batch import FaultKind
from rigline.engine.stage_run import StageRun
from rigline.errors import RiglineError, ServiceUnavailable

START_LIMIT_S: Final = 180.0
LOOK_EVERY_S: Final = 0.25
"""How often the memory of a child that says nothing is looked at."""
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class _Round:
    """What came of one order: stages and ends by the item's index, and how the child died."""

    runs: dict[int, list[StageRun]] = field(default_factory=dict)
    ends: dict[int, Any] = field(default_factory=dict)
    death: Fault | None = None


class Cell:
    """A child process with a batch's equipment, started anew whenever it dies or has to."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int:
        """The child's process."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start a child and wait for its word.

        Raises what the child says when it cannot be equipped, ``ServiceUnavailable`` when it does
        not come up.
        """
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "rigline.batch.child", str(theirs.fileno())]
            path = os.pathsep.join(p for p in sys.path if p)
            env = {**os.environ, "PYTHONPATH": path, **dict.fromkeys(_THREADS, "1")}
            self._process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
            )
        self._connection = Connection(ours.detach())
        try:
            self._connection.send(self._equipment)
            if not self._connection.poll(START_LIMIT_S):
                raise EOFError
            refusal = self._connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise ServiceUnavailable(
                "A process for the stages did not start.",
                remedy="Look into the workers' logs; raise --memory-mib if it is below 1024.",
            ) from error
        if isinstance(refusal, RiglineError):
            self.close()
            raise refusal

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def receive(self, entries: Sequence[Entry]) -> list[Received]:
        """Bring files of the source into the store."""
        found: dict[int, Received] = {}
        while todo := [n for n in range(len(entries)) if n not in found]:
            done = self._round("receive", [entries[n] for n in todo])
            found |= {todo[at]: end for at, end in done.ends.items()}
            if done.death is not None:
                first = next(n for n in todo if n not in found)
                fault = _in_stage(done.death, RECEIVE)
                found[first] = Received(entries[first], fault=fault)
        return [found[n] for n in range(len(entries))]

    def carry_out(self, errands: Sequence[Errand], *, together: bool = False) -> list[Answer]:
        """Run the stages of errands, one after the other or ``together``; an answer to each."""
        found: dict[int, Answer] = {}
        while todo := [n for n in range(len(errands)) if n not in found]:
            joint = together and len(todo) > 1
            done = self._round("together" if joint else "carry", [errands[n] for n in todo])
            for at, end in done.ends.items():
                found[todo[at]] = answer(errands[todo[at]], done.runs.get(at, ()), end)
            if done.death is None:
                continue
            if joint:  # nobody can tell whose fault it was: each is tried again, alone
                together = False
                continue
            first = next(n for n in todo if n not in found)
            runs = done.runs.get(todo.index(first), [])
            fault = _in_stage(done.death, _next_stage(errands[first], len(runs)))
            found[first] = answer(errands[first], runs, fault)
        return [found[n] for n in range(len(errands))]

    def _round(self, verb: str, items: Sequence[Any]) -> _Round:
        """Give one order and hear what happens until all items have ended or the child has."""
        done = _Round()
        connection = self._ready(lambda c: c.send((verb, items)))
        limit_s = self._equipment.limits.stage_seconds * (len(items) if verb == "together" else 1)
        heard = time.monotonic()
        while len(done.ends) < len(items):
            try:
                if not connection.poll(LOOK_EVERY_S):
                    done.death = self._excess(time.monotonic() - heard, limit_s)
                    if done.death is not None:
                        break
                    continue
                word, index, value = connection.recv()
            except (EOFError, OSError):
                done.death = self._death()
                break
            heard = time.monotonic()
            if word == "run":
                done.runs.setdefault(index, []).append(value)
            else:
                done.ends[index] = value
        if done.death is not None or _out_of_memory(done.ends):
            self.close()  # after a failed allocation nothing in it is to be trusted
        return done

    def _ready(self, send: Callable[[Connection], None]) -> Connection:
        """A child that has taken the order; one that died since the last is no item's fault."""
        if self._connection is not None and self._process and self._process.poll() is None:
            try:
                send(self._connection)
                return self._connection
            except OSError:
                pass
        self.start()
        assert self._connection is not None
        send(self._connection)
        return self._connection

    def _excess(self, silent_s: float, limit_s: float) -> Fault | None:
        """What the child does too much of: time, or memory that no limit of the system caught."""
        if silent_s > limit_s:
            return Fault(FaultKind.TIMEOUT, "", f"It took longer than {limit_s:g} s.")
        limit_mib = self._equipment.limits.memory_mib
        if _resident_bytes(self.pid) > limit_mib << 20:
            return Fault(FaultKind.MEMORY, "", f"It took more than {limit_mib:,} MiB.")
        return None

    def _death(self) -> Fault:
        """How the child ended by itself."""
        assert self._process is not None
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return Fault(FaultKind.CRASH, "", "Its process no longer answered.")
        if code == -signal.SIGKILL:
            return Fault(
                FaultKind.LOST, "",
                "Its process was killed from outside, perhaps by the system for want of memory.",
            )  # fmt: skip
        if code < 0:
            return Fault(FaultKind.CRASH, "", f"Its process died of {signal.Signals(-code).name}.")
        return Fault(FaultKind.CRASH, "", f"Its process ended with code {code}.")


def _next_stage(errand: Errand, done: int) -> str:
    return errand.stages[done] if done < len(errand.stages) else DELIVER


def _in_stage(fault: Fault, stage: str) -> Fault:
    return Fault(fault.kind, stage, fault.error)


def _out_of_memory(ends: dict[int, Any]) -> bool:
    faults = (end.fault if isinstance(end, Received) else end for end in ends.values())
    return any(isinstance(f, Fault) and f.kind is FaultKind.MEMORY for f in faults)


def _resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
