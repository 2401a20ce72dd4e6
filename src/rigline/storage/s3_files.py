"""Files under names of their own in an S3 bucket: what people put there, and what they get."""

from __future__ import annotations

from collections.abc import Iterator

from rigline.errors import InvalidInput
from rigline.storage.s3_objects import S3Objects


class S3Files(S3Objects):
    """Objects below a location, by the rest of their key."""

    def read(self, name: str, max_bytes: int) -> bytes:
        """The bytes of a file; ``InvalidInput`` when there is none or it is larger than that."""
        key = self.location.key(name)
        found = self._head(key)
        if found is None:
            raise InvalidInput(f"There is no file {self.location}/{name}.", remedy="Check the key.")
        size = found["ContentLength"]
        if size > max_bytes:
            raise InvalidInput(
                f"{self.location}/{name} has {size:,} bytes; at most {max_bytes:,} are read.",
                remedy="Reduce its meshes and textures, or raise RIGLINE_MAX_BYTES.",
            )
        data = self._read(key)
        if data is None:
            raise InvalidInput(f"The file {self.location}/{name} went away meanwhile.")
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file, in place of one that is there."""
        self._upload(self.location.key(name), data)

    def names(self) -> Iterator[str]:
        """Names of all files below the location, page by page."""
        return (name for name, _ in self.stamped())

    def stamped(self) -> Iterator[tuple[str, str]]:
        """Names of all files, each with a text that changes when the file is written again."""
        for key, size, modified in self._list():
            name = key.removeprefix(self.location.key("")) if self.location.prefix else key
            if name and not name.endswith("/"):
                yield name, f"{size}-{modified.timestamp():.3f}"
