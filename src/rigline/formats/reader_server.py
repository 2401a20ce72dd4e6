"""The process in which untrusted files are read: it forks a child with limits for every file.

Started by :mod:`rigline.formats.isolation`. It has loaded the readers already, so that a child
costs milliseconds. Requests and answers are frames: a length of eight bytes and as many bytes; a
request is a JSON line and the file, an answer one byte of ``ANSWERS`` and its content. Where there
is no ``fork``, the server reads one file itself and ends.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from typing import Any, Final

from rigline.errors import RiglineError
from rigline.formats import throwaway
from rigline.formats.limits import Limits
from rigline.formats.model_reader import read_model
from rigline.formats.rigged_model import RiggedModel
from rigline.formats.rigged_reader import read_rigged_file
from rigline.formats.source_model import SourceModel

LENGTH: Final = struct.Struct("<Q")
MODEL, ERROR, MEMORY, TIME, CRASH, FAULT = ANSWERS = b"M", b"E", b"O", b"T", b"C", b"F"
"""A model; an error of the caller's file; out of memory or time; a crash; a fault of the reader."""

Model = SourceModel | RiggedModel
READERS: Final[Mapping[str, Callable[[bytes, str, Limits], Model]]] = {
    "model": read_model,
    "rigged": read_rigged_file,
}
"""What a request may ask for; each answer is the bytes of such a value."""

CHUNK: Final = 1 << 20


def serve() -> None:
    """Answer requests until the other side closes its end."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get among the frames.
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    while (frame := read_frame(requests)) is not None:
        line, _, data = frame.partition(b"\n")
        request = json.loads(line)
        if not hasattr(os, "fork"):
            write_frame(answers, answer(request, data))
            return
        write_frame(answers, _answer_of_child(request, data))


def answer(request: dict[str, Any], data: bytes) -> bytes:
    """What reading the file gives, as an answer. The process is not to be used after it."""
    gc.disable()
    throwaway.begin()
    try:
        read = READERS[request["reader"]]
        model = read(data, request["name"], Limits(**request["limits"]))
        return MODEL + model.to_bytes()
    except MemoryError:
        return MEMORY
    except RiglineError as error:
        told = {"message": error.message, "remedy": error.remedy, "fields": error.fields}
        return ERROR + json.dumps(told, default=str).encode("ascii")
    except Exception as error:  # a fault of ours, to be told to whoever asked
        return FAULT + f"{type(error).__name__}: {error}".encode("ascii", "replace")[:500]


def _answer_of_child(request: dict[str, Any], data: bytes) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _limit_self(request["memory_bytes"], request["seconds"])
        try:
            with os.fdopen(writing, "wb") as out:
                out.write(answer(request, data))
        finally:
            os._exit(0)  # without clean-up: what native libraries leave behind dies here
    os.close(writing)
    try:
        found = _gather(reading, time.monotonic() + request["seconds"])
    finally:
        os.close(reading)
    if found is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if found is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return TIME
    return found if found and os.WIFEXITED(status) else CRASH


def _gather(reading: int, deadline: float) -> bytes | None:
    """All that the child writes; None when the time is up before it is done."""
    pieces: list[bytes] = []
    while True:
        ready, _, _ = select.select([reading], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return None
        piece = os.read(reading, CHUNK)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _limit_self(memory_bytes: int, seconds: float) -> None:
    """Bound address space beyond what the readers have loaded, processor time, and files."""
    import resource

    try:
        with open("/proc/self/statm", "rb") as statm:
            loaded = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        loaded = 0
    for kind, limit in (
        (resource.RLIMIT_AS, loaded + memory_bytes),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):  # some systems know the name and not the limit
            continue


def read_frame(stream: BufferedIOBase) -> bytes | None:
    """The next frame; None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: BufferedIOBase, *parts: bytes) -> None:
    """Write the parts as one frame."""
    stream.write(LENGTH.pack(sum(map(len, parts))))
    for part in parts:
        stream.write(part)
    stream.flush()


if __name__ == "__main__":
    serve()
