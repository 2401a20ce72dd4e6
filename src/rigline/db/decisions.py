"""Decisions of reviewers, and the corrections that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, or_, select, update

from rigline.db.database import insert_once
from rigline.db.tables import CORRECTIONS, DECISIONS, OUTBOX
from rigline.errors import ContractViolation, InvalidInput, ReviewConflict
from rigline.review.correction import Correction
from rigline.review.decision import Corrections, Decision, DecisionKind, RejectCode, Rejection
from rigline.review.ticket import Ticket

D, C = DECISIONS.c, CORRECTIONS.c


@dataclass(frozen=True)
class RecordedDecision:
    """A decision as the ledger has it; one with ``undone_at`` is out of force."""

    id: str
    ticket_id: str
    job_id: str
    kind: DecisionKind
    code: RejectCode | None
    note: str
    decided_by: str
    decided_at: datetime
    undone_at: datetime | None = None


@dataclass(frozen=True)
class RecordedCorrection:
    """A correction, and the artifact that came of it, once it has been applied."""

    decision_id: str
    correction: Correction
    artifact_sha256: str | None = None


class Decisions:
    """The decisions of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, ticket: Ticket, decision: Decision) -> None:
        """Keep the decision that the ticket has just got.

        Raises ``ReviewConflict`` when the ticket's ``decision_id`` was used before.
        """
        row = {
            "id": ticket.decision_id, "ticket_id": ticket.id, "job_id": ticket.job_id,
            "kind": str(decision.kind), "note": decision.note, "decided_by": ticket.decided_by,
            "code": str(decision.code) if isinstance(decision, Rejection) else None,
            "decided_at": ticket.decided_at,
        }  # fmt: skip
        if not insert_once(self._connection, DECISIONS, row):
            raise ReviewConflict(
                f"There is a decision {ticket.decision_id} already.",
                remedy="Make a new id for each decision.",
                conflict="duplicate",
                ticket=ticket.id,
            )
        if isinstance(decision, Corrections):
            rows = [
                {"decision_id": ticket.decision_id, "stage": c.stage, "document": c.to_json()}
                for c in decision.corrections
            ]
            self._connection.execute(insert(CORRECTIONS), rows)

    def get(self, decision_id: str) -> RecordedDecision:
        """The decision; ``InvalidInput`` when there is none of that id."""
        found = self._connection.execute(select(DECISIONS).where(D.id == decision_id)).first()
        if found is None:
            raise InvalidInput(f"There is no decision {decision_id!r}.", decision=decision_id)
        row = found._mapping
        return RecordedDecision(
            row["id"], row["ticket_id"], row["job_id"], DecisionKind(row["kind"]),
            RejectCode(row["code"]) if row["code"] else None, row["note"], row["decided_by"],
            row["decided_at"], row["undone_at"],
        )  # fmt: skip

    def mark_undone(self, decision_id: str, now: datetime) -> None:
        """Put a decision out of force."""
        self._connection.execute(
            update(DECISIONS)
            .where(D.id == decision_id, D.undone_at.is_(None))
            .values(undone_at=now)
        )

    def corrections(self, decision_id: str) -> Sequence[RecordedCorrection]:
        """The corrections of a decision, by stage name."""
        query = select(CORRECTIONS).where(C.decision_id == decision_id).order_by(C.stage)
        return [
            RecordedCorrection(row[0], Correction.model_validate(row[2]), row[3])
            for row in self._connection.execute(query)
        ]

    def corrections_of(self, job_id: str) -> Sequence[RecordedCorrection]:
        """The corrections of a job whose decisions stand, in the order in which they were made."""
        query = (
            select(C.decision_id, C.document, C.artifact_sha256)
            .join_from(CORRECTIONS, DECISIONS, C.decision_id == D.id)
            .where(D.job_id == job_id, D.undone_at.is_(None))
            .order_by(D.decided_at, D.id, C.stage)
        )
        return [
            RecordedCorrection(decision, Correction.model_validate(document), sha256)
            for decision, document, sha256 in self._connection.execute(query)
        ]

    def applied(
        self, since: datetime | None, skip: int, limit: int
    ) -> Sequence[tuple[RecordedDecision, RecordedCorrection]]:
        """Corrections that took effect, with their decisions, in the order of the decisions."""
        query = (
            select(C.decision_id, C.document, C.artifact_sha256)
            .join_from(CORRECTIONS, DECISIONS, C.decision_id == D.id)
            .where(C.artifact_sha256.is_not(None), D.undone_at.is_(None))
            .order_by(D.decided_at, D.id, C.stage)
            .offset(skip)
            .limit(limit)
        )
        if since is not None:
            query = query.where(D.decided_at >= since)
        return [
            (
                self.get(row[0]),
                RecordedCorrection(row[0], Correction.model_validate(row[1]), row[2]),
            )
            for row in self._connection.execute(query).all()
        ]

    def due(self, now: datetime, kinds: Sequence[DecisionKind], limit: int) -> Sequence[str]:
        """Ids of standing decisions of these kinds whose message is due, the longest overdue first.

        A message that was sent and is not due again for a while counts as due: whoever can act on
        it need not wait for the next attempt.
        """
        query = (
            select(D.id)
            .join_from(DECISIONS, OUTBOX, D.id == OUTBOX.c.id)
            .where(
                D.kind.in_([str(kind) for kind in kinds]),
                D.undone_at.is_(None),
                OUTBOX.c.acknowledged_at.is_(None),
                or_(OUTBOX.c.due_at <= now, OUTBOX.c.attempts > 0),
            )
            .order_by(OUTBOX.c.due_at, D.id)
            .limit(limit)
        )
        return list(self._connection.execute(query).scalars())

    def record_artifact(self, decision_id: str, stage: str, sha256: str) -> None:
        """Note the artifact that came of a correction. The same again changes nothing.

        Raises ``ContractViolation`` when another one was noted before: applying a correction twice
        has to give the same.
        """
        done = self._connection.execute(
            update(CORRECTIONS)
            .where(
                C.decision_id == decision_id,
                C.stage == stage,
                C.artifact_sha256.is_(None) | (C.artifact_sha256 == sha256),
            )
            .values(artifact_sha256=sha256)
        )
        if done.rowcount != 1:
            raise ContractViolation(
                f"The correction of {stage} by the decision {decision_id} gave something else.",
                decision=decision_id,
                stage=stage,
            )
