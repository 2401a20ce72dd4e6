"""Which endpoint gets a request, and which version is asked for: pure functions of states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rigline.inference.circuit import CLOSED, Circuit


class EndpointKind(StrEnum):
    """Where an endpoint is; also the order in which they are preferred."""

    ONPREM = "onprem"
    CLOUD = "cloud"
    EMBEDDED = "embedded"
    """This process itself: the last resort, only where a setting allows it."""


_ORDER: Final = tuple(EndpointKind)


@dataclass(frozen=True, order=True)
class ServedVersion:
    """One version of a model that answers. ``id`` names number and weights, whoever serves them."""

    model: str
    number: int
    id: str


@dataclass(frozen=True)
class EndpointState:
    """One endpoint at one moment. Of the requests ``sent``, ``pending`` are not answered yet."""

    name: str
    kind: EndpointKind
    limit: int
    ready: bool = False
    pending: int = 0
    sent: int = 0
    circuit: Circuit = CLOSED
    serves: frozenset[ServedVersion] = frozenset()


@dataclass(frozen=True)
class Route:
    """Where a request goes. ``spilled`` says that a better-loved kind of endpoint was full."""

    endpoint: str
    spilled: bool = False


def choose(
    states: Sequence[EndpointState],
    version: ServedVersion,
    now_s: float,
    tried: Collection[str] = (),
) -> Route | None:
    """The endpoint for one request, or none while all that could take it are full or away.

    On-premises endpoints come before the cloud's; among those of one kind the least pending wins,
    then the one that was asked least, then the first. An endpoint at its limit is passed over, so
    that load spills to the next kind. The embedded one is used when no server is alive at all.
    Endpoints that were ``tried`` with this request already are left out.
    """
    alive = [s for s in states if s.name not in tried and _is_alive(s, version, now_s)]
    servers = [s for s in alive if s.kind is not EndpointKind.EMBEDDED]
    usable = [s for s in servers or alive if s.pending < s.limit]
    if not usable:
        return None
    best = min(usable, key=lambda s: (_ORDER.index(s.kind), s.pending, s.sent))
    first_kind = min((_ORDER.index(s.kind) for s in servers), default=_ORDER.index(best.kind))
    return Route(best.name, spilled=_ORDER.index(best.kind) > first_kind)


def others_alive(
    states: Sequence[EndpointState], version: ServedVersion, now_s: float, tried: Collection[str]
) -> bool:
    """Whether an endpoint that was not tried yet could take the request, now or when it is free."""
    return any(s.name not in tried and _is_alive(s, version, now_s) for s in states)


def _is_alive(state: EndpointState, version: ServedVersion, now_s: float) -> bool:
    return state.ready and version in state.serves and state.circuit.allows(now_s)


def is_hopeless(states: Sequence[EndpointState], version: ServedVersion) -> bool:
    """Whether endpoints are there and none serves this version any more."""
    ready = [s for s in states if s.ready]
    return bool(ready) and not any(version in s.serves for s in ready)


def version_to_ask(states: Sequence[EndpointState], model: str) -> ServedVersion | None:
    """The version of a model that new work asks for, or none while nobody serves it.

    The newest that every ready server with this model has, so that a version that is being rolled
    out is used once all have it; without such a one, that which most have, the newest of several.
    What is embedded counts only when no server is ready.
    """
    ready = [s for s in states if s.ready]
    servers = [s for s in ready if s.kind is not EndpointKind.EMBEDDED]
    counts: Counter[ServedVersion] = Counter()
    for state in servers or ready:
        counts.update(v for v in state.serves if v.model == model)
    if not counts:
        return None
    return max(counts, key=lambda v: (counts[v], v.number, v.id))
