"""The relay: messages of the outbox go out, again and again until somebody acknowledges them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from rigline.db.ledger import Ledger
from rigline.db.outbox import Message
from rigline.errors import ServiceUnavailable

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
PAGE: Final = 500


def relay(ledger: Ledger, now: datetime, emit: Callable[[Message], None]) -> list[Message]:
    """Send every message that is due; those sent.

    Each is sent before it is noted as sent, so that a relay which dies in between sends it twice
    rather than never. Unacknowledged it is due again after a pause that doubles. Raises
    ``ServiceUnavailable`` when ``emit`` does; what was not sent stays due.
    """
    with ledger.reading() as work:
        messages = work.outbox.due(now, PAGE)
    sent: list[Message] = []
    for message in messages:
        try:
            emit(message)
        except OSError as error:
            raise ServiceUnavailable(
                f"The message {message.id} cannot be sent: {error}.", message_id=message.id
            ) from error
        with ledger.transaction() as work:
            work.outbox.mark_sent(message.id, now, now + pause_after(message.attempts))
        sent.append(message)
    return sent


def pause_after(attempts: int) -> timedelta:
    """How long to wait for an acknowledgement after so many attempts before this one."""
    return min(FIRST_PAUSE * 2 ** min(attempts, 10), LONGEST_PAUSE)
