"""Files in a bucket, by name."""

from __future__ import annotations

import pytest

from rigline.errors import InvalidInput
from rigline.storage.s3_files import S3Files
from rigline.storage.s3_location import S3Location

pytestmark = pytest.mark.server


def test_what_is_written_is_listed_with_a_stamp_and_read_back(s3_location: S3Location) -> None:
    files = S3Files(s3_location)
    files.write("in/a.glb", b"one")
    files.write("in/below/b.glb", b"two")
    stamps = dict(files.stamped())
    assert list(stamps) == list(files.names()) == ["in/a.glb", "in/below/b.glb"]
    assert files.read("in/below/b.glb", 3) == b"two"
    files.write("in/a.glb", b"longer")
    again = dict(files.stamped())
    assert again["in/a.glb"] != stamps["in/a.glb"]
    assert again["in/below/b.glb"] == stamps["in/below/b.glb"]
    with pytest.raises(InvalidInput, match="at most 2"):
        files.read("in/a.glb", 2)
    with pytest.raises(InvalidInput, match="no file"):
        files.read("in/c.glb", 2)
