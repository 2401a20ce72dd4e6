"""The past of the queue: pace, agreement, and what was believed against what was decided."""

from __future__ import annotations

from datetime import timedelta

from rigline.db.ledger import Ledger
from rigline.db.reviewing import decide, undo
from rigline.engine.job import Judged as JudgedJob
from rigline.review import queue
from rigline.review.decision import Approval, Decision, DecisionKind, RejectCode, Rejection
from tests.support.ledgers import add_job
from tests.support.small_jobs import POLICY
from tests.support.tickets import ANN, LEASE, LIZ, NOW, SECOND, open_ticket

MINUTE = timedelta(minutes=1)
APPROVE, REJECT = DecisionKind.APPROVE, DecisionKind.REJECT


def review(ledger: Ledger, number: int, actor: object, start: object, decision: Decision) -> int:
    """Claim, and decide 20 s later; the token."""
    with ledger.transaction() as work:
        ticket = queue.claim(work.tickets, f"t{number}", actor, start, LEASE)  # type: ignore[arg-type]
    decide(
        ledger, ticket.id, actor, ticket.fencing_token, start + 20 * SECOND,  # type: ignore[arg-type, operator]
        decision_id=f"d{number}-{actor.name}", decision=decision,  # type: ignore[attr-defined]
    )  # fmt: skip
    return ticket.fencing_token


def test_pace_agreement_and_reliability(ledger: Ledger) -> None:
    with ledger.transaction() as work:
        work.policies.add(POLICY, NOW)
        judged = JudgedJob(POLICY.name, POLICY.version, 0.8, "review")
        for number in (1, 2, 3):
            add_job(work, f"j{number}", judged=judged if number < 3 else None)
            work.tickets.add(open_ticket(number))
    review(ledger, 1, ANN, NOW, Approval())
    later = NOW + 2 * MINUTE
    with ledger.transaction() as work:
        queue.sweep(work.tickets, later)
        queue.reopen(work.tickets, "t1", LIZ, later, "a second look")
    review(ledger, 1, LIZ, later, Rejection(RejectCode.BROKEN_MESH))
    token = review(ledger, 2, ANN, later, Rejection(RejectCode.DUPLICATE))
    undo(ledger, "t2", ANN, token, later + 30 * SECOND, LEASE)
    with ledger.reading() as work:
        history = work.history
        handled = history.handlings(NOW)
        assert sorted((h.ticket_id, h.decided_by, h.kind) for h in handled) == [
            ("t1", "ann", APPROVE), ("t1", "liz", REJECT), ("t2", "ann", REJECT),
        ]  # fmt: skip
        assert {h.time for h in handled} == {20 * SECOND}
        assert history.handlings(later + MINUTE) == []
        assert history.double_reviews() == [(APPROVE, REJECT)]
        (believed,) = history.judged()
        assert (believed.confidence, believed.kind, believed.audit_rate) == (0.8, APPROVE, 0.0)
        assert [d.kind for d in history.decisions("j1")] == [APPROVE, REJECT]
        assert history.decisions("j2")[0].undone_at is not None
        assert [w.reasons for w in history.waiting()] == [("rig: the views disagree",)] * 2
