"""An artifact store in a folder: ``blobs/<2>/<sha256>`` and ``keys/<stage>/<key>.json``."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rigline.engine.artifact_store import BlobInfo, OutputRecord
from rigline.engine.codec import canonical_json
from rigline.errors import ContractViolation, ServiceUnavailable
from rigline.storage.names import checked_name, is_name, is_sha256


class LocalStore:
    """Artifacts in files. Files appear whole or not at all, and are never changed once there.

    Any number of processes on one machine may share a folder. Artifacts are checked against their
    name whenever they are read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._blob(sha256)
        if self._is_there(path) and path.stat().st_size != len(data):
            self._remove(path)  # what a power cut left of it
        if not (self._is_there(path) and self._made_young(path)):
            self._write_once(path, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        path = self._blob(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise ContractViolation(f"The artifact {sha256} is not in {self.root}.") from error
        except OSError as error:
            raise self._unavailable(error) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            self._remove(path)
            raise ContractViolation(
                f"The artifact {sha256} in {self.root} was damaged and has been removed.",
                remedy="Run the job again; what is missing is computed anew.",
            )
        return data

    def has(self, sha256: str) -> bool:
        return bool(sha256) and self._is_there(self._blob(sha256))

    def record(self, stage: str, key: str) -> OutputRecord | None:
        try:
            return OutputRecord.from_json(json.loads(self._record(stage, key).read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable(error) from error
        except (ValueError, ContractViolation):
            self.drop_record(stage, key)
            return None

    def put_record(self, stage: str, key: str, record: OutputRecord) -> OutputRecord:
        if self._write_once(self._record(stage, key), canonical_json(record.to_json())):
            return record
        return self.record(stage, key) or record

    def drop_record(self, stage: str, key: str) -> None:
        self._remove(self._record(stage, key))

    def blobs(self) -> Iterator[BlobInfo]:
        for path in self._below("blobs"):
            if is_sha256(path.name):
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise self._unavailable(error) from error
                yield BlobInfo(path.name, found.st_size, _utc(found.st_mtime))

    def records(self) -> Iterator[OutputRecord]:
        for path in self._below("keys"):
            stage, key = path.parent.name, path.stem
            if path.suffix == ".json" and is_name(stage) and is_name(key):
                record = self.record(stage, key)
                if record is not None:
                    yield record

    def delete_blob(self, sha256: str, older_than: datetime) -> bool:
        path = self._blob(sha256)
        try:
            if _utc(path.stat().st_mtime) >= older_than:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unavailable(error) from error
        return True

    def _blob(self, sha256: str) -> Path:
        return self.root / "blobs" / checked_name(sha256)[:2] / sha256

    def _record(self, stage: str, key: str) -> Path:
        return self.root / "keys" / checked_name(stage) / f"{checked_name(key)}.json"

    def _write_once(self, path: Path, data: bytes) -> bool:
        """Write a file unless there is one; whether it is ours that is there now."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                # A hard link is refused where the name exists, which a rename is not.
                os.link(partial, path)
            except FileExistsError:
                return False
            finally:
                os.unlink(partial)
        except OSError as error:
            raise self._unavailable(error) from error
        return True

    def _is_there(self, path: Path) -> bool:
        try:
            return path.exists()
        except OSError as error:
            raise self._unavailable(error) from error

    def _made_young(self, path: Path) -> bool:
        """Whether the file is still there; its age begins anew."""
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        except PermissionError:  # somebody else's file in a shared folder
            return True
        except OSError as error:
            raise self._unavailable(error) from error
        return True

    def _below(self, name: str) -> Iterator[Path]:
        """The files two levels below a folder of the store, which need not be there.

        Nothing unreadable is passed over, as globbing would: a sweep that misses records deletes
        what they name.
        """
        try:
            for folder in _entries(self.root / name):
                if folder.is_dir():
                    yield from _entries(folder)
        except OSError as error:
            raise self._unavailable(error) from error

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"The artifact store {self.root} cannot be used: {error}.",
            remedy="Check the folder's permissions and free space, or set RIGLINE_STORE.",
        )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _utc(timestamp_s: float) -> datetime:
    return datetime.fromtimestamp(timestamp_s, UTC)
