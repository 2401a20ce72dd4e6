"""The actions on a ticket, as values: who does what, when, and under which claim.

Each raises ``InvalidInput`` for a time without a zone, a reason that says nothing, a lease or a
hold of a length that nobody can mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from rigline.errors import InvalidInput
from rigline.review.decision import Decision, checked_reason
from rigline.review.ticket import Actor

MAX_LEASE: Final = timedelta(hours=1)
MAX_HOLD: Final = timedelta(days=90)


class ActionKind(StrEnum):
    """The columns of the transition table."""

    CLAIM = "claim"
    HEARTBEAT = "heartbeat"
    RELEASE = "release"
    EXPIRE_LEASE = "expire_lease"
    HOLD = "hold"
    WAKE = "wake"
    SKIP = "skip"
    ESCALATE = "escalate"
    APPROVE = "approve"
    CORRECT = "correct"
    REJECT = "reject"
    UNDO = "undo"
    SETTLE = "settle"
    RETURN_TO_QUEUE = "return_to_queue"
    REOPEN = "reopen"
    RAISE_PRIORITY = "raise_priority"
    WITHDRAW = "withdraw"
    RENEW = "renew"


@dataclass(frozen=True)
class Action:
    """What all actions have: an actor and a moment, which has a time zone."""

    actor: Actor
    now: datetime
    KIND: ClassVar[ActionKind]

    def __post_init__(self) -> None:
        checked_moment(self.now)

    @property
    def kind(self) -> ActionKind:
        """The column of the transition table."""
        return self.KIND

    def details(self) -> Mapping[str, str]:
        """What the audit keeps beside actor, moment and states."""
        return {}


@dataclass(frozen=True)
class HolderAction(Action):
    """An action under a claim, which ``token`` proves: the ticket's fencing token at the claim."""

    token: int


@dataclass(frozen=True)
class Claim(Action):
    """Take the ticket until ``lease`` has passed."""

    lease: timedelta
    KIND = ActionKind.CLAIM

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_lease(self.lease)


@dataclass(frozen=True)
class Heartbeat(HolderAction):
    """Still at it: the lease runs for ``lease`` from now."""

    lease: timedelta
    KIND = ActionKind.HEARTBEAT

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_lease(self.lease)


@dataclass(frozen=True)
class Release(HolderAction):
    """Give the ticket back as it was."""

    KIND = ActionKind.RELEASE


@dataclass(frozen=True)
class ExpireLease(Action):
    """Take the ticket from a holder whose lease is over."""

    KIND = ActionKind.EXPIRE_LEASE


@dataclass(frozen=True)
class Hold(HolderAction):
    """Put the ticket away until a moment, for a reason."""

    reason: str
    until: datetime
    KIND = ActionKind.HOLD

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_reason(self.reason, "putting a ticket on hold")
        if not self.now < checked_moment(self.until) <= self.now + MAX_HOLD:
            raise InvalidInput(
                f"A ticket cannot be on hold until {self.until.isoformat()}.",
                remedy=f"Choose a moment within the next {MAX_HOLD.days} days.",
                until=self.until,
            )

    def details(self) -> Mapping[str, str]:
        return {"reason": self.reason, "until": self.until.isoformat()}


@dataclass(frozen=True)
class Wake(Action):
    """End a hold: by the clock when it is over, before that by a lead or by who put it on hold."""

    KIND = ActionKind.WAKE


@dataclass(frozen=True)
class Reasoned(HolderAction):
    """An action under a claim that needs a reason."""

    reason: str

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_reason(self.reason, f"an action like {self.kind}")

    def details(self) -> Mapping[str, str]:
        return {"reason": self.reason}


@dataclass(frozen=True)
class Skip(Reasoned):
    """Leave the ticket to somebody else, for good."""

    KIND = ActionKind.SKIP


@dataclass(frozen=True)
class Escalate(Reasoned):
    """Leave the ticket to a lead."""

    KIND = ActionKind.ESCALATE


@dataclass(frozen=True)
class Decide(HolderAction):
    """Decide. ``decision_id`` is the caller's, and names this decision wherever it goes."""

    decision_id: str
    decision: Decision

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.decision_id:
            raise InvalidInput(
                "A decision needs an id.", remedy="Make a new one for each decision."
            )

    @property
    def kind(self) -> ActionKind:
        """``APPROVE``, ``CORRECT`` or ``REJECT``, as the decision is."""
        return ActionKind(self.decision.kind.value)

    def details(self) -> Mapping[str, str]:
        return {"decision_id": self.decision_id, **self.decision.details()}


@dataclass(frozen=True)
class Undo(HolderAction):
    """Take the decision back within the undo window, and the ticket again for ``lease``."""

    lease: timedelta
    KIND = ActionKind.UNDO

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_lease(self.lease)


@dataclass(frozen=True)
class Settle(Action):
    """The undo window is over: the decision stands."""

    KIND = ActionKind.SETTLE


@dataclass(frozen=True)
class ReturnToQueue(Action):
    """The rerun of a corrected job is in doubt again, in the stages ``flagged``."""

    flagged: tuple[str, ...]
    reasons: tuple[str, ...]
    KIND = ActionKind.RETURN_TO_QUEUE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.flagged:
            raise InvalidInput(
                "A ticket returns for stages in doubt, and none is named.",
                remedy="A job without doubt is published instead.",
            )

    def details(self) -> Mapping[str, str]:
        return {"flagged": ", ".join(self.flagged)}


@dataclass(frozen=True)
class FreeReasoned(Action):
    """An action without a claim that needs a reason; ``FOR`` says of what."""

    reason: str
    FOR: ClassVar[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_reason(self.reason, self.FOR)

    def details(self) -> Mapping[str, str]:
        return {"reason": self.reason}


@dataclass(frozen=True)
class Reopen(FreeReasoned):
    """A lead wants the job looked at again, for a reason."""

    KIND = ActionKind.REOPEN
    FOR = "opening a closed ticket again"


@dataclass(frozen=True)
class RaisePriority(Action):
    """The ticket has waited too long."""

    KIND = ActionKind.RAISE_PRIORITY


@dataclass(frozen=True)
class Withdraw(FreeReasoned):
    """The job was cancelled, for a reason: nobody has to look at it any more."""

    KIND = ActionKind.WITHDRAW
    FOR = "withdrawing a ticket"


@dataclass(frozen=True)
class Renew(Action):
    """The cancelled job was submitted again, has run, and needs a person as if for the first time.

    ``flagged`` is empty for an audit sample.
    """

    flagged: tuple[str, ...]
    reasons: tuple[str, ...]
    priority: int
    KIND = ActionKind.RENEW

    def details(self) -> Mapping[str, str]:
        return {"flagged": ", ".join(self.flagged)} if self.flagged else {}


def checked_moment(moment: datetime) -> datetime:
    """``moment`` itself; ``InvalidInput`` when it has no time zone."""
    if moment.utcoffset() is None:
        raise InvalidInput(
            f"The time {moment.isoformat()} has no zone.", remedy="Give it in UTC.", moment=moment
        )
    return moment


def checked_lease(lease: timedelta) -> timedelta:
    """``lease`` itself; ``InvalidInput`` unless it is above zero and at most ``MAX_LEASE``."""
    if not timedelta(0) < lease <= MAX_LEASE:
        raise InvalidInput(
            f"A lease of {lease} is not possible.",
            remedy=f"It is above zero and at most {MAX_LEASE}.",
            lease_s=lease.total_seconds(),
        )
    return lease
