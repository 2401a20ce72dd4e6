"""JSON of the file that goes into the output: copied, and no deeper than a writer can stand."""

from __future__ import annotations

from typing import Any

from rigline.errors import InvalidInput
from rigline.formats.gltf_json import REMEDY, clean_text


def kept_json(value: Any, max_depth: int) -> Any:
    """A deep copy of plain JSON; ``InvalidInput`` when it nests deeper than ``max_depth``."""
    if max_depth <= 0:
        raise InvalidInput("A material is nested too deeply.", remedy=REMEDY)
    if isinstance(value, dict):
        return {clean_text(k): kept_json(v, max_depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [kept_json(v, max_depth - 1) for v in value]
    if isinstance(value, str):
        return clean_text(value, 4096)
    return value
