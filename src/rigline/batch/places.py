"""Where the files of a batch lie: folders and S3 prefixes, to read from and to write to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from rigline.delivery import read_asset, write_file
from rigline.errors import InvalidInput, ServiceUnavailable
from rigline.settings import Settings
from rigline.storage.s3_location import SCHEME, is_s3

if TYPE_CHECKING:
    from rigline.storage.s3_files import S3Files

MAX_MANIFEST_BYTES: Final = 1 << 30


class Destination(Protocol):
    """A place that takes files by name; it makes what folders a name asks for."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; ``ServiceUnavailable`` when it cannot be now."""
        ...


class Reader:
    """Reads files by their locator, a path or ``s3://bucket/key``; connects on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets: dict[str, S3Files] = {}

    def read(self, locator: str, max_bytes: int | None = None) -> bytes:
        """The bytes of a file; at most ``max_bytes``, by default what the settings allow.

        Raises ``InvalidInput`` when there is no such file, it cannot be read or it is larger.
        """
        max_bytes = max_bytes or self._settings.max_bytes
        if not is_s3(locator):
            return read_asset(Path(locator), max_bytes)
        bucket, _, key = locator.removeprefix(SCHEME).partition("/")
        if bucket not in self._buckets:
            self._buckets[bucket] = open_files(f"{SCHEME}{bucket}", self._settings)
        return self._buckets[bucket].read(key, max_bytes)


class FolderDestination:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, data: bytes) -> None:
        try:
            write_file(self._root / name, data)
        except OSError as error:
            raise ServiceUnavailable(
                f"{self._root / name} cannot be written: {error.strerror}.",
                remedy="Check the folder's permissions and free space.",
            ) from error


def open_destination(address: str, settings: Settings) -> Destination:
    """The place of that address. Opens no connection yet; ``InvalidInput`` for what cannot be."""
    if is_s3(address):
        return open_files(address, settings)
    if "://" in address:
        raise InvalidInput(
            f"Nothing can be written to {address}.", remedy="Use a folder or s3://bucket/prefix."
        )
    root = Path(address)
    if root.exists() and not root.is_dir():
        raise InvalidInput(f"{address} is not a folder.", remedy="Name a folder with --dest.")
    return FolderDestination(root)


def open_files(address: str, settings: Settings) -> S3Files:
    """The files below ``s3://bucket/prefix``; ``InvalidInput`` for what cannot be, or no boto3."""
    location = settings.s3_location(address)
    try:
        from rigline.storage.s3_files import S3Files
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"{address} needs the library boto3.", remedy="Run pip install 'rigline[s3]'."
        ) from error
    return S3Files(location)
