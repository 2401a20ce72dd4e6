"""Who may do what: roles of people, what each permits, and the actor a person is in the queue."""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import StrEnum
from typing import Final

from rigline.errors import ReviewConflict
from rigline.review.conflict import Conflict
from rigline.review.ticket import Actor, Role, Ticket


class PersonRole(StrEnum):
    """What a person is here for; one person may have several.

    Viewers look at queue, jobs and figures. Reviewers decide about tickets. Leads do that too, take
    what was escalated, see every ticket, and cancel jobs. Operators see everything, cancel jobs and
    give roles.
    """

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    LEAD = "lead"
    OPERATOR = "operator"


class Permission(StrEnum):
    """What an action asks for."""

    SEE = "see"
    REVIEW = "review"
    SEE_ALL = "see_all"
    CANCEL = "cancel"


PERMISSIONS: Final[Mapping[PersonRole, frozenset[Permission]]] = {
    PersonRole.VIEWER: frozenset({Permission.SEE}),
    PersonRole.REVIEWER: frozenset({Permission.SEE, Permission.REVIEW}),
    PersonRole.LEAD: frozenset(
        {Permission.SEE, Permission.REVIEW, Permission.SEE_ALL, Permission.CANCEL}
    ),
    PersonRole.OPERATOR: frozenset({Permission.SEE, Permission.SEE_ALL, Permission.CANCEL}),
}

_NEEDED: Final[Mapping[Permission, str]] = {
    Permission.SEE: "any role",
    Permission.REVIEW: "the role reviewer or lead",
    Permission.SEE_ALL: "the role lead or operator",
    Permission.CANCEL: "the role lead or operator",
}


def permits(roles: Set[PersonRole], permission: Permission) -> bool:
    """Whether one of the roles permits it."""
    return any(permission in PERMISSIONS[role] for role in roles)


def require(person: str, roles: Set[PersonRole], permission: Permission) -> None:
    """``ReviewConflict`` with ``conflict`` ``role`` unless one of the roles permits it."""
    if not permits(roles, permission):
        raise ReviewConflict(
            f"{person} has no role that permits this.",
            remedy=f"It needs {_NEEDED[permission]}; ask an operator.",
            conflict=str(Conflict.ROLE),
            actor=person,
            permission=str(permission),
        )


def actor_of(person: str, roles: Set[PersonRole]) -> Actor:
    """The person as an actor of the queue; ``ReviewConflict`` for one who reviews nothing."""
    require(person, roles, Permission.REVIEW)
    return Actor(person, Role.LEAD if PersonRole.LEAD in roles else Role.REVIEWER)


def may_open(person: str, roles: Set[PersonRole], ticket: Ticket) -> bool:
    """Whether the artifacts of the ticket's job are for this person to see.

    They are for who has the ticket, or has decided about it last, and for those who see all.
    """
    own = person in (ticket.claimed_by, ticket.decided_by)
    reviewing = own and permits(roles, Permission.REVIEW)
    return reviewing or permits(roles, Permission.SEE_ALL)
