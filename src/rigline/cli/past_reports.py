"""Past jobs as their report.json files tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from rigline.avatar.marketplace.rules import CheckSettings
from rigline.bootstrap import open_store
from rigline.cli.console import shown
from rigline.delivery import files_of_avatar, read_asset
from rigline.errors import InvalidInput
from rigline.formats.limits import MIB
from rigline.pipelines.cage_template_file import TEMPLATE_CODEC
from rigline.pipelines.report import Report
from rigline.settings import Settings
from rigline.triage.evidence import as_measured
from rigline.triage.simulation import PastJob
from rigline.triage.subject import Subject
from rigline.validation import ValidationRequest

PATTERN = "*report.json"
MAX_BYTES: Final = 64 * MIB
"""A report is some hundred kilobytes; whatever is larger is none."""


def find_reports(places: Sequence[Path]) -> list[Path]:
    """The reports among files and folders, each once; folders are searched in depth, by name.

    Raises ``InvalidInput`` for a place that is not there, or when there is no report at all.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise InvalidInput(
                f"There is no report or folder {shown(place)}.", remedy="Check the path."
            )
        for path in _reports_in(place):
            found.setdefault(path.resolve(), path)
    if not found:
        raise InvalidInput(
            f"No {PATTERN} lies in {', '.join(shown(place) for place in places)}.",
            remedy="Name reports, or folders that rigline setup wrote to.",
        )
    return list(found.values())


def read_past_job(path: Path, creator: str | None = None, batch: str | None = None) -> PastJob:
    """The job that a report is about; a report does not know whose it was.

    Raises ``InvalidInput`` when the file is no report.
    """
    report = read_report(path)
    return PastJob(
        name=shown(path),
        subject=Subject(report.asset.sha256, creator, batch),
        evidence={name: as_measured(entry.evidence) for name, entry in report.stages.items()},
        verdict=report.verdict,
        confidence=report.confidence,
        audit=report.audit,
    )


def read_report(path: Path) -> Report:
    """The report in a file; ``InvalidInput`` when it is none."""
    try:
        return Report.model_validate_json(read_asset(path, MAX_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise InvalidInput(
            f"{shown(path)} is no report: {where + ': ' if where else ''}{first['msg']}."
        ) from error


def request_of_report(
    avatar: Path, request: ValidationRequest, settings: Settings
) -> ValidationRequest:
    """How to judge ``STEM.avatar.glb`` by ``STEM.report.json`` beside it: as its own job did.

    Preset, body type and texture limit are the report's, and so is the cage template unless
    ``request`` has one. Raises ``InvalidInput`` where there is no report, where it is older than
    these fields, or the store lacks the template that it names.
    """
    report = read_report(files_of_avatar(avatar).report)
    said, template = report.validation, request.cage_template
    if said.body_type is None or said.texture_limit is None:
        raise InvalidInput(
            f"The report of {shown(avatar)} does not say by which body type and texture limit.",
            remedy="Leave out --by-report, and give --preset, --body-type and --texture-limit.",
        )
    if template is None and said.cage_template is not None:
        store = open_store(settings)
        if not store.has(said.cage_template):
            raise InvalidInput(
                f"The artifact store lacks the cage template that the report of {shown(avatar)} "
                "names.",
                remedy="Give it with --cage-template FILE, or set RIGLINE_STORE to where it is.",
            )
        template = TEMPLATE_CODEC.decode(store.get(said.cage_template))
    settled = CheckSettings(said.body_type, said.texture_limit)
    return replace(request, preset=said.preset, settings=settled, cage_template=template)


def _reports_in(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(path for path in place.rglob(PATTERN) if path.is_file())
    else:
        yield place
