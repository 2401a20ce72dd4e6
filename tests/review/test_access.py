"""Roles: what each permits, and who may open which ticket."""

from __future__ import annotations

import pytest

from rigline.errors import ReviewConflict
from rigline.review.access import (
    PERMISSIONS,
    Permission,
    PersonRole,
    actor_of,
    may_open,
    permits,
    require,
)
from rigline.review.ticket import Role, TicketState
from tests.support.tickets import open_ticket, ticket_in

REVIEWER, LEAD, VIEWER, OPERATOR = (
    frozenset({r})
    for r in (PersonRole.REVIEWER, PersonRole.LEAD, PersonRole.VIEWER, PersonRole.OPERATOR)
)


def test_every_role_may_see_and_only_reviewers_and_leads_review() -> None:
    assert set(PERMISSIONS) == set(PersonRole)
    reviewing = {role for role in PersonRole if permits({role}, Permission.REVIEW)}
    assert reviewing == {PersonRole.REVIEWER, PersonRole.LEAD}
    assert all(permits({role}, Permission.SEE) for role in PersonRole)
    assert not permits(frozenset(), Permission.SEE)


def test_leads_and_operators_cancel_jobs() -> None:
    cancelling = {role for role in PersonRole if permits({role}, Permission.CANCEL)}
    assert cancelling == {PersonRole.LEAD, PersonRole.OPERATOR}


@pytest.mark.parametrize("roles", [frozenset(), VIEWER, OPERATOR])
def test_who_reviews_nothing_is_no_actor(roles: frozenset[PersonRole]) -> None:
    with pytest.raises(ReviewConflict, match="reviewer or lead") as caught:
        actor_of("ann", roles)
    assert caught.value.fields["conflict"] == "role"


def test_a_lead_is_a_lead_whatever_else_they_are() -> None:
    assert actor_of("ann", REVIEWER).role == Role.REVIEWER
    assert actor_of("liz", REVIEWER | LEAD | VIEWER).role == Role.LEAD


@pytest.mark.parametrize("permission", Permission)
def test_a_refusal_says_whom_to_ask(permission: Permission) -> None:
    with pytest.raises(ReviewConflict, match="ask an operator"):
        require("ann", frozenset(), permission)


def test_a_ticket_is_open_to_its_holder_its_decider_and_those_who_see_all() -> None:
    waiting, claimed, decided = open_ticket(), ticket_in(TicketState.CLAIMED), None
    decided = ticket_in(TicketState.DECIDED)
    assert [may_open("ann", REVIEWER, t) for t in (waiting, claimed, decided)] == [
        False,
        True,
        True,
    ]
    assert not any(may_open("bob", REVIEWER, t) for t in (waiting, claimed, decided))
    assert not may_open("ann", VIEWER, claimed)
    assert all(may_open("bob", roles, waiting) for roles in (LEAD, OPERATOR))
