"""The services of this process, opened once: models stay loaded from one task to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from rigline.bootstrap import Services, open_ledger, open_services
from rigline.db.ledger import Ledger
from rigline.settings import Settings, load_settings


def services() -> Services:
    """The services that the environment names; opened anew only when it changes."""
    return _opened(load_settings())


@contextmanager
def opened_ledger() -> Iterator[Ledger]:
    """The ledger that the environment names."""
    ledger = open_ledger(load_settings())
    try:
        yield ledger
    finally:
        ledger.close()


@lru_cache(maxsize=4)
def _opened(settings: Settings) -> Services:
    return open_services(settings)
