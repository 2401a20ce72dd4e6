"""Past jobs as their report.json files tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from rigline.cli.console import shown
from rigline.errors import InvalidInput
from rigline.pipelines.report import Report
from rigline.triage.evidence import as_measured
from rigline.triage.simulation import PastJob
from rigline.triage.subject import Subject

PATTERN = "*report.json"


def find_reports(places: Sequence[Path]) -> list[Path]:
    """The reports among files and folders, each once; folders are searched in depth, by name.

    Raises ``InvalidInput`` for a place that is not there, or when there is no report at all.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise InvalidInput(f"There is no report or folder {shown(place)}.")
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
    try:
        report = Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{shown(path)} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise InvalidInput(
            f"{shown(path)} is no report: {where + ': ' if where else ''}{first['msg']}."
        ) from error
    return PastJob(
        name=shown(path),
        subject=Subject(report.asset.sha256, creator, batch),
        evidence={name: as_measured(entry.evidence) for name, entry in report.stages.items()},
        verdict=report.verdict,
        confidence=report.confidence,
        audit=report.audit,
    )


def _reports_in(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(path for path in place.rglob(PATTERN) if path.is_file())
    else:
        yield place
