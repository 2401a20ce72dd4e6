"""Typed access to JSON that nobody has checked: every wrong type becomes ``InvalidInput``."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from rigline.errors import InvalidInput
from rigline.formats.limits import Limits

REMEDY = "Export the model again; this file does not follow glTF 2.0."

_EMBEDDED = re.compile(rb'"data:[^"]*"')
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_WHOLE = 2**53


def clean_text(text: str, longest: int = 256) -> str:
    """``text`` cut to ``longest`` characters, with what no encoder accepts replaced."""
    return _LONE_SURROGATE.sub("\ufffd", text[:longest])


def brief(value: Any) -> str:
    """A value from the file, short and printable enough for a message."""
    return ascii(value if isinstance(value, (str, int, float, bool)) else type(value).__name__)[:80]


def parse_json(data: bytes, limits: Limits) -> JsonObject:
    """The root object of glTF JSON.

    Raises ``InvalidInput`` when the text without embedded data passes ``max_json_bytes``, when it
    is no JSON object, nests too deeply, or holds numbers that are not finite.
    """
    # An embedded string stops at the first quote, so no structure can hide from the measure.
    size = len(data) - sum(len(match.group()) for match in _EMBEDDED.finditer(data))
    if size > limits.max_json_bytes:
        raise InvalidInput(
            f"The model's JSON has {size} bytes; at most {limits.max_json_bytes} are read.",
            remedy="Remove animations and extras, or export a smaller scene.",
            size=size,
            limit=limits.max_json_bytes,
        )
    try:
        values = json.loads(
            data.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite_float
        )
    except RecursionError as error:
        raise InvalidInput("The model's JSON is nested too deeply.", remedy=REMEDY) from error
    except ValueError as error:
        raise InvalidInput(f"The model's JSON cannot be read: {error}", remedy=REMEDY) from error
    if not isinstance(values, dict):
        raise InvalidInput("The model's JSON is not an object.", remedy=REMEDY)
    return JsonObject(values, "")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large")
    return value


@dataclass(frozen=True)
class JsonObject:
    """A JSON object and its place in the file, such as ``accessors[3]``, for messages."""

    values: dict[str, Any]
    where: str

    def place(self, key: str) -> str:
        """Where ``key`` of this object is."""
        return f"{self.where}.{key}" if self.where else key

    def reject(self, key: str, wanted: str) -> NoReturn:
        """Refuse the value of ``key``."""
        found = brief(self.values[key]) if key in self.values else "missing"
        raise InvalidInput(
            f"{self.place(key)} must be {wanted}, but is {found}.",
            remedy=REMEDY,
            place=self.place(key),
        )

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number from 0 to 2**53; ``default`` where it is missing, if there is one."""
        value = self.values.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_WHOLE:
            self.reject(key, "a whole number of at least 0")
        return value

    def optional_integer(self, key: str) -> int | None:
        """As ``integer``, None where it is missing."""
        return self.integer(key) if key in self.values else None

    def text(self, key: str) -> str:
        """A string, cut to a sane length; empty where it is missing."""
        value = self.values.get(key, "")
        if not isinstance(value, str):
            self.reject(key, "text")
        return clean_text(value)

    def numbers(self, key: str, count: int) -> list[float] | None:
        """``count`` finite numbers, None where they are missing."""
        if key not in self.values:
            return None
        values = self.values[key]
        if not isinstance(values, list) or len(values) != count:
            self.reject(key, f"a list of {count} numbers")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                self.reject(key, f"a list of {count} numbers")
            if abs(value) > 1e300:
                self.reject(key, "a list of numbers of a sane size")
        return [float(value) for value in values]

    def size(self, key: str) -> int:
        """Length of a list, 0 where it is missing."""
        values = self.values.get(key, [])
        if not isinstance(values, list):
            self.reject(key, "a list")
        return len(values)

    def indices(self, key: str) -> list[int]:
        """A list of whole numbers, empty where it is missing."""
        self.size(key)
        values = self.values.get(key, [])
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                self.reject(key, "a list of whole numbers of at least 0")
        return list(values)

    def item(self, key: str, index: int) -> JsonObject:
        """The object at ``index`` of a list."""
        if index >= self.size(key):
            raise InvalidInput(
                f"The file names {self.place(key)}[{index}], but there are {self.size(key)}.",
                remedy=REMEDY,
                place=self.place(key),
                index=index,
            )
        value = self.values[key][index]
        place = f"{self.place(key)}[{index}]"
        if not isinstance(value, dict):
            raise InvalidInput(f"{place} must be an object.", remedy=REMEDY, place=place)
        return JsonObject(value, place)

    def child(self, key: str) -> JsonObject | None:
        """The object under ``key``, None where it is missing."""
        if key not in self.values:
            return None
        if not isinstance(self.values[key], dict):
            self.reject(key, "an object")
        return JsonObject(self.values[key], self.place(key))

    def required_child(self, key: str) -> JsonObject:
        """The object under ``key``."""
        child = self.child(key)
        if child is None:
            self.reject(key, "an object")
        return child
