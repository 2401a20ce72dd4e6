"""What the clock asks for: leases and holds end, decisions take effect, messages go out."""

from __future__ import annotations

from dataclasses import dataclass

from prefect.events import emit_event

from rigline.db.outbox import Message
from rigline.errors import RiglineError
from rigline.jobs.relay import relay
from rigline.jobs.resumption import carry_out_due
from tasks.job_tasks import clock
from tasks.services import opened_ledger


@dataclass
class Tally:
    """What several rounds have done."""

    rounds: int = 0
    ended: int = 0
    sent: int = 0
    troubles: int = 0
    trouble: str = ""


def tend(tally: Tally) -> None:
    """One round, added to the tally. A database that is away is met again in the next round."""
    tally.rounds += 1
    try:
        with opened_ledger() as ledger:
            tally.ended += len(carry_out_due(ledger, clock()))
            tally.sent += len(relay(ledger, clock(), emit))
    except RiglineError as error:
        tally.troubles += 1
        tally.trouble = str(error)


def emit(message: Message) -> None:
    """The message as an event of Prefect, about the job."""
    emit_event(
        event=message.kind,
        resource={
            "prefect.resource.id": f"rigline.job.{message.payload['job_id']}",
            "prefect.resource.name": f"job {message.payload['job_id']}",
        },
        payload={**message.payload, "attempt": message.attempts + 1},
    )
