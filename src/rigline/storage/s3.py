"""An artifact store in an S3 bucket: ``blobs/<2>/<sha256>`` and ``keys/<stage>/<key>.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rigline.engine.artifact_store import BlobInfo, OutputRecord
from rigline.engine.codec import canonical_json
from rigline.errors import ContractViolation, ServiceUnavailable
from rigline.storage.names import checked_name, is_name, is_sha256
from rigline.storage.s3_location import S3Location
from rigline.storage.s3_objects import CONNECTIONS, S3Objects

REFRESH_AGE: Final = timedelta(hours=1)
"""An artifact that is put again is written again only when it is older than this."""
_RACES: Final = 8


def _utc_now() -> datetime:
    return datetime.now(UTC)


class S3Store(S3Objects):
    """Artifacts as objects. Objects appear whole or not at all; the first writer wins.

    Safe for any number of processes and threads; it travels between processes as its location and
    connects on first use. Failures that S3 calls passing are tried again with growing, jittered
    waits before they become ``ServiceUnavailable``. Artifacts are checked against their name
    whenever they are read, and by the server when they are written. A bucket's lifecycle rule has
    to abort multipart uploads that a dead process left incomplete.
    """

    what = "artifact store"

    def __init__(self, location: S3Location, clock: Callable[[], datetime] = _utc_now) -> None:
        super().__init__(location)
        self._clock = clock

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.location, self._clock))

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data)
        sha256 = digest.hexdigest()
        key = self._blob(sha256)
        for _ in range(_RACES):
            found = self._head(key)
            if found is not None and self._clock() - found["LastModified"] < REFRESH_AGE:
                return sha256
            if found is not None or len(data) >= self.location.multipart_bytes:
                # Whoever else writes this key writes the same bytes, so no condition is needed;
                # an old artifact is written again to be young, out of the sweep's reach.
                self._upload(key, data)
                return sha256
            if self._create(key, data, digest.digest()):
                return sha256
        raise self._contended(key)

    def get(self, sha256: str) -> bytes:
        data = self._read(self._blob(sha256))
        if data is None:
            raise ContractViolation(f"The artifact {sha256} is not in {self.location}.")
        if hashlib.sha256(data).hexdigest() != sha256:
            self._delete(self._blob(sha256))
            raise ContractViolation(
                f"The artifact {sha256} in {self.location} was damaged and has been removed.",
                remedy="Run the job again; what is missing is computed anew.",
            )
        return data

    def has(self, sha256: str) -> bool:
        return bool(sha256) and self._head(self._blob(sha256)) is not None

    def record(self, stage: str, key: str) -> OutputRecord | None:
        data = self._read(self._record(stage, key))
        if data is None:
            return None
        try:
            return OutputRecord.from_json(json.loads(data))
        except (ValueError, ContractViolation):
            self.drop_record(stage, key)
            return None

    def put_record(self, stage: str, key: str, record: OutputRecord) -> OutputRecord:
        name, data = self._record(stage, key), canonical_json(record.to_json())
        for _ in range(_RACES):
            if self._create(name, data, hashlib.sha256(data).digest()):
                return record
            kept = self.record(stage, key)
            if kept is not None:
                return kept
        raise self._contended(name)

    def drop_record(self, stage: str, key: str) -> None:
        self._delete(self._record(stage, key))

    def blobs(self) -> Iterator[BlobInfo]:
        for key, size, modified in self._list("blobs"):
            sha256 = key.rpartition("/")[2]
            if is_sha256(sha256):
                yield BlobInfo(sha256, size, modified)

    def records(self) -> Iterator[OutputRecord]:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            names: list[tuple[str, str]] = []
            for path, _, _ in self._list("keys"):
                stage, _, name = path.removeprefix(self.location.key("keys", "")).partition("/")
                key = name.removesuffix(".json")
                if key != name and is_name(stage) and is_name(key):
                    names.append((stage, key))
            for record in pool.map(lambda name: self.record(*name), names):
                if record is not None:
                    yield record

    def delete_blob(self, sha256: str, older_than: datetime) -> bool:
        found = self._head(self._blob(sha256))
        if found is None or found["LastModified"] >= older_than:
            return False
        self._delete(self._blob(sha256))
        return True

    def _blob(self, sha256: str) -> str:
        return self.location.key("blobs", checked_name(sha256)[:2], sha256)

    def _record(self, stage: str, key: str) -> str:
        return self.location.key("keys", checked_name(stage), f"{checked_name(key)}.json")

    def _contended(self, key: str) -> ServiceUnavailable:
        return self._unavailable(f"others keep writing and deleting {key}", "")
