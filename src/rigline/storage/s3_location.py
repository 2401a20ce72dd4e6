"""Where in S3 a store lies and how it is reached; needs no S3 library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rigline.errors import InvalidInput

SCHEME: Final = "s3://"
Encryption: TypeAlias = Literal["none", "AES256", "aws:kms"]
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SAFE_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.*'()=/-]*")
_MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class S3Location:
    """A bucket and a prefix in it, with everything but the credentials, which come from where
    AWS tools look for them: environment, profile, or the role of the machine.

    ``endpoint`` is the address of an S3 server that is not Amazon's. ``kms_key`` belongs to the
    encryption ``aws:kms`` only; ``none`` leaves encryption to the bucket's own default. Artifacts
    of ``multipart_bytes`` and more are sent in parts. ``attempts`` counts the first one too.
    Raises ``InvalidInput`` for what cannot be.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    encryption: Encryption = "none"
    kms_key: str | None = None
    attempts: int = 5
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 60.0
    multipart_bytes: int = 16 * _MIB

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            raise _wrong(f"{self.bucket!r} cannot name a bucket", "RIGLINE_STORE")
        if not _SAFE_PREFIX.fullmatch(self.prefix) or self.prefix != self.prefix.strip("/"):
            raise _wrong(f"{self.prefix!r} cannot be a prefix", "RIGLINE_STORE")
        if self.endpoint is not None and not re.match(r"https?://[^/]", self.endpoint):
            raise _wrong(f"{self.endpoint!r} is no http address", "RIGLINE_S3_ENDPOINT")
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise _wrong("a KMS key needs the encryption aws:kms", "RIGLINE_S3_ENCRYPTION")

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, *path: str) -> str:
        """The object's key of a path in the store."""
        return "/".join((self.prefix, *path) if self.prefix else path)


def is_s3(store: str) -> bool:
    """Whether a store's name leads to S3 rather than to a folder."""
    return store.startswith(SCHEME)


def bucket_and_prefix(store: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``."""
    bucket, _, prefix = store.removeprefix(SCHEME).partition("/")
    return bucket, prefix.strip("/")


def remedy(code: str) -> str:
    """What to do about an error code of S3, in terms of the settings."""
    return next((text for codes, text in _REMEDIES if code in codes), _ANY)


_ANY: Final = "Check RIGLINE_STORE and RIGLINE_S3_ENDPOINT, and whether the S3 server is well."
_REMEDIES: Final = (
    (
        ("NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed",
         "IllegalLocationConstraintException", "301", "400"),
        "Check the bucket in RIGLINE_STORE, RIGLINE_S3_REGION and RIGLINE_S3_ENDPOINT.",
    ),
    (
        ("403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch",
         "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"),
        "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), and that they may "
        "list, read, write and delete in the bucket of RIGLINE_STORE.",
    ),
    (
        ("KMS.NotFoundException", "KMS.DisabledException", "KMS.KMSInvalidStateException",
         "InvalidEncryptionAlgorithmError"),
        "Check RIGLINE_S3_ENCRYPTION and RIGLINE_S3_KMS_KEY.",
    ),
)  # fmt: skip


def _wrong(what: str, setting: str) -> InvalidInput:
    return InvalidInput(f"The S3 store cannot be opened: {what}.", remedy=f"Check {setting}.")
