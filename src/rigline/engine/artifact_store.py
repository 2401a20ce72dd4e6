"""What the engine asks of a place that keeps artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from rigline.errors import ContractViolation


@dataclass(frozen=True)
class OutputRecord:
    """What is known of one stage's output under one key.

    ``outputs`` are the sha256 of its files by file name, ``models`` the version of each model that
    had a say, ``seconds`` the time that the computation took, ``inputs`` the sha256 of what it was
    computed from, by the name of the stage that made it, ``asset``, or the parameter that names it
    (records of old have none).
    Confidence and verdict are not here: they follow from evidence and policy.
    """

    outputs: Mapping[str, str]
    evidence: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON of the record."""
        return {
            "outputs": dict(self.outputs),
            "evidence": dict(self.evidence),
            "warnings": list(self.warnings),
            "models": dict(self.models),
            "seconds": self.seconds,
            "inputs": dict(self.inputs),
        }

    @classmethod
    def from_json(cls, value: Any) -> OutputRecord:
        """The record that ``to_json`` gave; ``ContractViolation`` for anything else."""
        try:
            return cls(
                dict(value["outputs"]),
                dict(value["evidence"]),
                tuple(value["warnings"]),
                dict(value["models"]),
                float(value["seconds"]),
                dict(value.get("inputs", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ContractViolation(f"A stored record is damaged: {error!r}") from error


@dataclass(frozen=True)
class BlobInfo:
    """One artifact of a store: its name, its size in bytes, and when it was last put (UTC)."""

    sha256: str
    size: int
    modified: datetime


class ArtifactStore(Protocol):
    """Content-addressed files, and the records that lead to them.

    Safe for many writers at once. Every method raises ``ServiceUnavailable`` when the place itself
    cannot be reached.
    """

    def put(self, data: bytes) -> str:
        """Keep ``data``; its sha256 in hexadecimal is the name it has from now on.

        What is there already becomes young again, so that no sweep takes it from under a job.
        """
        ...

    def get(self, sha256: str) -> bytes:
        """The artifact; ``ContractViolation`` when it is not there or no longer what it was."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether the artifact is there."""
        ...

    def record(self, stage: str, key: str) -> OutputRecord | None:
        """The record of a stage's output under a key."""
        ...

    def put_record(self, stage: str, key: str, record: OutputRecord) -> OutputRecord:
        """Keep a record unless there is one; the one in force, which the first writer wrote."""
        ...

    def drop_record(self, stage: str, key: str) -> None:
        """Forget a record whose artifacts are gone, so that the stage runs again."""
        ...

    def blobs(self) -> Iterator[BlobInfo]:
        """All artifacts, in no order; those that come or go meanwhile may be among them or not."""
        ...

    def records(self) -> Iterator[OutputRecord]:
        """All records, in no order; damaged ones are dropped."""
        ...

    def delete_blob(self, sha256: str, older_than: datetime) -> bool:
        """Delete an artifact unless it was put at ``older_than`` or since; whether it went."""
        ...
