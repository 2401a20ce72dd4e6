"""Judge one avatar file, as ``rigline validate`` and the pre-commit hook do."""

from __future__ import annotations

from dataclasses import dataclass, field

from rigline.avatar.cage_transfer import CageMeshes
from rigline.avatar.marketplace.checks import check_avatar
from rigline.avatar.marketplace.rules import CheckSettings, Preset
from rigline.errors import InvalidInput
from rigline.formats.isolation import Isolation, open_rigged
from rigline.formats.limits import Limits
from rigline.formats.rigged_model import RiggedModel
from rigline.validation.file_verdict import FileVerdict
from rigline.validation.subject_of_file import avatar_under_test

HEIGHT_STUDS = 5.0
"""What a development avatar counts as tall, since it keeps the scale of its source."""

BARE_FORMATS = ("obj", "ply", "stl")
"""Formats without bones."""


@dataclass(frozen=True, eq=False)
class ValidationRequest:
    """By which rules to judge.

    ``studs_per_unit`` is the length of the file's unit; None stands for one stud in the marketplace
    preset, and for a body five studs tall in the development preset. ``cage_template`` is the
    official cage template, where the user has it. With ``isolation`` files are read in a process of
    their own, with its limits.
    """

    preset: Preset = "marketplace"
    settings: CheckSettings = field(default_factory=CheckSettings)
    studs_per_unit: float | None = None
    cage_template: CageMeshes | None = None
    limits: Limits = field(default_factory=Limits)
    isolation: Isolation | None = None


def validate_file(data: bytes, name: str, request: ValidationRequest | None = None) -> FileVerdict:
    """The verdict on a GLB, glTF (embedded), VRM or FBX file. ``name`` serves the report.

    A file that cannot be read, or whose format has no bones, is a verdict with an ``error``, never
    an exception; only ``ServiceUnavailable`` is raised, when no reading process can be started.
    Deterministic.

    >>> validate_file(b"solid", "part").error.split(". ")[0]
    "The file 'part' is of no format that we know"
    """
    request = request or ValidationRequest()
    try:
        subject = avatar_under_test(
            _read(data, name, request),
            request.studs_per_unit or (1.0 if request.preset == "marketplace" else None),
            HEIGHT_STUDS,
            request.cage_template,
        )
    except InvalidInput as error:
        return FileVerdict(name, request.preset, request.settings, error=str(error))
    results = check_avatar(subject, request.preset, request.settings)
    return FileVerdict(name, request.preset, request.settings, results, subject)


def _read(data: bytes, name: str, request: ValidationRequest) -> RiggedModel:
    """The model, of a format that can hold an avatar."""
    model = open_rigged(data, name, request.limits, request.isolation)
    if model.format in BARE_FORMATS:
        raise InvalidInput(
            f"{model.format.upper()} holds neither bones nor weights, so it cannot be an avatar.",
            remedy="Name the finished avatar as GLB, glTF, VRM or FBX; rigline setup makes one.",
        )
    return model
