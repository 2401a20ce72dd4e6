"""Objects in an S3 bucket: what the artifact store and the files of batches do with them alike."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
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

from rigline.errors import ServiceUnavailable
from rigline.storage.s3_location import S3Location, remedy

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef

_NO_CREDENTIALS: Final = (
    CredentialRetrievalError, NoCredentialsError, PartialCredentialsError, ProfileNotFound,
)  # fmt: skip
CONNECTIONS: Final = 16


class S3Objects:
    """A bucket and a prefix in it. Objects appear whole or not at all.

    Safe for any number of processes and threads, and connects on first use. Failures that S3 calls
    passing are tried again with growing, jittered waits before they become ``ServiceUnavailable``.
    """

    what = "place"
    """What messages call it."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self._opening = threading.Lock()
        self._opened: S3Client | None = None
        self._bucket_seen = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.location,))

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
                    max_pool_connections=CONNECTIONS,
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
                if status_of(error) in (409, 412):  # being written at this moment; there already
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
                if status_of(error) != 404:
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

    def _unavailable(self, why: str, code: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"The {self.what} {self.location} cannot be used: {why.rstrip('.')}.",
            remedy=remedy(code),
            code=code,
        )


def status_of(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    """The code of S3; an answer to HEAD has none but its status."""
    if error.operation_name == "HeadBucket" and status_of(error) == 404:
        return "NoSuchBucket"
    return error.response.get("Error", {}).get("Code", "")
