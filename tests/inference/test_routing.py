"""Routing is a function of states: every rule of it, and what holds for any states at all."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rigline.inference.circuit import CLOSED, FAILURES_TO_OPEN, Circuit
from rigline.inference.routing import (
    EndpointKind,
    EndpointState,
    Route,
    ServedVersion,
    choose,
    is_hopeless,
    others_alive,
    version_to_ask,
)

ONE = ServedVersion("rigging", 1, "1-aaaa")
TWO = ServedVersion("rigging", 2, "2-bbbb")
OTHER = ServedVersion("orientation", 1, "1-cccc")
ONPREM, CLOUD, EMBEDDED = EndpointKind
OPEN = Circuit(FAILURES_TO_OPEN, 1, open_until_s=100.0)


def endpoint(name: str, kind: EndpointKind = ONPREM, **known: object) -> EndpointState:
    ready = EndpointState(name, kind, limit=4, ready=True, serves=frozenset({ONE, OTHER}))
    return replace(ready, **known)  # type: ignore[arg-type]


def chosen(*states: EndpointState, tried: tuple[str, ...] = (), now_s: float = 0.0) -> str | None:
    route = choose(states, ONE, now_s, tried)
    return route and route.endpoint


def test_the_least_pending_wins_then_the_least_asked_then_the_first() -> None:
    assert chosen(endpoint("a", pending=2), endpoint("b", pending=1)) == "b"
    assert chosen(endpoint("a", sent=9), endpoint("b", sent=8)) == "b"
    assert chosen(endpoint("a"), endpoint("b")) == "a"


def test_on_premises_comes_before_the_cloud_even_when_busier() -> None:
    assert chosen(endpoint("c", CLOUD), endpoint("a", pending=3)) == "a"


def test_load_spills_to_the_cloud_at_the_limit_and_not_before() -> None:
    full, cloud = endpoint("a", pending=4), endpoint("c", CLOUD, pending=1)
    assert choose((full, cloud), ONE, 0.0) == Route("c", spilled=True)
    room = replace(full, pending=3)
    assert choose((room, cloud), ONE, 0.0) == Route("a", spilled=False)


def test_a_cloud_that_is_all_there_is_is_no_spill() -> None:
    away = endpoint("a", ready=False)
    assert choose((away, endpoint("c", CLOUD)), ONE, 0.0) == Route("c", spilled=False)


def test_nothing_is_chosen_while_all_are_full() -> None:
    assert chosen(endpoint("a", pending=4), endpoint("c", CLOUD, pending=4)) is None


def test_what_is_away_broken_or_has_other_models_is_passed_over() -> None:
    good = endpoint("z", pending=3)
    for bad in (
        endpoint("a", ready=False),
        endpoint("a", circuit=OPEN),
        endpoint("a", serves=frozenset({TWO, OTHER})),
    ):
        assert chosen(bad, good) == "z"
        assert chosen(bad) is None


def test_a_half_open_circuit_gets_one_request() -> None:
    trial = endpoint("a", circuit=OPEN)
    assert chosen(trial, now_s=100.0) == "a"
    assert chosen(replace(trial, circuit=OPEN.sent(100.0)), now_s=100.0) is None


def test_what_was_tried_is_left_out() -> None:
    a, b = endpoint("a"), endpoint("b", pending=3)
    assert chosen(a, b, tried=("a",)) == "b"
    assert chosen(a, tried=("a",)) is None
    assert others_alive((a, replace(b, pending=4)), ONE, 0.0, ("a",))  # worth waiting for
    assert not others_alive((a, replace(b, ready=False)), ONE, 0.0, ("a",))


def test_the_embedded_one_is_the_last_resort_and_no_overflow() -> None:
    here = endpoint("here", EMBEDDED)
    assert chosen(here, endpoint("c", CLOUD, pending=3)) == "c"
    assert chosen(here, endpoint("c", CLOUD, pending=4)) is None
    assert chosen(here, endpoint("c", CLOUD, ready=False)) == "here"
    assert chosen(here, endpoint("c", CLOUD, circuit=OPEN)) == "here"
    assert chosen(replace(here, serves=frozenset({TWO}))) is None


def test_new_work_asks_for_the_newest_version_that_all_have() -> None:
    old = endpoint("a", serves=frozenset({ONE}))
    both = endpoint("b", serves=frozenset({ONE, TWO}))
    assert version_to_ask((old, both), "rigging") == ONE
    assert version_to_ask((both, replace(both, name="c")), "rigging") == TWO
    assert version_to_ask((replace(old, ready=False), both), "rigging") == TWO
    assert version_to_ask((), "rigging") is None
    assert version_to_ask((old,), "skinning") is None


def test_without_a_common_version_most_decide() -> None:
    new = frozenset({TWO})
    states = (endpoint("a"), endpoint("b", serves=new), endpoint("c", serves=new))
    assert version_to_ask(states, "rigging") == TWO


def test_what_is_embedded_has_no_say_while_a_server_is_there() -> None:
    here = endpoint("here", EMBEDDED, serves=frozenset({TWO}))
    assert version_to_ask((here, endpoint("a")), "rigging") == ONE
    assert version_to_ask((here, endpoint("a", ready=False)), "rigging") == TWO


def test_a_version_is_hopeless_when_servers_are_there_and_none_has_it() -> None:
    assert is_hopeless((endpoint("a", serves=frozenset({TWO})),), ONE)
    assert not is_hopeless((endpoint("a", ready=False),), ONE)
    assert not is_hopeless((endpoint("a", pending=4),), ONE)
    assert not is_hopeless((), ONE)


circuits = st.sampled_from([CLOSED, OPEN, OPEN.sent(100.0)])
any_state = st.builds(
    EndpointState,
    name=st.text("abcdef", min_size=1, max_size=3),
    kind=st.sampled_from(EndpointKind),
    limit=st.integers(1, 4),
    ready=st.booleans(),
    pending=st.integers(0, 4),
    sent=st.integers(0, 9),
    circuit=circuits,
    serves=st.frozensets(st.sampled_from([ONE, TWO, OTHER])),
)
any_states = st.lists(any_state, max_size=6, unique_by=lambda s: s.name)


@given(any_states, st.sampled_from([0.0, 100.0]), st.sets(st.text("abcdef", max_size=2)))
def test_the_choice_can_take_the_request_and_none_of_its_kind_is_freer(
    states: list[EndpointState], now_s: float, tried: set[str]
) -> None:
    fit = [
        s
        for s in states
        if s.ready and ONE in s.serves and s.circuit.allows(now_s) and s.name not in tried
    ]
    servers = [s for s in fit if s.kind is not EMBEDDED]
    route = choose(states, ONE, now_s, tried)
    if route is None:
        assert all(s.pending >= s.limit for s in servers or fit)
        return
    (best,) = [s for s in states if s.name == route.endpoint]
    assert best in fit
    assert best.pending < best.limit
    assert best.kind is not EMBEDDED or not servers
    order = list(EndpointKind)
    for s in fit:
        if s.pending < s.limit:
            assert order.index(best.kind) <= order.index(s.kind)
            assert s.kind is not best.kind or best.pending <= s.pending


@given(any_states)
def test_the_order_of_states_decides_only_between_equals(states: list[EndpointState]) -> None:
    first, second = choose(states, ONE, 0.0), choose(states[::-1], ONE, 0.0)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        by_name = {s.name: s for s in states}
        a, b = by_name[first.endpoint], by_name[second.endpoint]
        assert (a.kind, a.pending, a.sent) == (b.kind, b.pending, b.sent)
