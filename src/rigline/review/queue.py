"""The use cases of the review queue, over any ticket store.

Each reads a ticket, applies one action and writes it back by compare-and-set; where somebody else
was faster it looks again, and either the action still fits or it is refused for what is then so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rigline.errors import ReviewConflict
from rigline.review import actions as act
from rigline.review.actions import Action, ActionKind
from rigline.review.conflict import Conflict, refusal
from rigline.review.decision import Decision
from rigline.review.ticket import SYSTEM, Actor, Ticket, TicketState
from rigline.review.ticket_store import TicketStore
from rigline.review.transitions import Outcome, apply

CANDIDATES: Final = 8
"""Tickets looked at in one go, so that claimants who collide on the first have more to try."""

ATTEMPTS: Final = 100
"""Rounds against others before giving up. Each lost round is another's success."""

SWEEP_PAGE: Final = 500


def claim_next(store: TicketStore, actor: Actor, now: datetime, lease: timedelta) -> Ticket | None:
    """Claim the next ticket for the actor; None when there is nothing for them.

    Their own returned tickets come first, then the highest priority, then the oldest. One that they
    skipped is never among them. The ticket's ``fencing_token`` is to be shown with every further
    action. Raises ``InvalidInput`` for an impossible lease.
    """
    action = act.Claim(actor, now, lease)
    for _ in range(ATTEMPTS):
        candidates = store.claimable(actor.name, actor.role, now, CANDIDATES)
        if not candidates:
            return None
        for ticket in candidates:
            if not ticket.is_offered_to(actor.name, actor.role, now):
                continue
            outcome = apply(ticket, action)
            if _keep(store, ticket, outcome):
                return outcome.ticket
    raise ReviewConflict(
        "Others were faster each time.",
        remedy="Try again.",
        conflict=str(Conflict.STALE_VERSION),
        actor=actor.name,
    )


def claim(
    store: TicketStore, ticket_id: str, actor: Actor, now: datetime, lease: timedelta
) -> Ticket:
    """Claim one ticket that the actor has chosen, whatever the queue would offer them."""
    return change(store, ticket_id, act.Claim(actor, now, lease))


def heartbeat(
    store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime, lease: timedelta
) -> Ticket:
    """Keep a claim alive for ``lease`` from now. Not audited: nothing happens by it."""
    return change(store, ticket_id, act.Heartbeat(actor, now, token, lease))


def release(store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime) -> Ticket:
    """Give a claimed ticket back."""
    return change(store, ticket_id, act.Release(actor, now, token))


def hold(
    store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime, *,
    reason: str, until: datetime,
) -> Ticket:  # fmt: skip
    """Put a claimed ticket away until a moment; then the actor is asked first."""
    return change(store, ticket_id, act.Hold(actor, now, token, reason, until))


def wake(store: TicketStore, ticket_id: str, actor: Actor, now: datetime) -> Ticket:
    """End a hold before its time; for a lead, and for who put the ticket on hold."""
    return change(store, ticket_id, act.Wake(actor, now))


def skip(
    store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime, reason: str
) -> Ticket:
    """Leave a claimed ticket to others; it is never offered to the actor again."""
    return change(store, ticket_id, act.Skip(actor, now, token, reason))


def escalate(
    store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime, reason: str
) -> Ticket:
    """Leave a claimed ticket to a lead."""
    return change(store, ticket_id, act.Escalate(actor, now, token, reason))


def decide(
    store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime, *,
    decision_id: str, decision: Decision,
) -> Ticket:  # fmt: skip
    """Approve, correct or reject. Sent again by the same person with the same id: no change.

    Nothing may follow from the decision before ``Ticket.due_at``, while it can still be undone.
    """
    ticket = store.get(ticket_id)
    if ticket.decision_id == decision_id and ticket.decided_by == actor.name:
        return ticket
    return change(store, ticket_id, act.Decide(actor, now, token, decision_id, decision))


def undo(
    store: TicketStore, ticket_id: str, actor: Actor, token: int, now: datetime, lease: timedelta
) -> Ticket:
    """Take back the decision made under ``token``; the decider has the ticket again."""
    return change(store, ticket_id, act.Undo(actor, now, token, lease))


def reopen(store: TicketStore, ticket_id: str, actor: Actor, now: datetime, reason: str) -> Ticket:
    """Put a closed ticket back into the queue; for leads."""
    return change(store, ticket_id, act.Reopen(actor, now, reason))


def return_to_queue(
    store: TicketStore, ticket_id: str, now: datetime, *,
    flagged: tuple[str, ...], reasons: tuple[str, ...],
) -> Ticket:  # fmt: skip
    """Put the ticket of a corrected job back when its rerun is in doubt again.

    A decision whose undo window is over is settled first, should the sweep not have come by yet.
    """
    ticket = store.get(ticket_id)
    if ticket.state == TicketState.DECIDED and ticket.is_due(now):
        change(store, ticket_id, act.Settle(SYSTEM, now))
    return change(store, ticket_id, act.ReturnToQueue(SYSTEM, now, flagged, reasons))


def withdraw(store: TicketStore, ticket_id: str, now: datetime, reason: str) -> Ticket:
    """Take the ticket of a cancelled job out of the queue, and from whoever has it."""
    return change(store, ticket_id, act.Withdraw(SYSTEM, now, reason))


def renew(
    store: TicketStore, ticket_id: str, now: datetime, *,
    flagged: tuple[str, ...], reasons: tuple[str, ...], priority: int,
) -> Ticket:  # fmt: skip
    """Put a withdrawn ticket into the queue when its job was submitted again and is in doubt."""
    return change(store, ticket_id, act.Renew(SYSTEM, now, flagged, reasons, priority))


@dataclass(frozen=True)
class Swept:
    """What the clock has moved: leases expired, holds ended, decisions settled, tickets raised."""

    expired: int
    woken: int
    settled: int
    raised: int


_BY_CLOCK: Final[dict[TicketState, Callable[[Actor, datetime], Action]]] = {
    TicketState.CLAIMED: act.ExpireLease,
    TicketState.HELD: act.Wake,
    TicketState.DECIDED: act.Settle,
}


def sweep(store: TicketStore, now: datetime) -> Swept:
    """Do to every ticket that is due what the clock asks. Any number may run at once, or again."""
    done: Counter[ActionKind] = Counter()
    for _ in range(ATTEMPTS):
        page = store.due(now, SWEEP_PAGE)
        moved = 0
        for ticket in page:
            outcome = apply(ticket, _BY_CLOCK[ticket.state](SYSTEM, now))
            if _keep(store, ticket, outcome):
                done[outcome.audit.action] += 1
                moved += 1
        if len(page) < SWEEP_PAGE or not moved:
            break
    for ticket in store.overdue(now, SWEEP_PAGE):
        outcome = apply(ticket, act.RaisePriority(SYSTEM, now))
        done[outcome.audit.action] += _keep(store, ticket, outcome)
    return Swept(
        done[ActionKind.EXPIRE_LEASE], done[ActionKind.WAKE], done[ActionKind.SETTLE],
        done[ActionKind.RAISE_PRIORITY],
    )  # fmt: skip


def change(store: TicketStore, ticket_id: str, action: Action) -> Ticket:
    """Apply one action to one ticket, and keep it with its audit entry.

    Raises ``InvalidInput`` for an unknown ticket and ``ReviewConflict`` for an action that does not
    fit, or when others kept changing the ticket meanwhile.
    """
    for _ in range(ATTEMPTS):
        ticket = store.get(ticket_id)
        outcome = apply(ticket, action)
        if _keep(store, ticket, outcome):
            return outcome.ticket
    raise refusal(
        Conflict.STALE_VERSION, ticket, action, "Others kept changing the ticket.", "Try again."
    )


def _keep(store: TicketStore, before: Ticket, outcome: Outcome) -> bool:
    if not store.compare_and_set(outcome.ticket, before.version):
        return False
    if outcome.audit.action != ActionKind.HEARTBEAT:
        store.append_audit(outcome.audit)
    return True
