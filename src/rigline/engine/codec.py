"""Between the values that stages pass on and the bytes that the artifact store keeps.

Encoding is deterministic: equal values give equal bytes, so that equal outputs are one artifact.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from rigline.errors import ContractViolation


@dataclass(frozen=True)
class Codec:
    """How one kind of value becomes a file: ``encode`` and ``decode`` are each other's inverse."""

    file_name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def array_codec(file_name: str, kind: type) -> Codec:
    """For a dataclass whose fields are numpy arrays or floats; the file is safetensors.

    Floats are kept as arrays of shape (). ``decode`` raises ``ContractViolation`` on foreign bytes.
    """
    return Codec(file_name, _encoded_arrays, partial(_decoded_arrays, file_name, kind))


def json_codec(file_name: str) -> Codec:
    """For plain JSON values."""
    return Codec(file_name, canonical_json, partial(_decoded_json, file_name))


def bytes_codec(file_name: str) -> Codec:
    """For files that are kept as they are."""
    return Codec(file_name, bytes, bytes)


def _encoded_arrays(value: Any) -> bytes:
    arrays = {
        field.name: np.ascontiguousarray(getattr(value, field.name))
        for field in sorted(dataclasses.fields(value), key=lambda field: field.name)
    }
    # ascontiguousarray lifts scalars to one dimension; their own shape is kept here.
    return save({n: a.reshape(np.shape(getattr(value, n))) for n, a in arrays.items()})


def _decoded_arrays(file_name: str, kind: type, data: bytes) -> Any:
    try:
        arrays = load(data)
        return kind(**{n: a if a.ndim else a.item() for n, a in arrays.items()})
    except Exception as error:  # safetensors raises a type of its own for each fault
        raise ContractViolation(
            f"The stored {file_name} cannot be read.", cause=f"{type(error).__name__}: {error}"
        ) from error


def _decoded_json(file_name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ContractViolation(f"The stored {file_name} is not JSON.") from error


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: what a file system's own bytes left in a name becomes a ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces; ``ContractViolation`` for NaN or what is not JSON."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractViolation(f"A value cannot be written as JSON: {error}") from error
    return text.encode("utf-8")
