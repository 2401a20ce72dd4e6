"""What a person does with tickets and jobs: each action in one transaction with the check of the
person's role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rigline.db.ledger import Ledger, Work
from rigline.db.reviewing import record_decision, reopen, take_back_decision
from rigline.engine.job import Job
from rigline.jobs.cancellation import cancel
from rigline.review import queue
from rigline.review.access import Permission, PersonRole, actor_of, require
from rigline.review.decision import Decision, checked_reason
from rigline.review.ticket import Actor, Ticket

Clock = Callable[[], datetime]
"""Tells the time, aware."""

LEASE: Final = timedelta(minutes=10)
"""How long a ticket stays with who claimed it when nothing is heard of them."""


@dataclass(frozen=True)
class Desk:
    """The queue as one installation's people use it.

    Every method raises ``ReviewConflict`` when role, lease, token or the ticket's state are against
    it, ``InvalidInput`` for an unknown ticket or job and for a reason that says nothing,
    ``ServiceUnavailable`` when the ledger is away.
    """

    ledger: Ledger
    clock: Clock
    lease: timedelta = LEASE

    def roles(self, person: str) -> frozenset[PersonRole]:
        """The person's roles right now."""
        with self.ledger.reading() as work:
            return work.people.roles(person, self.clock())

    def sweep(self) -> None:
        """Let the clock move what is due: leases and holds that are over, decisions that stand."""
        now = self.clock()
        with self.ledger.reading() as work:
            due = work.tickets.due(now, 1)
        if due:
            with self.ledger.transaction() as work:
                queue.sweep(work.tickets, now)

    def claim_next(self, person: str) -> Ticket | None:
        """Claim the next best ticket for the person; None when nothing waits for them."""
        self.sweep()
        with self._acting(person) as (work, actor, now):
            return queue.claim_next(work.tickets, actor, now, self.lease)

    def claim(self, person: str, ticket_id: str) -> Ticket:
        """Claim one ticket; the person's own claim, still running, is renewed as it is."""
        self.sweep()
        with self._acting(person) as (work, actor, now):
            ticket = work.tickets.get(ticket_id)
            if ticket.claimed_by == person:
                token = ticket.fencing_token
                return queue.heartbeat(work.tickets, ticket_id, actor, token, now, self.lease)
            return queue.claim(work.tickets, ticket_id, actor, now, self.lease)

    def heartbeat(self, person: str, ticket_id: str, token: int) -> Ticket:
        """The person is at it still."""
        with self._acting(person) as (work, actor, now):
            return queue.heartbeat(work.tickets, ticket_id, actor, token, now, self.lease)

    def release(self, person: str, ticket_id: str, token: int) -> Ticket:
        """Give the ticket back."""
        with self._acting(person) as (work, actor, now):
            return queue.release(work.tickets, ticket_id, actor, token, now)

    def hold(self, person: str, ticket_id: str, token: int, reason: str, time: timedelta) -> Ticket:
        """Put the ticket away for a time."""
        with self._acting(person) as (work, actor, now):
            until = now + time
            return queue.hold(
                work.tickets, ticket_id, actor, token, now, reason=reason, until=until
            )

    def wake(self, person: str, ticket_id: str) -> Ticket:
        """End a hold before its time."""
        with self._acting(person) as (work, actor, now):
            return queue.wake(work.tickets, ticket_id, actor, now)

    def skip(self, person: str, ticket_id: str, token: int, reason: str) -> Ticket:
        """Leave the ticket to others."""
        with self._acting(person) as (work, actor, now):
            return queue.skip(work.tickets, ticket_id, actor, token, now, reason)

    def escalate(self, person: str, ticket_id: str, token: int, reason: str) -> Ticket:
        """Leave the ticket to a lead."""
        with self._acting(person) as (work, actor, now):
            return queue.escalate(work.tickets, ticket_id, actor, token, now, reason)

    def decide(
        self, person: str, ticket_id: str, token: int, decision_id: str, decision: Decision
    ) -> Ticket:
        """Approve, correct or reject; sent again with the same id, no change."""
        with self._acting(person) as (work, actor, now):
            return record_decision(
                work, ticket_id, actor, token, now, decision_id=decision_id, decision=decision
            )

    def undo(self, person: str, ticket_id: str, token: int) -> Ticket:
        """Take the decision back while its undo window is open; the person has the ticket again."""
        with self._acting(person) as (work, actor, now):
            return take_back_decision(work, ticket_id, actor, token, now, self.lease)

    def reopen(self, person: str, ticket_id: str, reason: str) -> Ticket:
        """Put a closed ticket back into the queue; for leads."""
        with self._acting(person) as (work, actor, now):
            return reopen(work, ticket_id, actor, now, reason)

    def cancel(self, person: str, job_id: str, reason: str) -> Job:
        """Cancel a job that has not come to its end; for leads and operators."""
        now = self.clock()

        def check(work: Work) -> None:
            require(person, work.people.roles(person, now), Permission.CANCEL)
            checked_reason(reason, "cancelling a job")

        return cancel(self.ledger, job_id, person, now, reason, check)

    @contextmanager
    def _acting(self, person: str) -> Iterator[tuple[Work, Actor, datetime]]:
        now = self.clock()
        with self.ledger.transaction() as work:
            yield work, actor_of(person, work.people.roles(person, now)), now


@contextmanager
def seeing(
    ledger: Ledger, person: str, now: datetime, permission: Permission = Permission.SEE
) -> Iterator[Work]:
    """A unit of work that reads, for a person who may; ``ReviewConflict`` for one who may not."""
    with ledger.reading() as work:
        require(person, work.people.roles(person, now), permission)
        yield work
