"""The errors of Rigline.

::

    RiglineError
    ├── InvalidInput         permanent; the caller's file or value is at fault
    ├── ContractViolation    permanent; a part of Rigline (or a model) broke its promise
    ├── ServiceUnavailable   transient; the only error that is retried
    └── ReviewConflict       expected; somebody else was faster or the state has moved on

Low confidence is a value, never an error.
"""

from __future__ import annotations

from typing import Any


class RiglineError(Exception):
    """Base of all errors of Rigline.

    ``message`` is one sentence for a person; ``remedy`` says what to do about it; ``fields`` name
    the values involved. Instances survive pickling, so they cross process boundaries whole.
    """

    def __init__(self, message: str, *, remedy: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.remedy, self.fields))

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class InvalidInput(RiglineError):
    """The file or value handed in cannot be used; trying again will not help."""


class ContractViolation(RiglineError):
    """Rigline, or a model it loaded, did not keep its own promise."""


class ServiceUnavailable(RiglineError):
    """Something that is needed does not answer at the moment; trying again may help."""


class ReviewConflict(RiglineError):
    """The action no longer fits: already claimed, stale version or illegal transition."""


def _rebuild(
    kind: type[RiglineError], message: str, remedy: str, fields: dict[str, Any]
) -> RiglineError:
    return kind(message, remedy=remedy, **fields)


def is_transient(error: BaseException) -> bool:
    """Whether a retry can help. The one predicate behind every retry in Rigline."""
    return isinstance(error, ServiceUnavailable)
