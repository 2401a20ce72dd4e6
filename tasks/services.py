"""The services of this process, opened once: models stay loaded from one task to the next."""

from __future__ import annotations

from functools import lru_cache

from rigline.bootstrap import Services, open_services
from rigline.settings import Settings, load_settings


def services() -> Services:
    """The services that the environment names; opened anew only when it changes."""
    return _opened(load_settings())


@lru_cache(maxsize=4)
def _opened(settings: Settings) -> Services:
    return open_services(settings)
