"""Reading untrusted files in another process, with limits on memory and time.

The readers of our own check every count, but a decoder in native code can crash, and a fault of
ours can loop: neither must take a worker with it. One server is kept for each process that reads.
It has the readers loaded and forks a child for every file (:mod:`rigline.formats.reader_server`).
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from rigline.errors import ContractViolation, InvalidInput, ServiceUnavailable
from rigline.formats import reader_server as wire
from rigline.formats.limits import MIB, Limits
from rigline.formats.model_reader import check_size
from rigline.formats.rigged_model import RiggedModel
from rigline.formats.rigged_reader import read_rigged_file
from rigline.formats.source_model import SourceModel

_Model = TypeVar("_Model", SourceModel, RiggedModel)

REMEDY: Final = "Export the model again in another way, or reduce it; the file may be damaged."
FREE_MEMORY: Final = "Free memory and try again; RIGLINE_ISOLATE_READERS=false reads without it."
ATTEMPTS: Final = 2
GRACE_S: Final = 10.0
"""How much longer than its own limit the server may take before it is given up."""


@dataclass(frozen=True)
class Isolation:
    """``memory_bytes`` is what reading a file may take beyond the program itself, and ``seconds``
    how long."""

    memory_bytes: int = 4096 * MIB
    seconds: float = 120.0


def read_isolated(
    data: bytes, name: str = "", limits: Limits | None = None, isolation: Isolation | None = None
) -> SourceModel:
    """As ``read_model``, in a process of its own.

    Raises ``InvalidInput`` also for a file that makes the reader crash or pass its limits, and
    ``ServiceUnavailable`` when no process can be started.
    """
    return _asked("model", SourceModel, data, name, limits, isolation)


def read_rigged_isolated(
    data: bytes, name: str = "", limits: Limits | None = None, isolation: Isolation | None = None
) -> RiggedModel:
    """As ``read_rigged_file``, in a process of its own; raises as ``read_isolated``."""
    return _asked("rigged", RiggedModel, data, name, limits, isolation)


def open_rigged(
    data: bytes, name: str, limits: Limits | None, isolation: Isolation | None
) -> RiggedModel:
    """As ``read_rigged_file``, and with ``isolation`` as ``read_rigged_isolated``."""
    if isolation is None:
        return read_rigged_file(data, name, limits)
    return read_rigged_isolated(data, name, limits, isolation)


def warm_reader() -> None:
    """Begin to start the server, so that it is ready when the first file is to be read."""
    _SERVER.start()


def _asked(
    reader: str, kind: type[_Model], data: bytes, name: str, limits: Limits | None,
    isolation: Isolation | None,
) -> _Model:  # fmt: skip
    limits, isolation = limits or Limits(), isolation or Isolation()
    check_size(data, name, limits)  # so that it need not travel
    request = {"reader": reader, "name": name, "limits": asdict(limits), **asdict(isolation)}
    head = json.dumps(request).encode("ascii") + b"\n"
    answer = _SERVER.ask(head, data, isolation.seconds + GRACE_S)
    return kind.from_bytes(_content(answer, isolation))


def _content(answer: bytes, isolation: Isolation) -> bytes:
    """The model's bytes; what else an answer may say is raised."""
    kind, content = answer[:1], answer[1:]
    if kind == wire.MODEL:
        return content
    if kind == wire.ERROR:
        told = json.loads(content)
        raise InvalidInput(told["message"], remedy=told["remedy"], **told["fields"])
    if kind == wire.MEMORY:
        most = isolation.memory_bytes // MIB
        raise InvalidInput(f"Reading the file takes more than {most:,} MiB.", remedy=REMEDY)
    if kind == wire.TIME:
        raise InvalidInput(
            f"Reading the file takes more than {isolation.seconds:g} s.", remedy=REMEDY
        )
    if kind == wire.CRASH:
        raise InvalidInput("The file made its reader crash.", remedy=REMEDY)
    raise ContractViolation(f"A reader failed: {content.decode('ascii', 'replace')}")


class _Server:
    """The process that reads for this one; started when first needed, and again when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def start(self) -> None:
        """Start the process unless it runs."""
        with self._lock:
            self._running()

    def ask(self, head: bytes, data: bytes, patience_s: float) -> bytes:
        """The answer to a request. A server that is gone is replaced once."""
        with self._lock:
            for _ in range(ATTEMPTS):
                process = self._running()
                answer = _exchange(process, head, data, patience_s)
                if answer is not None:
                    return answer
                self._stop()
        raise ServiceUnavailable(
            "The process that reads files does not answer.", remedy=FREE_MEMORY
        )

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        # A fork of this process must not share its pipes.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            command = [sys.executable, "-m", wire.__name__]
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, env={**os.environ, **THREADS},
                )  # fmt: skip
            except OSError as error:
                raise ServiceUnavailable(
                    f"The process that reads files cannot be started: {error}", remedy=FREE_MEMORY
                ) from error
            self._owner = os.getpid()
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _exchange(
    process: subprocess.Popen[bytes], head: bytes, data: bytes, patience_s: float
) -> bytes | None:
    """The answer; None when the server is gone, or had to be ended because it took too long."""
    assert isinstance(process.stdin, io.BufferedIOBase)
    assert isinstance(process.stdout, io.BufferedIOBase)
    watchdog = threading.Timer(patience_s, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        wire.write_frame(process.stdin, head, data)
        return wire.read_frame(process.stdout)
    except OSError:
        return None
    finally:
        watchdog.cancel()


THREADS: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Threads that a library would start on import take address space, and die in a fork."""

_SERVER: Final = _Server()
atexit.register(_SERVER.close)
