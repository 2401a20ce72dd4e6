"""The ticket page: what the editor is told, and what it says as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from review_ui.presenters.body import body_facts
from review_ui.presenters.wording import code_words, refusal
from rigline.desk.ticket_page import TicketPage
from rigline.errors import InvalidInput, RiglineError
from rigline.review.access import Permission, PersonRole, permits
from rigline.review.decision import Approval, Decision, RejectCode, Rejection
from rigline.review.ticket import UNDO_WINDOW, Ticket, TicketState

EDITED_STAGES: Final = ("orient", "segment", "rig", "skin", "cage", "attach", "assemble")

HEAVY_STAGES: Final = frozenset({"cage"})
"""Stages that cost time and are computed only for who looks at what they make."""

Address = Callable[[str], str]
"""The signed address of an artifact, by its sha256."""


@dataclass(frozen=True)
class Message:
    """A command of the editor, its parts checked."""

    seq: int
    kind: str
    ticket_id: str
    token: int
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text of the message; empty when it has none."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    @property
    def unseen(self) -> frozenset[str]:
        """Stages whose output the editor does not show at the moment."""
        return frozenset() if self.fields.get("cage") is True else HEAVY_STAGES

    @property
    def ops(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Operations by stage. Raises ``InvalidInput`` for what has another shape."""
        ops = self.fields.get("ops")
        if not isinstance(ops, dict) or not all(
            isinstance(stage, str) and isinstance(found, list) and all(map(_is_op, found))
            for stage, found in ops.items()
        ):
            raise InvalidInput("The editor sent no operations.", remedy="Load the page again.")
        return ops


def message_of(value: Any) -> Message:
    """The message; ``InvalidInput`` for what no editor sends."""
    try:
        seq, token = int(value["seq"]), int(value["token"])
        kind, ticket_id = str(value["kind"]), str(value["ticketId"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("The editor sent no command.", remedy="Load the page again.") from error
    return Message(seq, kind, ticket_id, token, value)


def decision_of(message: Message) -> Decision:
    """An approval or a rejection. Raises ``InvalidInput`` for an unknown reason."""
    if message.kind == "approve":
        return Approval(message.text("note"))
    code = message.text("code")
    known = {str(c): c for c in RejectCode}
    if code not in known:
        raise InvalidInput(f"There is no reason {code!r}.", remedy=f"One of {', '.join(known)}.")
    return Rejection(known[code], message.text("note"))


def editor_data(
    page: TicketPage, person: str, address: Address, now: datetime, *,
    following: tuple[TicketPage, Address] | None = None,
    decided: Mapping[str, Any] | None = None, preview: Mapping[str, Any] | None = None,
    reply: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """All that the editor draws and offers, as JSON."""
    lead = PersonRole.LEAD in page.roles
    return {
        "mode": "ticket",
        "body": body_facts(),
        "person": person,
        "lead": lead,
        "reviews": permits(page.roles, Permission.REVIEW),
        "ticket": _ticket(page.ticket, person, now),
        "asset": _asset(page),
        "artifacts": artifacts_of(page, address) if page.opened else {},
        "doubts": [vars(doubt) for doubt in page.doubts],
        "rejectCodes": [{"code": str(c), "words": code_words(str(c))} for c in RejectCode],
        "next": next_of(*following) if following else None,
        "decided": decided,
        "preview": preview,
        "reply": reply,
    }


def next_of(page: TicketPage, address: Address) -> dict[str, Any]:
    """The next ticket, for the browser to fetch ahead of time."""
    return {"id": page.ticket.id, "artifacts": artifacts_of(page, address)}


def artifacts_of(page: TicketPage, address: Address) -> dict[str, dict[str, str]]:
    """Hash and address of the outputs that the editor draws."""
    return {
        stage: {"sha256": run.sha256, "url": address(run.sha256)}
        for stage, run in page.runs.items()
        if stage in EDITED_STAGES
    }


def decided_note(ticket: Ticket, name: str, now: datetime) -> dict[str, Any] | None:
    """The decision just made, as long as it can be taken back."""
    if ticket.state != TicketState.DECIDED or ticket.decided_at is None:
        return None
    left = (ticket.decided_at + UNDO_WINDOW - now).total_seconds()
    words = {"approve": "approved", "correct": "accepted with changes", "reject": "rejected"}
    if left <= 0:
        return None
    said = f"{name} {words[str(ticket.decision)]}."
    return {
        "ticketId": ticket.id, "token": ticket.fencing_token, "said": said, "undoSeconds": left,
    }  # fmt: skip


def reply_to(message: Message, error: RiglineError | None = None) -> dict[str, Any]:
    """The answer to a command."""
    said = refusal(error) if error is not None else None
    return {"seq": message.seq, "kind": message.kind, "refusal": said}


def hold_time(message: Message) -> timedelta:
    """How long a ticket is put away. Raises ``InvalidInput`` for a time that cannot be."""
    hours = message.fields.get("hours")
    if not isinstance(hours, int | float) or not 0 < hours <= 24 * 90:
        raise InvalidInput(f"A ticket cannot be on hold for {hours!r} hours.")
    return timedelta(hours=float(hours))


def _ticket(ticket: Ticket, person: str, now: datetime) -> dict[str, Any]:
    mine = ticket.state == TicketState.CLAIMED and ticket.claimed_by == person
    left = None
    if mine and ticket.lease_expires_at is not None:
        left = max(0.0, (ticket.lease_expires_at - now).total_seconds())
    return {
        "id": ticket.id,
        "jobId": ticket.job_id,
        "state": str(ticket.state),
        "token": ticket.fencing_token,
        "version": ticket.version,
        "holder": ticket.claimed_by,
        "mine": mine,
        "leaseSeconds": left,
        "flagged": list(ticket.flagged),
        "reasons": list(ticket.reasons),
        "priority": ticket.priority,
        "escalation": ticket.escalation_reason or None,
    }


def _asset(page: TicketPage) -> dict[str, Any]:
    ingest = page.runs.get("ingest")
    evidence = ingest.evidence if ingest is not None else {}
    judged = page.job.judged
    return {
        "name": page.asset.name,
        "creator": page.job.creator,
        "batch": page.job.batch,
        "vertices": evidence.get("vertices", 0),
        "triangles": evidence.get("triangles", 0),
        "confidence": judged.confidence if judged is not None else None,
    }


def _is_op(value: Any) -> bool:
    return isinstance(value, dict)
