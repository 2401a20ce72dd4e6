"""Codecs: what goes into the store comes out as it was, and equal values are equal bytes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from rigline.avatar.body import N_PARTS
from rigline.avatar.cage import OuterCage
from rigline.avatar.canonical import CanonicalMesh
from rigline.avatar.segmentation import Segmentation
from rigline.avatar.skeleton import Skeleton
from rigline.avatar.skinning import SkinWeights
from rigline.engine.codec import Codec, array_codec, bytes_codec, canonical_json, json_codec
from rigline.errors import ContractViolation


def stage_values() -> list[Any]:
    """One value of each kind that the stages pass on as arrays."""
    rng = np.random.default_rng(5)
    return [
        CanonicalMesh(rng.random((7, 3)), rng.integers(0, 7, (4, 3)), rng.random((4, 4)), 1.75),
        Segmentation(
            rng.integers(0, N_PARTS, 7, np.uint8),
            rng.integers(0, N_PARTS, 4, np.uint8),
            rng.random((7, N_PARTS), np.float32),
        ),
        Skeleton(rng.random((N_PARTS, 3)), rng.random((N_PARTS, 3))),
        SkinWeights(rng.integers(0, N_PARTS, (7, 4), np.uint8), rng.random((7, 4), np.float32)),
        OuterCage(rng.random((20, 3))),
    ]


def codec_of(value: Any) -> Codec:
    return array_codec("value.safetensors", type(value))


def kind_name(value: Any) -> str:
    return type(value).__name__


every_value = pytest.mark.parametrize("value", stage_values(), ids=kind_name)


@every_value
def test_what_is_encoded_comes_back_exactly(value: Any) -> None:
    codec = codec_of(value)
    back = codec.decode(codec.encode(value))
    assert type(back) is type(value)
    for field in dataclasses.fields(value):
        wanted, found = getattr(value, field.name), getattr(back, field.name)
        assert type(found) is type(wanted)
        assert np.asarray(found).dtype == np.asarray(wanted).dtype
        assert np.array_equal(found, wanted)


@every_value
def test_equal_values_give_equal_bytes(value: Any) -> None:
    codec = codec_of(value)
    copies = {f.name: np.copy(getattr(value, f.name)) for f in dataclasses.fields(value)}
    again = type(value)(**copies)
    assert codec.encode(again) == codec.encode(value)
    assert codec.encode(codec.decode(codec.encode(value))) == codec.encode(value)


def test_the_layout_in_memory_makes_no_difference() -> None:
    joints = np.arange(N_PARTS * 3, dtype=np.float64).reshape(N_PARTS, 3)
    codec = array_codec("skeleton.safetensors", Skeleton)
    columns_first = Skeleton(np.asfortranarray(joints), joints[::-1][::-1])
    assert codec.encode(columns_first) == codec.encode(Skeleton(joints, joints))


def test_arrays_of_no_rows_keep_their_shape() -> None:
    codec = array_codec("cage.safetensors", OuterCage)
    assert codec.decode(codec.encode(OuterCage(np.zeros((0, 3))))).vertices.shape == (0, 3)


@every_value
def test_damaged_bytes_break_the_contract(value: Any) -> None:
    codec = codec_of(value)
    whole = codec.encode(value)
    for damaged in (b"", whole[:5], whole[:-1], b"\xff" * 64, whole[8:], b"glTF" + whole):
        with pytest.raises(ContractViolation, match=r"value\.safetensors"):
            codec.decode(damaged)


def test_the_file_of_another_kind_breaks_the_contract() -> None:
    mesh, segmentation, *_ = stage_values()
    with pytest.raises(ContractViolation):
        codec_of(mesh).decode(codec_of(segmentation).encode(segmentation))


def test_json_comes_back_and_has_one_spelling() -> None:
    codec = json_codec("report.json")
    value = {"b": [1, 2.5, None, True], "a": {"z": "ü", "y": ""}}
    assert codec.decode(codec.encode(value)) == value
    assert codec.encode(dict(reversed(value.items()))) == codec.encode(value)
    assert b" " not in codec.encode(value)


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff\xfe", b"{'a': 1}"])
def test_what_is_not_json_breaks_the_contract(damaged: bytes) -> None:
    with pytest.raises(ContractViolation, match=r"report\.json"):
        json_codec("report.json").decode(damaged)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": np.float32(1)}, {1: object()}, b"bytes", {1, 2}]
)
def test_json_has_no_place_for_nan_and_foreign_types(value: Any) -> None:
    with pytest.raises(ContractViolation):
        canonical_json(value)


def test_bytes_are_kept_as_they_are() -> None:
    codec = bytes_codec("avatar.glb")
    assert codec.decode(codec.encode(b"glTF\0\xff")) == b"glTF\0\xff"
