"""An artifact store that lives and dies with its process; for previews and tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from rigline.engine.artifact_store import BlobInfo, OutputRecord
from rigline.engine.codec import canonical_json
from rigline.errors import ContractViolation


class MemoryStore:
    """Artifacts in two dictionaries, whose ``setdefault`` is atomic among threads."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self._records: dict[tuple[str, str], OutputRecord] = {}

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._modified[sha256] = datetime.now(UTC)
        self._blobs.setdefault(sha256, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        try:
            return self._blobs[sha256]
        except KeyError as error:
            raise ContractViolation(f"The artifact {sha256} is not in the store.") from error

    def has(self, sha256: str) -> bool:
        return sha256 in self._blobs

    def record(self, stage: str, key: str) -> OutputRecord | None:
        return self._records.get((stage, key))

    def put_record(self, stage: str, key: str, record: OutputRecord) -> OutputRecord:
        # Through JSON, as in every other store, so that what one refuses this one refuses too.
        kept = OutputRecord.from_json(json.loads(canonical_json(record.to_json())))
        return self._records.setdefault((stage, key), kept)

    def drop_record(self, stage: str, key: str) -> None:
        self._records.pop((stage, key), None)

    def blobs(self) -> Iterator[BlobInfo]:
        for sha256, data in list(self._blobs.items()):
            yield BlobInfo(sha256, len(data), self._modified[sha256])

    def records(self) -> Iterator[OutputRecord]:
        yield from list(self._records.values())

    def delete_blob(self, sha256: str, older_than: datetime) -> bool:
        if sha256 not in self._blobs or self._modified[sha256] >= older_than:
            return False
        return self._blobs.pop(sha256, None) is not None
