"""Untrusted bytes to values, and avatars to bytes."""

from __future__ import annotations

from rigline.formats.limits import Limits
from rigline.formats.model_reader import read_model
from rigline.formats.source_model import SourceModel

__all__ = ["Limits", "SourceModel", "read_model"]
