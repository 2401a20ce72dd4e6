"""``rigline schema``: the JSON Schema of report.json."""

from __future__ import annotations

import json
from typing import Any

import typer

from rigline.pipelines.report import Report


def report_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of report.json as it is written."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Report.model_json_schema(mode="serialization"),
    }


def schema() -> None:
    """Print the JSON Schema of report.json."""
    typer.echo(json.dumps(report_schema(), indent=2, sort_keys=True))
