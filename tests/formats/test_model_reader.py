"""The one way in: content decides the format, and others are refused by their names."""

from __future__ import annotations

import struct

import pytest

from rigline.errors import InvalidInput
from rigline.formats import Limits, read_model
from tests.support.bodies import box_body
from tests.support.glb_files import gltf_text, obj_text, plain_glb, png_image
from tests.support.scan_files import ply_file, stl_file

BODY = box_body(1)
OTHERS = {
    "a ZIP archive": b"PK\x03\x04" + bytes(40),
    "a Blender file": b"BLENDER-v300" + bytes(40),
    "a gzip archive": b"\x1f\x8b\x08" + bytes(40),
    "a USD file in text form": b"#usda 1.0\n",
    "a PNG picture": png_image(1),
    "a JPEG picture": b"\xff\xd8\xff\xe0" + bytes(40),
    "an XML file": b'<?xml version="1.0"?><COLLADA/>',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "of no format that we know": b"Dear reader,\nthis is a letter.\n",
}
READ = {
    "glb": plain_glb,
    "gltf": lambda body: gltf_text(plain_glb(body)),
    "obj": obj_text,
    "ply": ply_file,
    "stl": stl_file,
}


@pytest.mark.parametrize("file_format", READ)
@pytest.mark.parametrize("name", ["", "model.fbx", "../../\udc80.glb"])
def test_the_content_decides_and_not_the_name(file_format: str, name: str) -> None:
    assert read_model(READ[file_format](BODY), name).format == file_format


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b"\n \t", b"\xef\xbb\xbf "])
def test_gltf_may_start_with_a_mark_or_blanks(prefix: bytes) -> None:
    assert read_model(prefix + gltf_text(plain_glb(BODY))).format == "gltf"


@pytest.mark.parametrize("what", OTHERS)
def test_other_formats_are_refused_by_their_names(what: str) -> None:
    with pytest.raises(InvalidInput, match=f"'avatar' is {what}") as refused:
        read_model(OTHERS[what], "avatar")
    assert "GLB" in refused.value.remedy


@pytest.mark.parametrize("data", [b"", b"   \n\t"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        read_model(data)


def test_the_size_is_limited_before_anything_is_read() -> None:
    data = plain_glb(BODY)
    assert read_model(data, limits=Limits(max_bytes=len(data)))
    with pytest.raises(InvalidInput, match="at most") as refused:
        read_model(data, limits=Limits(max_bytes=len(data) - 1))
    assert refused.value.fields == {"size": len(data), "limit": len(data) - 1}


def test_binary_that_looks_like_obj_is_not_read_as_text() -> None:
    with pytest.raises(InvalidInput, match="no format that we know"):
        read_model(b"\0\1\2\nv 1 2 3\nf 1 1 1\n")


def test_json_that_is_not_gltf_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not glTF"):
        read_model(b'{"name": "package", "version": "1.0.0"}')


@pytest.mark.parametrize("version", [1, 3])
def test_other_versions_of_glb_are_refused(version: int) -> None:
    data = plain_glb(BODY)
    with pytest.raises(InvalidInput, match=f"GLB version {version}"):
        read_model(data[:4] + struct.pack("<I", version) + data[8:])
