"""``rigline schema``: the JSON Schemas of the documents that others read and write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from rigline.pipelines.report import Report
from rigline.review.correction import correction_schema


class Document(StrEnum):
    """What has a published schema, as ``docs/NAME.schema.json``."""

    REPORT = "report"
    CORRECTION = "correction"


def report_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of report.json as it is written."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }


SCHEMAS: Final[Mapping[Document, Callable[[], dict[str, Any]]]] = {
    Document.REPORT: report_schema,
    Document.CORRECTION: correction_schema,
}


def schema(
    document: Annotated[
        Document, typer.Argument(help="report.json, or what a reviewer sends as a correction.")
    ] = Document.REPORT,
) -> None:
    """Print the JSON Schema of report.json or of corrections."""
    typer.echo(json.dumps(SCHEMAS[document](), indent=2, sort_keys=True))
