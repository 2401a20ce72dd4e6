"""The store in a bucket: what goes wrong is named, what is kept apart stays apart."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from rigline.bootstrap import open_services, set_up_avatar
from rigline.engine.artifact_store import OutputRecord
from rigline.engine.garbage import sweep
from rigline.engine.stage_run import StageRun
from rigline.errors import ContractViolation, ServiceUnavailable
from rigline.settings import Settings
from rigline.storage.s3 import REFRESH_AGE, S3Store
from rigline.storage.s3_location import S3Location
from tests.support.bodies import capsule_body
from tests.support.glb_files import obj_text
from tests.support.servers import free_port

pytestmark = pytest.mark.server

RECORD = OutputRecord({"out.json": "a" * 64}, {"margin": 0.5})
QUICK_S = 15.0
CALLS: list[Callable[[S3Store], Any]] = [
    lambda store: store.put(b"data"),
    lambda store: store.get("a" * 64),
    lambda store: store.has("a" * 64),
    lambda store: store.record("rig", "k1"),
    lambda store: store.put_record("rig", "k1", RECORD),
    lambda store: store.drop_record("rig", "k1"),
    lambda store: list(store.blobs()),
    lambda store: list(store.records()),
    lambda store: store.delete_blob("a" * 64, datetime.now(UTC)),
]


@pytest.fixture
def store(s3_location: S3Location) -> S3Store:
    return S3Store(s3_location)


class Wire:
    """Hears every request that a store sends; ``answers`` are given in place of the server's."""

    def __init__(self, store: S3Store) -> None:
        self.sent: list[AWSPreparedRequest] = []
        self.answers: list[AWSResponse] = []
        store._client().meta.events.register("before-send.s3", self._hear)

    def _hear(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        self.sent.append(request)
        return self.answers.pop(0) if self.answers else None

    def headers(self, name: str, method: str = "PUT") -> list[str | None]:
        """A header of all requests of one method."""
        found = [r.headers.get(name) for r in self.sent if r.method == method]
        return [v.decode() if isinstance(v, bytes) else v for v in found]


def answer(status: int, code: str = "") -> AWSResponse:
    class Body(io.BytesIO):
        def stream(self, **_: Any) -> Any:
            yield self.read()

    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>" if code else ""
    return AWSResponse("http://127.0.0.1", status, {}, Body(body.encode()))


def objects(store: S3Store) -> list[str]:
    listed = store._client().list_objects_v2(
        Bucket=store.location.bucket, Prefix=f"{store.location.prefix}/"
    )
    return [entry["Key"].removeprefix(f"{store.location.prefix}/") for entry in listed["Contents"]]


def refused(call: Callable[[S3Store], Any], store: S3Store, setting: str) -> ServiceUnavailable:
    started = time.perf_counter()
    with pytest.raises(ServiceUnavailable, match="cannot be used") as caught:
        call(store)
    assert time.perf_counter() - started < QUICK_S
    assert setting in caught.value.remedy
    return caught.value


def test_objects_lie_where_the_docstring_says_and_no_others(store: S3Store) -> None:
    sha256 = store.put(b"data")
    store.put(b"data")
    store.put_record("rig", "k1", RECORD)
    store.put_record("rig", "k1", OutputRecord({}, {}))
    assert objects(store) == [f"blobs/{sha256[:2]}/{sha256}", "keys/rig/k1.json"]


def test_prefixes_are_stores_of_their_own(s3_location: S3Location) -> None:
    one = S3Store(s3_location)
    others = [
        S3Store(replace(s3_location, prefix=s3_location.prefix + end)) for end in ("x", "/inner")
    ]
    sha256 = one.put(b"data")
    one.put_record("rig", "k1", RECORD)
    for other in others:
        assert not other.has(sha256)
        assert other.record("rig", "k1") is None
        assert list(other.blobs()) == []
        assert list(other.records()) == []
        other.put(b"more")
    assert [blob.sha256 for blob in one.blobs()] == [sha256]


def test_foreign_objects_are_passed_over(store: S3Store) -> None:
    for path in (("blobs", "readme.txt"), ("keys", "rig", "Notes.json"), ("keys", "rig", "k1.txt")):
        store._client().put_object(
            Bucket=store.location.bucket, Key=store.location.key(*path), Body=b"mine"
        )
    assert list(store.blobs()) == []
    assert list(store.records()) == []
    assert len(objects(store)) == 3


def test_a_store_travels_to_another_process(store: S3Store) -> None:
    sha256 = store.put(b"data")
    assert pickle.loads(pickle.dumps(store)).get(sha256) == b"data"


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_key_is_unavailable(
    store: S3Store, call: Callable[[S3Store], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessed")
    refused(call, store, "AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize("call", CALLS[:2])
def test_an_unknown_user_is_unavailable(
    store: S3Store, call: Callable[[S3Store], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    refused(call, store, "AWS_ACCESS_KEY_ID")


def test_an_unknown_profile_is_named(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    for call in CALLS:
        refused(call, store, "AWS_PROFILE")


def test_missing_credentials_are_named(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    refused(CALLS[0], store, "AWS_ACCESS_KEY_ID")


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_bucket_is_unavailable(
    s3_location: S3Location, call: Callable[[S3Store], Any]
) -> None:
    store = S3Store(replace(s3_location, bucket="no-such-bucket"))
    assert refused(call, store, "RIGLINE_STORE").fields["code"] == "NoSuchBucket"


@pytest.mark.parametrize("call", CALLS)
def test_a_dead_endpoint_is_unavailable(
    s3_location: S3Location, call: Callable[[S3Store], Any]
) -> None:
    dead = replace(s3_location, endpoint=f"http://127.0.0.1:{free_port()}", attempts=1)
    refused(call, S3Store(dead), "RIGLINE_S3_ENDPOINT")


def test_a_large_artifact_goes_in_parts_whose_failure_is_unavailable(
    s3_location: S3Location,
) -> None:
    store = S3Store(replace(s3_location, multipart_bytes=10, attempts=1))
    wire = Wire(store)
    store.put(b"data " * 5)
    assert [r.method for r in wire.sent] == ["HEAD", "HEAD", "POST", "PUT", "POST"]
    wire.answers = [answer(404), answer(503, "SlowDown")]
    refused(lambda s: s.put(b"other " * 5), store, "RIGLINE_STORE")


def test_passing_trouble_is_tried_again(s3_location: S3Location) -> None:
    store = S3Store(replace(s3_location, attempts=3))
    wire = Wire(store)
    wire.answers = [answer(503, "SlowDown"), answer(500, "InternalError")]
    assert store.put_record("rig", "k1", RECORD) == RECORD
    assert len(wire.sent) == 3


def test_a_write_that_meets_another_is_tried_again(store: S3Store) -> None:
    wire = Wire(store)
    wire.answers = [answer(409, "ConditionalRequestConflict")]
    assert store.put_record("rig", "k1", RECORD) == RECORD
    wire.answers = [answer(404), answer(200), answer(409, "ConditionalRequestConflict")]
    assert store.get(store.put(b"data")) == b"data"


def test_an_old_artifact_is_made_young_when_it_is_put_again(s3_location: S3Location) -> None:
    S3Store(s3_location).put(b"data")
    soon, later = (
        S3Store(s3_location, lambda age=age: datetime.now(UTC) + age)
        for age in (REFRESH_AGE / 2, REFRESH_AGE + timedelta(minutes=1))
    )
    for store, written in ((soon, 0), (later, 1)):
        wire = Wire(store)
        store.put(b"data")
        assert sum(r.method == "PUT" for r in wire.sent) == written


@pytest.mark.parametrize("damaged", [b"", b"Data", b"data and more"])
def test_a_damaged_artifact_is_found_out_and_removed(store: S3Store, damaged: bytes) -> None:
    sha256 = store.put(b"data")
    store._client().put_object(
        Bucket=store.location.bucket,
        Key=store.location.key("blobs", sha256[:2], sha256),
        Body=damaged,
    )
    with pytest.raises(ContractViolation, match="damaged"):
        store.get(sha256)
    assert not store.has(sha256)
    assert store.get(store.put(b"data")) == b"data"


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"\xff\xfe", b'{"outputs": 5}'])
def test_a_damaged_record_is_dropped(store: S3Store, damaged: bytes) -> None:
    store._client().put_object(
        Bucket=store.location.bucket, Key=store.location.key("keys", "rig", "k1.json"), Body=damaged
    )
    assert list(store.records()) == []
    assert store.put_record("rig", "k1", RECORD) == RECORD
    assert store.record("rig", "k1") == RECORD


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "a\n"])
def test_unsafe_names_are_refused(store: S3Store, name: str) -> None:
    with pytest.raises(ContractViolation, match="cannot name an artifact"):
        store.get(name)
    with pytest.raises(ContractViolation, match="cannot name an artifact"):
        store.put_record("rig", name, RECORD)


def test_encryption_is_asked_for_with_every_write(s3_location: S3Location) -> None:
    name = "x-amz-server-side-encryption"
    key = f"{name}-aws-kms-key-id"
    for location, wanted in (
        (s3_location, (None, None)),
        (replace(s3_location, encryption="AES256"), ("AES256", None)),
        (replace(s3_location, encryption="aws:kms", kms_key="k-1"), ("aws:kms", "k-1")),
    ):
        store = S3Store(replace(location, multipart_bytes=10))
        wire = Wire(store)
        wire.answers = [answer(200)]
        store.put_record("rig", "k1", RECORD)
        assert (wire.headers(name)[0], wire.headers(key)[0]) == wanted
        wire.answers = [answer(404), answer(200), answer(403, "AccessDenied")]
        with pytest.raises(ServiceUnavailable):
            store.put(b"a large one")
        assert (wire.headers(name, "POST")[0], wire.headers(key, "POST")[0]) == wanted


def test_the_server_is_told_the_sha256_of_what_it_gets(store: S3Store) -> None:
    wire = Wire(store)
    store.put(b"")
    assert wire.headers("x-amz-checksum-sha256") == ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
    assert wire.headers("If-None-Match") == ["*"]


def test_a_whole_job_runs_on_s3_and_runs_once(s3_location: S3Location) -> None:
    settings = Settings(
        store=str(s3_location), s3_endpoint=s3_location.endpoint, s3_region=s3_location.region
    )
    mesh = obj_text(capsule_body())
    ran: list[list[StageRun]] = [[], []]
    first, second = (
        set_up_avatar(open_services(settings), mesh, "hero.obj", on_stage=heard.append)
        for heard in ran
    )
    assert not any(run.reused for run in ran[0])
    assert all(run.reused for run in ran[1])
    assert first.avatar_glb == second.avatar_glb
    garbage = sweep(open_services(settings).store, grace=timedelta(days=-1))
    assert garbage.found == ()
    assert garbage.referenced == len(ran[0]) + 1
