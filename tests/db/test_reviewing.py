"""Decisions: kept with audit and message or not at all, undone whole, sent until acknowledged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rigline.db.ledger import Ledger
from rigline.db.outbox import Outbox
from rigline.db.reviewing import DECISION_RECORDED, decide, undo
from rigline.errors import ContractViolation, InvalidInput, ReviewConflict
from rigline.review import queue
from rigline.review.decision import (
    Approval,
    Corrections,
    Decision,
    DecisionKind,
    RejectCode,
    Rejection,
)
from rigline.review.ticket import UNDO_WINDOW, Ticket, TicketState
from tests.support.ledgers import add_job
from tests.support.tickets import ANN, BOB, LEASE, NOW, SECOND, joint_correction, open_ticket

MINUTE = timedelta(minutes=1)
CORRECTED = Corrections((joint_correction(), joint_correction("cage")), "elbow too low")
DUE = NOW + UNDO_WINDOW


def claimed(ledger: Ledger) -> Ticket:
    with ledger.transaction() as work:
        add_job(work, "j1")
        work.tickets.add(open_ticket(1))
        return queue.claim(work.tickets, "t1", ANN, NOW, LEASE)


def decided(ledger: Ledger, decision: Decision = CORRECTED, **changes: Any) -> Ticket:
    fields: dict[str, Any] = {"token": 1, "now": NOW, "decision_id": "d1", **changes}
    return decide(ledger, "t1", ANN, decision=decision, **fields)


def test_a_decision_is_kept_with_all_that_goes_with_it(ledger: Ledger) -> None:
    claimed(ledger)
    ticket = decided(ledger)
    with ledger.reading() as work:
        kept = work.decisions.get("d1")
        corrections = work.decisions.corrections("d1")
        message = work.outbox.get("d1")
        assert work.tickets.get("t1") == ticket
        assert [e.action for e in work.tickets.audit("t1")] == ["claim", "correct"]
    assert (kept.kind, kept.note, kept.decided_by) == (
        DecisionKind.CORRECT, "elbow too low", "ann",
    )  # fmt: skip
    assert [c.correction for c in corrections] == [joint_correction("cage"), joint_correction()]
    assert (message.kind, message.due_at) == (DECISION_RECORDED, DUE)
    assert message.payload == {"decision_id": "d1", "job_id": "j1"}


def test_a_rejection_keeps_its_reason(ledger: Ledger) -> None:
    claimed(ledger)
    decided(ledger, Rejection(RejectCode.BROKEN_MESH, "no arms"))
    with ledger.reading() as work:
        kept = work.decisions.get("d1")
        assert (kept.code, kept.note) == (RejectCode.BROKEN_MESH, "no arms")
        assert work.decisions.corrections("d1") == []


def test_a_decision_that_breaks_off_leaves_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = claimed(ledger)

    def lose_power(*_: object) -> None:
        raise OSError("power lost")

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "add", lose_power)
        with pytest.raises(OSError, match="power lost"):
            decided(ledger)
    with ledger.reading() as work:
        assert work.tickets.get("t1") == before
        assert [e.action for e in work.tickets.audit("t1")] == ["claim"]
        assert work.decisions.corrections("d1") == []
        for ask in (work.decisions.get, work.outbox.get):
            with pytest.raises(InvalidInput):
                ask("d1")
    assert decided(ledger).state == TicketState.DECIDED


def test_a_decision_sent_twice_is_one(ledger: Ledger) -> None:
    claimed(ledger)
    assert decided(ledger) == decided(ledger, now=NOW + SECOND)
    with ledger.reading() as work:
        assert len(work.tickets.audit("t1")) == 2
        assert work.outbox.get("d1").due_at == DUE


def test_an_undone_decision_is_never_sent(ledger: Ledger) -> None:
    claimed(ledger)
    decided(ledger)
    again = undo(ledger, "t1", ANN, 1, NOW + SECOND, LEASE)
    with ledger.reading() as work:
        assert work.outbox.due(NOW + 2 * UNDO_WINDOW, 9) == []
        assert work.decisions.get("d1").undone_at == NOW + SECOND
        assert work.decisions.corrections_of("j1") == []
    with pytest.raises(ReviewConflict, match="new id"):
        decided(ledger, token=again.fencing_token, now=NOW + 2 * SECOND)
    decided(ledger, Approval(), token=again.fencing_token, decision_id="d2")
    with ledger.reading() as work:
        assert work.outbox.get("d2").attempts == 0


def test_a_refused_undo_changes_nothing(ledger: Ledger) -> None:
    claimed(ledger)
    decided(ledger)
    for actor, now in ((BOB, NOW), (ANN, DUE)):
        with pytest.raises(ReviewConflict):
            undo(ledger, "t1", actor, 1, now, LEASE)
    with ledger.reading() as work:
        assert work.decisions.get("d1").undone_at is None
        assert len(work.outbox.due(DUE, 9)) == 1


def test_corrections_come_in_the_order_in_which_they_were_made(ledger: Ledger) -> None:
    claimed(ledger)
    decided(ledger)
    later = NOW + MINUTE
    with ledger.transaction() as work:
        queue.sweep(work.tickets, later)
        queue.return_to_queue(work.tickets, "t1", later, flagged=("rig",), reasons=("rig: again",))
        ticket = queue.claim(work.tickets, "t1", ANN, later, LEASE)
    second = Corrections((joint_correction(),))
    decided(ledger, second, token=ticket.fencing_token, now=later, decision_id="d2")
    with ledger.transaction() as work:
        work.decisions.record_artifact("d2", "rig", "c" * 64)
        made = work.decisions.corrections_of("j1")
    assert [(c.correction.stage, c.decision_id, c.artifact_sha256) for c in made] == [
        ("cage", "d1", None), ("rig", "d1", None), ("rig", "d2", "c" * 64),
    ]  # fmt: skip


def test_a_message_is_sent_until_it_is_acknowledged(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        work.outbox.add("d1", DECISION_RECORDED, {"decision_id": "d1"}, DUE)
        assert work.outbox.due(DUE - SECOND, 9) == []
        for attempt in (0, 1, 2):
            now = DUE + attempt * MINUTE
            (message,) = work.outbox.due(now, 9)
            assert message.attempts == attempt
            work.outbox.mark_sent("d1", now, now + MINUTE)
            assert work.outbox.due(now, 9) == []
    with ledger.transaction() as work:
        assert work.outbox.acknowledge("d1", DUE)
        assert not work.outbox.acknowledge("d1", DUE + SECOND)
        work.outbox.mark_sent("d1", DUE, DUE)  # by a relay that had not heard of it yet
        assert work.outbox.due(DUE + 99 * MINUTE, 9) == []
        assert work.outbox.get("d1").acknowledged_at == DUE
        assert not work.outbox.withdraw("d1")
        with pytest.raises(InvalidInput):
            work.outbox.acknowledge("d9", DUE)


def test_reading_changes_nothing(ledger: Ledger) -> None:
    with pytest.raises(ContractViolation, match=r"read-?only"), ledger.reading() as work:
        work.outbox.add("d1", DECISION_RECORDED, {}, DUE)
    with ledger.reading() as work, pytest.raises(InvalidInput):
        work.outbox.get("d1")
