"""Whether this process reads one file and ends, so that a library may leave it unusable."""

from __future__ import annotations

_is_throwaway = False


def begin() -> None:
    """From now on the process is good for one file, with the garbage collector off."""
    global _is_throwaway
    _is_throwaway = True


def is_throwaway() -> bool:
    """Whether ``begin`` was called in this process."""
    return _is_throwaway
