"""The workers of a batch as Ray actors: pools that grow and heal with the cluster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from rigline.batch.cell import Cell
from rigline.batch.legs import Pools
from rigline.batch.source import Entry
from rigline.batch.work import Answer, Equipment, Errand, Received
from rigline.errors import RiglineError, ServiceUnavailable

CALLS: Final = 2
"""Orders a worker has at most: one in hand, and one so that it need not wait for the next."""
LOOK_EVERY_S: Final = 3.0
"""How often the pools are compared with the cluster."""


class Worker:
    """An actor that watches over one child process."""

    def __init__(self, equipment: Equipment) -> None:
        self._cell = Cell(equipment)

    def start(self) -> str:
        """Start the child; the id of the node. Raises what keeps the child from starting."""
        self._cell.start()
        return str(ray.get_runtime_context().get_node_id())

    def receive(self, entries: Sequence[Entry]) -> list[Received]:
        """See :meth:`Cell.receive`."""
        return self._cell.receive(entries)

    def carry_out(self, errands: Sequence[Errand], together: bool) -> list[Answer]:
        """See :meth:`Cell.carry_out`."""
        return self._cell.carry_out(errands, together=together)


@dataclass(frozen=True)
class Order:
    """Entries to receive, or errands to carry out on an inference or any other worker."""

    entries: tuple[Entry, ...] = ()
    errands: tuple[Errand, ...] = ()
    inference: bool = False


@dataclass(frozen=True)
class Done:
    """What came back of an order: its results, or none when its worker was lost."""

    order: Order
    results: tuple[Any, ...] | None
    seconds: float


@dataclass
class _Member:
    handle: Any
    starting: Any
    inference: bool
    node: str = ""
    calls: dict[Any, tuple[Order, float]] = field(default_factory=dict)


class Crew:
    """The workers of one batch on the cluster that this process is connected to.

    ``sized`` gives the pools for the resources that the cluster has at the time; workers that died
    are replaced and nodes that come are used.
    """

    def __init__(
        self, equipment: Equipment, sized: Callable[[dict[str, float]], Pools],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._equipment = equipment
        self._sized = sized
        self._clock = clock
        self._members: list[_Member] = []
        self._looked_at = float("-inf")
        self.lost = 0
        self.pools = sized(self._resources())
        self.look_after()

    @property
    def ready(self) -> int:
        """How many workers are up."""
        return sum(bool(member.node) for member in self._members)

    def look_after(self) -> None:
        """Bring the pools to the size that the cluster allows now."""
        if self._clock() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = self._clock()
        self.pools = self._sized(self._resources())
        for inference, size in ((False, self.pools.cpu), (True, self.pools.inference)):
            there = sum(member.inference == inference for member in self._members)
            for _ in range(size - there):
                self._members.append(self._hire(inference))

    def room(self, *, inference: bool = False) -> int:
        """How many orders the workers of a kind would take now."""
        return sum(CALLS - len(m.calls) for m in self._members if _takes(m, inference))

    def idle(self, *, inference: bool = False) -> bool:
        """Whether a worker of that kind has nothing to do."""
        return any(not m.calls for m in self._members if _takes(m, inference))

    def give(self, order: Order) -> None:
        """Give an order to the worker that has least to do; there must be room."""
        fitting = [m for m in self._members if _takes(m, order.inference)]
        member = min(fitting, key=lambda m: len(m.calls))
        if order.entries:
            call = member.handle.receive.remote(order.entries)
        else:
            call = member.handle.carry_out.remote(order.errands, self.pools.together > 1)
        member.calls[call] = (order, self._clock())

    def wait(self, timeout_s: float) -> list[Done]:
        """What was done by now, or the first thing that is done within the time.

        Raises what keeps workers from starting, ``ServiceUnavailable`` when the cluster is gone.
        """
        waiting = {ref: m for m in self._members for ref in (*m.calls, *_starting(m))}
        if not waiting:
            time.sleep(min(timeout_s, 0.05))
            return []
        try:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=timeout_s)
            if ready:  # and whatever else is there by now
                ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        except RayError as error:
            raise _cluster_gone(error) from error
        found = [self._collect(waiting[ref], ref) for ref in ready]
        return [done for group in found for done in group]

    def close(self) -> None:
        """Let all workers go."""
        for member in self._members:
            ray.kill(member.handle)
        self._members.clear()

    def _hire(self, inference: bool) -> _Member:
        gpus = self.pools.gpus if inference else 0.0
        made = ray.remote(Worker).options(
            num_cpus=0 if gpus else 1,
            num_gpus=gpus,
            max_restarts=0,  # attempts are counted in the ledger, where they outlive us
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        handle: Any = made.remote(self._equipment)
        return _Member(handle, handle.start.remote(), inference)

    def _collect(self, member: _Member, ref: Any) -> list[Done]:
        """What a reference holds; a worker that is lost gives back all its orders."""
        if member not in self._members:
            return []
        try:
            value = ray.get(ref)
        except RayActorError:
            return self._bury(member)
        except RayTaskError as error:
            cause = error.cause
            if ref == member.starting and isinstance(cause, RiglineError):
                raise cause from error
            if ref != member.starting and isinstance(cause, RiglineError):
                return self._bury(member)
            raise
        except RayError as error:
            raise _cluster_gone(error) from error
        if ref == member.starting:
            member.node = value
            return []
        order, since = member.calls.pop(ref)
        return [Done(order, tuple(value), self._clock() - since)]

    def _bury(self, member: _Member) -> list[Done]:
        self._members.remove(member)
        self.lost += bool(member.node)
        self._looked_at = float("-inf")
        with contextlib.suppress(RayError):
            ray.kill(member.handle)
        return [Done(order, None, 0.0) for order, _ in member.calls.values()]

    def _resources(self) -> dict[str, float]:
        try:
            return dict(ray.cluster_resources())  # type: ignore[no-untyped-call]
        except (RayError, ConnectionError) as error:
            raise _cluster_gone(error) from error


def _takes(member: _Member, inference: bool) -> bool:
    return bool(member.node) and member.inference == inference and len(member.calls) < CALLS


def _starting(member: _Member) -> tuple[Any, ...]:
    return () if member.node else (member.starting,)


def _cluster_gone(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"The Ray cluster does not answer: {error}.", remedy="Check RAY_ADDRESS; then resume."
    )
