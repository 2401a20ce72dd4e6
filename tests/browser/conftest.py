from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser

from tests.support.browsers import Reviewer, chromium, chromium_path
from tests.support.review_app import Installation, install, review_app

if TYPE_CHECKING:
    from tests.support.ledgers import PostgresServer

NewReviewer = Callable[[str], Reviewer]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without it nothing here can be tested."""
    if chromium_path() is None:
        pytest.fail("There is no Chromium: run make test-browser, or set RIGLINE_CHROMIUM.")
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[Installation]:
    """Jobs and people in a real PostgreSQL database."""
    made = install(tmp_path_factory.mktemp("review"), postgres.new_database())
    yield made
    made.ledger.close()


@pytest.fixture(scope="session")
def app(installation: Installation) -> Iterator[str]:
    """The address of the running app."""
    with review_app(installation) as url:
        yield url


@pytest.fixture
def reviewer(browser: Browser, app: str) -> Iterator[NewReviewer]:
    """People who sign in; each gets a browser window of their own."""
    people: list[Reviewer] = []

    def come(person: str) -> Reviewer:
        people.append(Reviewer.at(browser, app))
        people[-1].sign_in(person)
        return people[-1]

    yield come
    for person in people:
        person.leave()


@pytest.fixture
def new_ticket(installation: Installation) -> Callable[..., str]:
    """Tickets of a sample; each is another job, whose stages were computed before."""
    number = itertools.count()

    def make(sample: str | Path = "caped_hero", **fields: object) -> str:
        fields.setdefault("batch", f"{id(number)}-{next(number)}")
        return installation.add_ticket(sample, **fields)  # type: ignore[arg-type]

    return make
