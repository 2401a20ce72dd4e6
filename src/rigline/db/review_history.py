"""What reviewers did, as a lead asks for it: backlog, pace, agreement, audits, reliability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy import Connection, select

from rigline.db.decisions import Decisions, RecordedDecision
from rigline.db.tables import AUDIT_ENTRIES, DECISIONS, JOBS, POLICIES, TICKETS
from rigline.review.actions import ActionKind
from rigline.review.decision import DecisionKind
from rigline.review.ticket import UNDECIDED

T, D, J, E = TICKETS.c, DECISIONS.c, JOBS.c, AUDIT_ENTRIES.c

DECIDING = (ActionKind.APPROVE, ActionKind.CORRECT, ActionKind.REJECT)


@dataclass(frozen=True)
class Waiting:
    """An undecided ticket: since when, and for which reasons."""

    created_at: datetime
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Handling:
    """One decision and how long its ticket was in the decider's hands."""

    ticket_id: str
    decided_by: str
    decided_at: datetime
    kind: DecisionKind
    time: timedelta


@dataclass(frozen=True)
class Judged:
    """What the policy believed of a job and what a person decided first.

    ``confidence`` is in [0, 1]; ``reasons`` are those of the ticket; ``audit_rate`` is the policy's
    base rate, None for a policy that is not kept.
    """

    confidence: float
    kind: DecisionKind
    reasons: tuple[str, ...]
    audit_rate: float | None


class ReviewHistory:
    """Questions about the past of the queue, over the connection of a unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def waiting(self) -> Sequence[Waiting]:
        """All undecided tickets, the oldest first."""
        query = (
            select(T.created_at, T.reasons)
            .where(T.state.in_([str(state) for state in UNDECIDED]))
            .order_by(T.created_at)
        )
        return [Waiting(row[0], tuple(row[1])) for row in self._connection.execute(query)]

    def handlings(self, since: datetime) -> Sequence[Handling]:
        """The decisions since then, with the time from the last claim to each; undone ones too."""
        kinds = [str(kind) for kind in (ActionKind.CLAIM, ActionKind.UNDO, *DECIDING)]
        query = (
            select(E.ticket_id, E.actor, E.action, E.at)
            .where(E.at >= since, E.action.in_(kinds))
            .order_by(E.ticket_id, E.version)
        )
        return list(_handlings([tuple(row) for row in self._connection.execute(query)]))

    def decisions(self, job_id: str) -> Sequence[RecordedDecision]:
        """All decisions about a job, the first first; undone ones too."""
        query = select(D.id).where(D.job_id == job_id).order_by(D.decided_at, D.id)
        known = Decisions(self._connection)
        return [known.get(row) for row in self._connection.execute(query).scalars()]

    def double_reviews(self) -> Sequence[tuple[DecisionKind, DecisionKind]]:
        """First and second opinion where two people decided about one ticket without undoing it."""
        query = (
            select(D.ticket_id, D.decided_by, D.kind)
            .where(D.undone_at.is_(None))
            .order_by(D.ticket_id, D.decided_at, D.id)
        )
        found = []
        for _, rows in groupby(self._connection.execute(query).all(), key=lambda row: row[0]):
            opinions: dict[str, DecisionKind] = {}
            for _, person, kind in rows:
                opinions.setdefault(person, DecisionKind(kind))
            if len(opinions) > 1:
                first, second, *_ = opinions.values()
                found.append((first, second))
        return found

    def judged(self) -> Sequence[Judged]:
        """Every job that a policy judged and a person decided about, by its first decision."""
        rates = {
            (name, version): document.get("audit_rate")
            for name, version, document in self._connection.execute(
                select(POLICIES.c.name, POLICIES.c.version, POLICIES.c.document)
            )
        }
        query = (
            select(D.job_id, J.confidence, D.kind, T.reasons, J.policy_name, J.policy_version)
            .join_from(DECISIONS, JOBS, D.job_id == J.id)
            .join(TICKETS, D.ticket_id == T.id)
            .where(D.undone_at.is_(None), J.confidence.is_not(None))
            .order_by(D.decided_at, D.id)
        )
        first: dict[str, Judged] = {}
        for job, confidence, kind, reasons, policy, version in self._connection.execute(query):
            rate = rates.get((policy, version))
            first.setdefault(job, Judged(confidence, DecisionKind(kind), tuple(reasons), rate))
        return list(first.values())


def _handlings(rows: Sequence[tuple[Any, ...]]) -> Iterator[Handling]:
    """Each decision whose entry before it is the decider's own claim of the same ticket."""
    takes = (ActionKind.CLAIM, ActionKind.UNDO)
    for before, after in pairwise(rows):
        if before[:2] == after[:2] and before[2] in takes and after[2] in DECIDING:
            kind = DecisionKind(after[2])
            yield Handling(after[0], after[1], after[3], kind, after[3] - before[3])
