"""The process in which the stages of a batch run: it may crash, hang or eat memory.

Its worker talks to it over one socket and ends it when it has to. Run as ``python -m
rigline.batch.child DESCRIPTOR``.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final

from rigline.batch.work import Equipment, Errand, Fault
from rigline.batch.workshop import Workshop
from rigline.engine.stage_run import StageRun
from rigline.errors import RiglineError
from rigline.triage.judgement import Judgement

_PR_SET_PDEATHSIG: Final = 1
_MIB: Final = 1 << 20


def main() -> None:
    """Serve the worker at the other end of the socket until it goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's, which ends us in order
    worker = Connection(int(sys.argv[1]))
    equipment: Equipment = worker.recv()
    _die_with_parent()
    _limit_memory(equipment.limits.memory_mib)
    try:
        workshop = Workshop.open(equipment)
        workshop.prepare()
    except RiglineError as error:
        worker.send(error)
        return
    worker.send(None)
    while True:
        try:
            verb, items = worker.recv()
        except EOFError:
            return
        serve(workshop, worker, verb, items)


def serve(workshop: Workshop, worker: Connection, verb: str, items: Sequence[object]) -> None:
    """Do one order, and say of each item what happens: ``("run" | "end", index, value)``."""

    def ran(index: int, run: StageRun) -> None:
        worker.send(("run", index, run))

    def ended(index: int, end: Judgement | Fault | None) -> None:
        worker.send(("end", index, end))

    if verb == "together":
        workshop.carry_out_together([e for e in items if isinstance(e, Errand)], ran, ended)
        return
    for index, item in enumerate(items):
        if isinstance(item, Errand):
            ended(index, workshop.carry_out(item, lambda run, at=index: ran(at, run)))  # type: ignore[misc]
        else:
            worker.send(("end", index, workshop.receive(item)))  # type: ignore[arg-type]


def _die_with_parent() -> None:
    """Have the system end this process when its worker dies, even in an endless loop."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:  # it died before we could ask
            os._exit(1)


def _limit_memory(mib: int) -> None:
    """Have allocations beyond the limit fail, which is an error of one item and no more.

    The limit is on data, as the address space says little where threads and models reserve it.
    """
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (mib * _MIB, mib * _MIB))


if __name__ == "__main__":
    main()
