"""Where a store may lie, told before anything is connected."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from rigline.bootstrap import open_store
from rigline.errors import InvalidInput
from rigline.settings import Settings
from rigline.storage.local import LocalStore
from rigline.storage.s3 import S3Store
from rigline.storage.s3_location import S3Location


def test_a_folder_is_a_local_store(tmp_path: Path) -> None:
    for name in (tmp_path, str(tmp_path)):
        store = open_store(Settings(store=name))
        assert isinstance(store, LocalStore)
        assert store.root == tmp_path


def test_without_a_setting_the_store_is_a_folder_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RIGLINE_STORE", raising=False)
    assert isinstance(open_store(Settings()), LocalStore)


@pytest.mark.parametrize(
    ("name", "bucket", "prefix"),
    [
        ("s3://artifacts", "artifacts", ""),
        ("s3://artifacts/", "artifacts", ""),
        ("s3://artifacts/team/rigline/", "artifacts", "team/rigline"),
    ],
)
def test_a_bucket_is_an_s3_store(
    name: str, bucket: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in {
        "STORE": name, "S3_ENDPOINT": "https://s3.example.org", "S3_REGION": "eu-west-1",
        "S3_ENCRYPTION": "aws:kms", "S3_KMS_KEY": "k-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"RIGLINE_{setting}", value)
    settings = Settings()
    assert settings.store_folder is None
    store = open_store(settings)
    assert isinstance(store, S3Store)
    assert store.location == S3Location(
        bucket, prefix, "https://s3.example.org", "eu-west-1", "aws:kms", "k-1"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"store": "s3://"}, "RIGLINE_STORE"),
        ({"store": "s3:///prefix"}, "RIGLINE_STORE"),
        ({"store": "s3://Under_Score"}, "RIGLINE_STORE"),
        ({"store": "s3://artifacts/a b"}, "RIGLINE_STORE"),
        ({"store": "gs://artifacts"}, "RIGLINE_STORE"),
        ({"store": "s3://artifacts", "s3_endpoint": "localhost:9000"}, "RIGLINE_S3_ENDPOINT"),
        ({"store": "s3://artifacts", "s3_kms_key": "k"}, "RIGLINE_S3_ENCRYPTION"),
    ],
)
def test_a_place_that_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_store(Settings(**settings))
    assert said in caught.value.remedy


def test_empty_variables_are_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_ENDPOINT", "S3_REGION", "S3_KMS_KEY"):
        monkeypatch.setenv(f"RIGLINE_{name}", "")
    store = open_store(Settings(store="s3://artifacts"))
    assert isinstance(store, S3Store)
    assert store.location == S3Location("artifacts")


def test_without_boto3_the_remedy_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rigline.storage.s3", "rigline.storage.s3_objects"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InvalidInput) as caught:
        open_store(Settings(store="s3://artifacts"))
    assert "pip install 'rigline[s3]'" in caught.value.remedy
