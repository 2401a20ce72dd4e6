"""The reference page is the rules' own."""

from __future__ import annotations

from pathlib import Path

from rigline.avatar.marketplace.rules import RULES
from rigline.validation.rules_page import rules_page

PAGE = Path(__file__).parents[2] / "docs" / "validation-rules.md"


def test_the_page_in_docs_is_what_the_command_prints() -> None:
    remedy = "run: rigline validate --list-rules > docs/validation-rules.md"
    assert PAGE.read_text("utf-8") == rules_page(), remedy


def test_the_page_has_every_rule() -> None:
    page = rules_page()
    assert [page.count(f"### `{rule.id}`") for rule in RULES] == [1] * len(RULES)
