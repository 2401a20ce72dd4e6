"""Roles in the ledger: from when, until when, and what is left of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rigline.db.ledger import Ledger
from rigline.errors import InvalidInput
from rigline.review.access import PersonRole
from tests.support.tickets import NOW, SECOND

DAY = timedelta(days=1)
REVIEWER, LEAD = PersonRole.REVIEWER, PersonRole.LEAD


def roles(ledger: Ledger, person: str, now: object = NOW) -> set[PersonRole]:
    with ledger.reading() as work:
        return set(work.people.roles(person, now))  # type: ignore[arg-type]


def test_a_role_lasts_until_its_end(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        work.people.grant("ann", REVIEWER, "root", NOW, NOW + DAY)
        work.people.grant("ann", LEAD, "root", NOW)
    assert roles(ledger, "ann") == {REVIEWER, LEAD}
    assert roles(ledger, "ann", NOW + DAY - SECOND) == {REVIEWER, LEAD}
    assert roles(ledger, "ann", NOW + DAY) == {LEAD}
    assert roles(ledger, "Ann") == set()


def test_a_new_grant_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        work.people.grant("ann", REVIEWER, "root", NOW, NOW + DAY)
        work.people.grant("ann", REVIEWER, "liz", NOW + SECOND, NOW + 2 * DAY)
        (now,) = work.people.grants(NOW + SECOND)
        old, new = work.people.grants()
    assert (now.granted_by, now.expires_at) == ("liz", NOW + 2 * DAY)
    assert old.revoked_at == NOW + SECOND
    assert new == now


def test_what_is_revoked_is_gone_at_once_and_kept_on_record(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        work.people.grant("ann", REVIEWER, "root", NOW)
        assert work.people.revoke("ann", REVIEWER, NOW + SECOND)
        assert not work.people.revoke("ann", REVIEWER, NOW + SECOND)
        assert not work.people.revoke("ann", LEAD, NOW + SECOND)
    assert roles(ledger, "ann", NOW + SECOND) == set()
    with ledger.reading() as work:
        assert len(work.people.grants()) == 1


def test_impossible_grants_are_refused(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        with pytest.raises(InvalidInput, match="past"):
            work.people.grant("ann", REVIEWER, "root", NOW, NOW)
        with pytest.raises(InvalidInput, match="name"):
            work.people.grant(" ", REVIEWER, "root", NOW)
