"""Messages go out until they are acknowledged, and never before they are due."""

from __future__ import annotations

import pytest

from rigline.db.ledger import Ledger
from rigline.db.outbox import Message
from rigline.errors import ServiceUnavailable
from rigline.jobs.relay import FIRST_PAUSE, LONGEST_PAUSE, pause_after, relay
from tests.support.small_jobs import Killed, MortalLedger, Office


@pytest.fixture
def office(ledger: Ledger) -> Office:
    office = Office(ledger).judging(review_below=1.0)
    job = office.in_review()
    office.decide(office.correction(job.id, "split", ["a"] * 4), settle=False)
    return office


def test_a_message_goes_out_until_it_is_acknowledged(office: Office) -> None:
    sent: list[Message] = []
    assert relay(office.ledger, office.clock(), sent.append) == []
    office.clock.wait(FIRST_PAUSE)
    relay(office.ledger, office.clock(), sent.append)
    relay(office.ledger, office.clock(), sent.append)
    assert [(m.payload["decision_id"], m.attempts) for m in sent] == [("d1", 0)]
    office.clock.wait(FIRST_PAUSE)
    relay(office.ledger, office.clock(), sent.append)
    office.clock.wait(FIRST_PAUSE)
    relay(office.ledger, office.clock(), sent.append)
    assert len(sent) == 2
    office.resume("d1")
    office.clock.wait(LONGEST_PAUSE)
    assert relay(office.ledger, office.clock(), sent.append) == []


def test_a_relay_that_dies_sends_twice_rather_than_never(office: Office) -> None:
    sent: list[Message] = []
    office.clock.wait(FIRST_PAUSE)
    with pytest.raises(Killed):
        relay(MortalLedger(office.ledger, 1, committed=False), office.clock(), sent.append)  # type: ignore[arg-type]
    relay(office.ledger, office.clock(), sent.append)
    assert [m.id for m in sent] == ["d1", "d1"]


def test_what_cannot_be_sent_stays_due(office: Office) -> None:
    def broken(message: Message) -> None:
        raise ConnectionRefusedError("nobody listens")

    office.clock.wait(FIRST_PAUSE)
    with pytest.raises(ServiceUnavailable, match="nobody listens"):
        relay(office.ledger, office.clock(), broken)
    assert len(relay(office.ledger, office.clock(), lambda message: None)) == 1


def test_pauses_grow_to_an_hour() -> None:
    pauses = [pause_after(n) for n in range(40)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
