"""Names that may become part of a path or of an object's key."""

from __future__ import annotations

import re
from typing import Final

from rigline.errors import ContractViolation

_SAFE: Final = re.compile(r"[a-z0-9_]+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def checked_name(name: str) -> str:
    """The name itself; ``ContractViolation`` when it could lead anywhere else in the store."""
    if not is_name(name):
        raise ContractViolation(f"{name!r} cannot name an artifact.")
    return name


def is_name(name: str) -> bool:
    """Whether a store could have given this name."""
    return bool(_SAFE.fullmatch(name))


def is_sha256(name: str) -> bool:
    """Whether this is a sha256 in hexadecimal, which only artifacts are named."""
    return bool(_SHA256.fullmatch(name))
