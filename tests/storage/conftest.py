from __future__ import annotations

import uuid
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from rigline.storage.s3_location import S3Location
from tests.support.servers import S3Server, s3_server

BUCKET = "artifacts"


@pytest.fixture(scope="session")
def s3_with_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server with one bucket, for all tests of this folder."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        boto3.session.Session(server.access_key, server.secret_key).client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
        ).create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def s3_location(s3_with_bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Location:
    """A place of its own for one test, with the credentials in the environment."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_with_bucket.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_with_bucket.secret_key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return S3Location(
        BUCKET,
        uuid.uuid4().hex,
        endpoint=s3_with_bucket.endpoint,
        region="us-east-1",
        attempts=2,
        connect_timeout_s=2.0,
        read_timeout_s=20.0,
    )
