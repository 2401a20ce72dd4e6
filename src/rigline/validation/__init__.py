"""Judging finished avatars, our own and anybody's, by the published character specification."""

from rigline.validation.file_validation import ValidationRequest, validate_file
from rigline.validation.file_verdict import FileVerdict

__all__ = ["FileVerdict", "ValidationRequest", "validate_file"]
