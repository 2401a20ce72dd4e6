"""An artifact store in an S3 bucket: ``blobs/<2>/<sha256>`` and ``keys/<stage>/<key>.json``."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from rigline.engine.artifact_store import BlobInfo, OutputRecord
from rigline.engine.codec import canonical_json
from rigline.errors import ContractViolation, ServiceUnavailable
from rigline.storage.names import checked_name, is_name, is_sha256
from rigline.storage.s3_location import S3Location, remedy

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef

REFRESH_AGE: Final = timedelta(hours=1)
"""An artifact that is put again is written again only when it is older than this."""
_NO_CREDENTIALS: Final = (
    CredentialRetrievalError, NoCredentialsError, PartialCredentialsError, ProfileNotFound,
)  # fmt: skip
_CONNECTIONS: Final = 16
_RACES: Final = 8


def _utc_now() -> datetime:
    return datetime.now(UTC)


class S3Store:
    """Artifacts as objects. Objects appear whole or not at all; the first writer wins.

    Safe for any number of processes and threads; it travels between processes as its location and
    connects on first use. Failures that S3 calls passing are tried again with growing, jittered
    waits before they become ``ServiceUnavailable``. Artifacts are checked against their name
    whenever they are read, and by the server when they are written. A bucket's lifecycle rule has
    to abort multipart uploads that a dead process left incomplete.
    """

    def __init__(self, location: S3Location, clock: Callable[[], datetime] = _utc_now) -> None:
        self.location = location
        self._clock = clock
        self._opening = threading.Lock()
        self._opened: S3Client | None = None
        self._bucket_seen = False

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
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
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

    def _client(self) -> S3Client:
        """The client, made once: making one is not safe among threads, using it is."""
        with self._opening:
            if self._opened is None:
                where = self.location
                config = Config(
                    signature_version="s3v4",
                    retries={"mode": "standard", "total_max_attempts": where.attempts},
                    connect_timeout=where.connect_timeout_s,
                    read_timeout=where.read_timeout_s,
                    max_pool_connections=_CONNECTIONS,
                    # Ours are sha256 in any case; servers other than Amazon's may know no others.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                self._opened = boto3.session.Session().client(
                    "s3", endpoint_url=where.endpoint, region_name=where.region, config=config
                )
            return self._opened

    def _encryption(self) -> dict[str, Any]:
        if self.location.encryption == "none":
            return {}
        key = {"SSEKMSKeyId": self.location.kms_key} if self.location.kms_key else {}
        return {"ServerSideEncryption": self.location.encryption, **key}

    def _create(self, key: str, data: bytes, digest: bytes) -> bool:
        """Write an object unless there is one; whether this call wrote it."""
        with self._translated():
            try:
                self._client().put_object(
                    Bucket=self.location.bucket,
                    Key=key,
                    Body=data,
                    IfNoneMatch="*",
                    ChecksumSHA256=base64.b64encode(digest).decode(),
                    **self._encryption(),
                )
            except ClientError as error:
                if _status(error) in (409, 412):  # being written at this moment; there already
                    return False
                raise
        return True

    def _upload(self, key: str, data: bytes) -> None:
        """Write an object, in parallel parts when it is large."""
        with self._translated():
            self._client().upload_fileobj(
                io.BytesIO(data),
                self.location.bucket,
                key,
                ExtraArgs={"ChecksumAlgorithm": "SHA256", **self._encryption()},
                Config=TransferConfig(multipart_threshold=self.location.multipart_bytes),
            )

    def _read(self, key: str) -> bytes | None:
        with self._translated():
            try:
                found = self._client().get_object(Bucket=self.location.bucket, Key=key)
                return found["Body"].read()
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise

    def _head(self, key: str) -> HeadObjectOutputTypeDef | None:
        with self._translated():
            try:
                return self._client().head_object(Bucket=self.location.bucket, Key=key)
            except ClientError as error:
                if _status(error) != 404:
                    raise
            if not self._bucket_seen:  # the answer to HEAD does not say what it is that is missing
                self._client().head_bucket(Bucket=self.location.bucket)
                self._bucket_seen = True
        return None

    def _delete(self, key: str) -> None:
        with self._translated():
            self._client().delete_object(Bucket=self.location.bucket, Key=key)

    def _list(self, *path: str) -> Iterator[tuple[str, int, datetime]]:
        """Key, size and age of all objects below a path."""
        below = self.location.key(*path, "")
        with self._translated():
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.location.bucket, Prefix=below):
                for entry in page.get("Contents", ()):
                    yield entry["Key"], entry["Size"], entry["LastModified"]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._unavailable(str(error), _code(error)) from error
        except _NO_CREDENTIALS as error:
            raise self._unavailable(str(error), "InvalidAccessKeyId") from error
        except (BotoCoreError, Boto3Error) as error:
            raise self._unavailable(str(error), "") from error

    def _contended(self, key: str) -> ServiceUnavailable:
        return self._unavailable(f"others keep writing and deleting {key}", "")

    def _unavailable(self, why: str, code: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"The artifact store {self.location} cannot be used: {why.rstrip('.')}.",
            remedy=remedy(code),
            code=code,
        )


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    """The code of S3; an answer to HEAD has none but its status."""
    if error.operation_name == "HeadBucket" and _status(error) == 404:
        return "NoSuchBucket"
    return error.response.get("Error", {}).get("Code", "")
