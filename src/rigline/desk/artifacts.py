"""Artifacts on their way to a browser: one address each, signed, short-lived, of one ticket."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from PIL import Image

from rigline.db.ledger import Ledger, Work
from rigline.desk.reviewing import Clock
from rigline.desk.signing import PASS_TIME, Pass, Signer
from rigline.desk.ticket_page import latest_runs, next_for
from rigline.engine.artifact_store import ArtifactStore
from rigline.errors import ReviewConflict
from rigline.render.body_picture import CAPTION_PX
from rigline.render.preview import PANELS
from rigline.review.access import Permission, PersonRole, may_open, require
from rigline.review.conflict import Conflict
from rigline.review.ticket import Ticket

PICTURE_STAGE: Final = "picture"
THUMBNAIL_PX: Final = 192
KEPT_BYTES: Final = 256 * 2**20
KEPT_THUMBNAILS: Final = 2000

_MAGIC: Final = ((b"glTF", "model/gltf-binary"), (b"\x89PNG", "image/png"))


@dataclass(frozen=True)
class Artifact:
    """Bytes with their media type."""

    data: bytes
    media_type: str


class PreviewShelf:
    """Outputs of previews, each for one ticket, the latest ``KEPT_BYTES`` of them."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size, self._limit, self._lock = 0, limit, threading.Lock()

    def put(self, ticket_id: str, sha256: str, data: bytes) -> None:
        """Keep an output."""
        with self._lock:
            if self._kept.pop((ticket_id, sha256), None) is not None:
                self._size -= len(data)
            self._kept[ticket_id, sha256] = data
            self._size += len(data)
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])

    def get(self, ticket_id: str, sha256: str) -> bytes | None:
        """The output, if it is there still."""
        with self._lock:
            return self._kept.get((ticket_id, sha256))


class Artifacts:
    """Makes addresses of artifacts, and answers them.

    A pass says who may fetch what until when; role and ticket are looked up again when it is used.
    """

    def __init__(self, ledger: Ledger, store: ArtifactStore, signer: Signer, clock: Clock) -> None:
        self._ledger, self._store, self._signer, self._clock = ledger, store, signer, clock
        self._thumbnails: OrderedDict[str, bytes] = OrderedDict()
        self.shelf = PreviewShelf()

    def sign(self, person: str, ticket_id: str, sha256: str, *, small: bool = False) -> str:
        """The signed pass for an address; it is worth what the person may see when it is used.

        It ends at a full multiple of ``PASS_TIME``, so that pages drawn again name the same address
        and a browser need not fetch again.
        """
        step = PASS_TIME.total_seconds()
        ends = (self._clock().timestamp() // step + 2) * step
        expires_at = datetime.fromtimestamp(ends, UTC)
        return self._signer.sign(Pass(sha256, ticket_id, person, expires_at, small))

    def fetch(self, signed: str) -> Artifact:
        """What a pass leads to.

        The head of a person's own queue counts as theirs, so that a browser can load it ahead.
        Raises ``InvalidInput`` for a pass that is forged or over, ``ReviewConflict`` when the
        artifact is not for this person (any more), ``ContractViolation`` when it is gone, and
        ``ServiceUnavailable`` when ledger or store is away.
        """
        now = self._clock()
        given = self._signer.read(signed, now)
        with self._ledger.reading() as work:
            roles = work.people.roles(given.person, now)
            require(given.person, roles, Permission.SEE)
            ticket = work.tickets.get(given.ticket_id)
            if given.small:
                self._check_thumbnail(work, ticket, given)
            elif not _may_fetch(work, ticket, given.person, roles, now):
                raise _not_yours(given)
            elif self.shelf.get(ticket.id, given.sha256) is None:
                _check_of_job(work, ticket, given)
        if given.small:
            return Artifact(self._thumbnail(given.sha256), "image/png")
        data = self.shelf.get(ticket.id, given.sha256) or self._store.get(given.sha256)
        return Artifact(data, media_type_of(data))

    def _check_thumbnail(self, work: Work, ticket: Ticket, given: Pass) -> None:
        run = latest_runs(work.jobs.runs(ticket.job_id)).get(PICTURE_STAGE)
        if run is None or run.sha256 != given.sha256:
            raise _not_yours(given)

    def _thumbnail(self, sha256: str) -> bytes:
        found = self._thumbnails.get(sha256)
        if found is None:
            found = thumbnail(self._store.get(sha256))
            self._thumbnails[sha256] = found
            while len(self._thumbnails) > KEPT_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return found


def media_type_of(data: bytes) -> str:
    """The media type by the first bytes."""
    found = (kind for magic, kind in _MAGIC if data.startswith(magic))
    return next(found, "application/octet-stream")


def thumbnail(png: bytes) -> bytes:
    """The first panel of a job's picture, small."""
    with Image.open(io.BytesIO(png)) as picture:
        box = (0, 0, picture.width // PANELS, picture.height - CAPTION_PX)
        panel = picture.convert("RGB").crop(box)
        panel.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        out = io.BytesIO()
        panel.save(out, "PNG")
        return out.getvalue()


def _may_fetch(
    work: Work, ticket: Ticket, person: str, roles: frozenset[PersonRole], now: datetime
) -> bool:
    if may_open(person, roles, ticket):
        return True
    ahead = next_for(work, person, roles, now)
    return ahead is not None and ahead.id == ticket.id


def _check_of_job(work: Work, ticket: Ticket, given: Pass) -> None:
    job = work.jobs.get(ticket.job_id)
    known = {job.asset_sha256, *(run.sha256 for run in work.jobs.runs(job.id))}
    if given.sha256 not in known:
        raise _not_yours(given)


def _not_yours(given: Pass) -> ReviewConflict:
    return ReviewConflict(
        "This artifact is not yours to see.",
        remedy="Claim its ticket first.",
        conflict=str(Conflict.NOT_YOURS),
        ticket=given.ticket_id,
        actor=given.person,
    )
