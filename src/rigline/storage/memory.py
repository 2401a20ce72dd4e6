"""An artifact store that lives and dies with its process; for previews and tests."""

from __future__ import annotations

import hashlib

from rigline.engine.artifact_store import OutputRecord
from rigline.errors import ContractViolation


class MemoryStore:
    """Artifacts in two dictionaries, whose ``setdefault`` is atomic among threads."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._records: dict[tuple[str, str], OutputRecord] = {}

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
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
        return self._records.setdefault((stage, key), record)

    def drop_record(self, stage: str, key: str) -> None:
        self._records.pop((stage, key), None)
