"""Judge one avatar file, as ``rigline validate`` and the pre-commit hook do."""

from __future__ import annotations

from dataclasses import dataclass, field

from rigline.avatar.marketplace.checks import check_avatar
from rigline.avatar.marketplace.rules import CheckSettings, Preset
from rigline.errors import InvalidInput
from rigline.formats.limits import Limits
from rigline.formats.rigged_glb import RiggedModel, read_rigged
from rigline.validation.file_verdict import FileVerdict
from rigline.validation.subject_of_file import avatar_under_test

HEIGHT_STUDS = 5.0
"""What a development avatar counts as tall, since it keeps the scale of its source."""


@dataclass(frozen=True, eq=False)
class ValidationRequest:
    """By which rules to judge.

    ``studs_per_unit`` is the length of the file's unit; None stands for one stud in the marketplace
    preset, and for a body five studs tall in the development preset. ``cage_template`` is the file
    of the official cage template, where the user has it.
    """

    preset: Preset = "marketplace"
    settings: CheckSettings = field(default_factory=CheckSettings)
    studs_per_unit: float | None = None
    cage_template: RiggedModel | None = None
    limits: Limits = field(default_factory=Limits)


def validate_file(data: bytes, name: str, request: ValidationRequest | None = None) -> FileVerdict:
    """The verdict on a glTF file, GLB or JSON with embedded buffers. ``name`` serves the report.

    A file that cannot be read is a verdict with an ``error``, never an exception. Deterministic.

    >>> validate_file(b"", "empty.glb").error
    'The file is not glTF. Export the avatar as binary glTF 2.0.'
    """
    request = request or ValidationRequest()
    try:
        subject = avatar_under_test(
            read_rigged(data, request.limits),
            request.studs_per_unit or (1.0 if request.preset == "marketplace" else None),
            HEIGHT_STUDS,
            request.cage_template,
        )
    except InvalidInput as error:
        return FileVerdict(name, request.preset, request.settings, error=str(error))
    results = check_avatar(subject, request.preset, request.settings)
    return FileVerdict(name, request.preset, request.settings, results, subject)
