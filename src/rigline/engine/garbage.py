"""Garbage: artifacts that nothing leads to any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rigline.engine.artifact_store import ArtifactStore, BlobInfo

GRACE: Final = timedelta(days=7)
"""How long an artifact may lie about unreferenced: well over what the longest job takes."""


@dataclass(frozen=True)
class Garbage:
    """What a sweep found.

    ``found`` are the unreferenced artifacts that are past the grace period, largest first;
    ``deleted`` those of them that are gone now. ``referenced`` and ``young`` count the artifacts
    that stay because something leads to them, or because they were put too recently to judge.
    """

    found: tuple[BlobInfo, ...]
    deleted: tuple[BlobInfo, ...]
    referenced: int
    young: int

    @property
    def found_bytes(self) -> int:
        """Size of all that was found."""
        return sum(blob.size for blob in self.found)

    @property
    def deleted_bytes(self) -> int:
        """Size of all that was deleted."""
        return sum(blob.size for blob in self.deleted)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def sweep(
    store: ArtifactStore,
    roots: Iterable[str] = (),
    *,
    grace: timedelta = GRACE,
    delete: bool = False,
    clock: Callable[[], datetime] = _utc_now,
) -> Garbage:
    """Find the artifacts that no record names as output or input and that are not in ``roots``.

    ``roots`` are the sha256 of what is wanted for other reasons: uploaded assets, corrections.
    Nothing is deleted unless ``delete`` is given. Running jobs are safe as long as each ends within
    the grace period: what they put is young, even where it was there before, and age is looked at
    again right before deletion. Raises ``ServiceUnavailable`` when the store cannot be reached;
    what was deleted by then stays deleted, and another sweep goes on from there.
    """
    deadline = clock() - grace
    wanted = set(roots)
    for record in store.records():
        wanted.update(record.outputs.values(), record.inputs.values())
    found: list[BlobInfo] = []
    referenced = young = 0
    for blob in store.blobs():
        if blob.sha256 in wanted:
            referenced += 1
        elif blob.modified >= deadline:
            young += 1
        else:
            found.append(blob)
    found.sort(key=lambda blob: (-blob.size, blob.sha256))
    deleted = [blob for blob in found if delete and store.delete_blob(blob.sha256, deadline)]
    return Garbage(tuple(found), tuple(deleted), referenced, young)
