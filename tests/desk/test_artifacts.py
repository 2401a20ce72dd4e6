"""Artifacts: fetched with a pass, by whom the ticket is, as long as it is theirs."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from rigline.desk.artifacts import Artifacts, PreviewShelf
from rigline.desk.reviewing import Desk
from rigline.desk.signing import PASS_TIME, Signer
from rigline.desk.ticket_page import TicketPage, job_page, ticket_page
from rigline.errors import InvalidInput, ReviewConflict
from rigline.review.access import PersonRole
from tests.desk.conftest import ReviewedJob


@pytest.fixture
def artifacts(reviewed_job: ReviewedJob) -> Artifacts:
    job = reviewed_job
    return Artifacts(job.ledger, job.services.store, Signer(b"k" * 16), job.clock)


@pytest.fixture
def page(reviewed_job: ReviewedJob) -> Iterator[TicketPage]:
    """The ticket in ann's hands; back in the queue afterwards."""
    job = reviewed_job
    desk = Desk(job.ledger, job.clock)
    ticket = desk.claim("ann", job.ticket_id)
    yield ticket_page(job.ledger, "ann", ticket.id, job.clock())
    with job.ledger.reading() as work:
        now = work.tickets.get(ticket.id)
    if now.claimed_by == "ann":
        desk.release("ann", ticket.id, now.fencing_token)


def test_the_page_has_what_is_in_doubt(page: TicketPage) -> None:
    assert page.opened
    assert page.doubts
    assert list(page.runs)[:2] == ["ingest", "orient"]
    assert {doubt.stage for doubt in page.doubts} & set(page.ticket.flagged)


def test_the_holder_fetches_every_output(artifacts: Artifacts, page: TicketPage) -> None:
    kinds = {}
    for stage, run in page.runs.items():
        kinds[stage] = artifacts.fetch(artifacts.sign("ann", page.ticket.id, run.sha256)).media_type
    assert (kinds["assemble"], kinds["picture"]) == ("model/gltf-binary", "image/png")
    assert kinds["rig"] == "application/octet-stream"


def test_others_fetch_the_thumbnail_and_nothing_more(
    artifacts: Artifacts, page: TicketPage
) -> None:
    picture = page.runs["picture"].sha256
    for person in ("bob", "vic"):
        small = artifacts.fetch(artifacts.sign(person, page.ticket.id, picture, small=True))
        with Image.open(io.BytesIO(small.data)) as image:
            assert max(image.size) <= 192
        for sha256 in (picture, page.job.asset_sha256, page.runs["assemble"].sha256):
            with pytest.raises(ReviewConflict, match="not yours"):
                artifacts.fetch(artifacts.sign(person, page.ticket.id, sha256))
    avatar = page.runs["assemble"].sha256
    with pytest.raises(ReviewConflict):
        artifacts.fetch(artifacts.sign("bob", page.ticket.id, avatar, small=True))
    with pytest.raises(ReviewConflict, match="no role"):
        artifacts.fetch(artifacts.sign("stranger", page.ticket.id, picture, small=True))
    assert artifacts.fetch(artifacts.sign("liz", page.ticket.id, picture)).data


def test_a_pass_is_worth_nothing_for_another_ticket(
    artifacts: Artifacts, page: TicketPage, reviewed_job: ReviewedJob
) -> None:
    other = reviewed_job.services.store.put(b"another job's")
    with pytest.raises(ReviewConflict):
        artifacts.fetch(artifacts.sign("ann", page.ticket.id, other))
    with pytest.raises(InvalidInput):
        artifacts.fetch(artifacts.sign("ann", "t-none", page.job.asset_sha256))


def test_a_pass_ends_with_its_time_the_claim_and_the_role(
    artifacts: Artifacts, page: TicketPage, reviewed_job: ReviewedJob
) -> None:
    job, ticket = reviewed_job, page.ticket
    signed = artifacts.sign("ann", ticket.id, page.job.asset_sha256)
    with job.ledger.transaction() as work:
        work.people.revoke("ann", PersonRole.REVIEWER, job.clock())
    with pytest.raises(ReviewConflict):
        artifacts.fetch(signed)
    with job.ledger.transaction() as work:
        work.people.grant("ann", PersonRole.REVIEWER, "root", job.clock())
    assert artifacts.fetch(signed).data
    Desk(job.ledger, job.clock).release("ann", ticket.id, ticket.fencing_token)
    assert artifacts.fetch(signed).data  # it is the next in her queue, to be loaded ahead
    Desk(job.ledger, job.clock).claim("bob", ticket.id)
    with pytest.raises(ReviewConflict):
        artifacts.fetch(signed)
    with job.ledger.reading() as work:
        token = work.tickets.get(ticket.id).fencing_token
    Desk(job.ledger, job.clock).release("bob", ticket.id, token)
    job.clock.wait(2 * PASS_TIME)
    with pytest.raises(InvalidInput, match="no longer"):
        artifacts.fetch(signed)


def test_a_preview_is_seen_under_its_own_ticket_alone(
    artifacts: Artifacts, page: TicketPage
) -> None:
    artifacts.shelf.put(page.ticket.id, "f" * 64, b"preview")
    artifacts.shelf.put("t-other", "e" * 64, b"theirs")
    assert artifacts.fetch(artifacts.sign("ann", page.ticket.id, "f" * 64)).data == b"preview"
    with pytest.raises(ReviewConflict):
        artifacts.fetch(artifacts.sign("bob", page.ticket.id, "f" * 64))
    with pytest.raises(ReviewConflict):
        artifacts.fetch(artifacts.sign("ann", page.ticket.id, "e" * 64))


def test_the_shelf_keeps_the_latest() -> None:
    shelf = PreviewShelf(limit=10)
    for name in "abc":
        shelf.put("t1", name, b"12345")
    shelf.put("t1", "c", b"12345")
    assert [shelf.get("t1", name) for name in "abc"] == [None, b"12345", b"12345"]


def test_the_page_of_a_job(page: TicketPage, reviewed_job: ReviewedJob) -> None:
    found = job_page(reviewed_job.ledger, "vic", page.job.id, reviewed_job.clock())
    assert [run.stage for run in found.runs] == list(page.runs)
    assert found.ticket is not None
    assert found.audit[-1].action == "claim"
