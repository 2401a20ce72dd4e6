"""``rigline schema``: what it prints is what ``docs/`` publishes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from rigline.cli import app
from rigline.cli.schema import Document

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", Document)
def test_the_published_schema_is_the_one_in_force(document: Document) -> None:
    published = (ROOT / f"docs/{document}.schema.json").read_text("utf-8")
    result = CliRunner().invoke(app, ["schema", document])
    assert result.exit_code == 0, result.output
    assert result.stdout == published, (
        f"refresh it: .venv/bin/rigline schema {document} > docs/{document}.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_without_a_name_it_is_the_reports() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["schema"]).stdout == runner.invoke(app, ["schema", "report"]).stdout


def test_a_document_without_a_schema_is_a_wrong_command() -> None:
    result = CliRunner().invoke(app, ["schema", "ticket"])
    assert result.exit_code == 2
    assert "'ticket'" in result.stderr
