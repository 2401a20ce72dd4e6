"""An artifact store laid over another one, which it reads and never writes; for previews."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rigline.engine.artifact_store import ArtifactStore, BlobInfo, OutputRecord
from rigline.storage.memory import MemoryStore


class OverlayStore:
    """What is put stays in memory and goes with this object; what is not there the base gives.

    Records of the base that are dropped are hidden from ``record`` alone. Artifacts of the base
    cannot be deleted from here, nor do they become young.
    """

    def __init__(self, base: ArtifactStore) -> None:
        self.base = base
        self.added = MemoryStore()
        self._hidden: set[tuple[str, str]] = set()

    def put(self, data: bytes) -> str:
        return self.added.put(data)

    def get(self, sha256: str) -> bytes:
        return self.added.get(sha256) if self.added.has(sha256) else self.base.get(sha256)

    def has(self, sha256: str) -> bool:
        return self.added.has(sha256) or self.base.has(sha256)

    def record(self, stage: str, key: str) -> OutputRecord | None:
        found = self.added.record(stage, key)
        if found is None and (stage, key) not in self._hidden:
            return self.base.record(stage, key)
        return found

    def put_record(self, stage: str, key: str, record: OutputRecord) -> OutputRecord:
        return self.record(stage, key) or self.added.put_record(stage, key, record)

    def drop_record(self, stage: str, key: str) -> None:
        self._hidden.add((stage, key))
        self.added.drop_record(stage, key)

    def blobs(self) -> Iterator[BlobInfo]:
        yield from self.added.blobs()
        yield from (blob for blob in self.base.blobs() if not self.added.has(blob.sha256))

    def records(self) -> Iterator[OutputRecord]:
        yield from self.added.records()
        yield from self.base.records()

    def delete_blob(self, sha256: str, older_than: datetime) -> bool:
        return self.added.delete_blob(sha256, older_than)
