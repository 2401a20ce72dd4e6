"""An artifact store in a folder: ``blobs/<2>/<sha256>`` and ``keys/<stage>/<key>.json``."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from rigline.engine.artifact_store import OutputRecord
from rigline.engine.codec import canonical_json
from rigline.errors import ContractViolation, ServiceUnavailable

_SAFE = re.compile(r"[a-z0-9_]+")


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
        if not self._is_there(path):
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

    def _blob(self, sha256: str) -> Path:
        return self.root / "blobs" / _checked(sha256)[:2] / sha256

    def _record(self, stage: str, key: str) -> Path:
        return self.root / "keys" / _checked(stage) / f"{_checked(key)}.json"

    def _write_once(self, path: Path, data: bytes) -> bool:
        """Write a file unless there is one; whether it is ours that is there now."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
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


def _checked(name: str) -> str:
    if not _SAFE.fullmatch(name):
        raise ContractViolation(f"{name!r} cannot name an artifact.")
    return name
