"""What a reader left out or mended on the way, in sentences for a person."""

from __future__ import annotations

MAX_WARNINGS = 50
"""A hostile file can earn one warning a node; nobody reads ten thousand."""


class WarningLog:
    """Distinct warnings in the order they were met, at most ``MAX_WARNINGS`` and a note."""

    def __init__(self) -> None:
        self._messages: dict[str, None] = {}
        self._left_out = False

    def add(self, message: str) -> None:
        """Keep ``message`` unless it is known already or the log is full."""
        if len(self._messages) < MAX_WARNINGS:
            self._messages.setdefault(message)
        elif message not in self._messages:
            self._left_out = True

    def messages(self) -> tuple[str, ...]:
        """All warnings kept so far."""
        more = ("Further warnings were left out.",) if self._left_out else ()
        return (*self._messages, *more)
