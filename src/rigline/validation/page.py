"""Verdicts as one HTML page that needs nothing else: pictures and style are in it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

import numpy as np

from rigline.avatar.body import PART_NAMES
from rigline.avatar.marketplace.results import RuleResult
from rigline.avatar.marketplace.rules import AS_OF, SOURCE, Severity
from rigline.avatar.marketplace.subject import AvatarUnderTest
from rigline.render.body_picture import png_bytes
from rigline.render.marked_body import marked_body
from rigline.validation.file_verdict import FileVerdict

PICTURE_COLOURS: Final = 64
TITLES: Final[dict[Severity, str]] = {"error": "Errors", "warning": "Warnings", "info": "Notes"}

STYLE: Final = """
:root { color-scheme: light; --ink: #262a32; --soft: #6b7280; --line: #e2e4e8; --paper: #fafaf8;
  --error: #b3261e; --warning: #8a5a00; --info: #31588f; --good: #1d6b3a; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.5rem 4rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .25rem;
  overflow-wrap: anywhere; } h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); } code { font-size: .9em; }
.verdict { font-weight: 600; } .error { color: var(--error); } .warning { color: var(--warning); }
.info { color: var(--info); } .good { color: var(--good); }
article { display: flex; flex-wrap: wrap; gap: 1rem; background: #fff; margin: .75rem 0;
  border: 1px solid var(--line); border-left: 4px solid currentColor; border-radius: 4px;
  padding: .75rem 1rem; }
article > div { flex: 1 1 24rem; color: var(--ink); } article img { max-width: 100%; height: auto; }
article h4 { margin: 0 0 .25rem; font-size: 1rem; } dl { display: grid; margin: .5rem 0 0;
  grid-template-columns: max-content 1fr; gap: .15rem 1rem; } dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
details { margin: .75rem 0; } summary { cursor: pointer; }
"""


def html_page(verdicts: Sequence[FileVerdict]) -> str:
    """One page for all verdicts; broken rules come first, each with a picture of the place."""
    sections = "\n".join(_section(verdict) for verdict in verdicts)
    good = sum(verdict.conformant for verdict in verdicts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Avatar validation</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Avatar validation</h1>
<p>{good} of {len(verdicts)} {_plural(len(verdicts), "file")} without errors.</p>
<p class="soft">By the published character specification as of {AS_OF} ({escape(SOURCE)}).</p>
{sections}
</body>
</html>
"""


def _section(verdict: FileVerdict) -> str:
    head = f"<section>\n<h2>{escape(verdict.name)}</h2>\n"
    if verdict.subject is None:
        return f'{head}<p class="verdict error">Not read: {escape(verdict.error)}</p>\n</section>'
    settings = verdict.settings
    chosen = (
        f"Preset {verdict.preset}, body type {settings.body_type}, texture limit of the "
        f"{settings.texture_limit} document, {verdict.subject.studs_per_unit:.4g} studs a unit."
    )
    failures = "".join(
        _failures(verdict.failed(severity), severity, title, verdict.subject)
        for severity, title in TITLES.items()
    )
    return "\n".join(
        [
            head,
            _summary(verdict),
            f'<p class="soft">{escape(chosen)}</p>',
            failures,
            _table("Rules kept", ((r.rule_id, r.title, _measure(r)) for r in verdict.passed)),
            _table(
                "Not applicable", ((r.rule_id, r.title, r.message) for r in verdict.not_applicable)
            ),
            _table("Not checked", ((r.id, r.title, r.document) for r in verdict.not_checked)),
            "</section>",
        ]
    )


def _summary(verdict: FileVerdict) -> str:
    errors, warnings = len(verdict.failed("error")), len(verdict.failed("warning"))
    kind = "good" if verdict.conformant else "error"
    words = "No errors" if verdict.conformant else f"{errors} {_plural(errors, 'error')}"
    more = f", {warnings} {_plural(warnings, 'warning')}" if warnings else ""
    return f'<p class="verdict {kind}">{words}{more}</p>'


def _failures(
    results: Sequence[RuleResult], severity: str, title: str, subject: AvatarUnderTest
) -> str:
    if not results:
        return ""
    cards = "\n".join(_card(result, severity, subject) for result in results)
    return f'<h3 class="{severity}">{title}</h3>\n{cards}\n'


def _card(result: RuleResult, severity: str, subject: AvatarUnderTest) -> str:
    facts = {
        "Measured": _measure(result),
        "Limit": result.limit,
        "Place": result.where,
        "Remedy": result.remedy,
        "Document": f"{result.document}, {result.as_of}",
        "Note": result.note,
    }
    rows = "".join(
        f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text
    )
    return (
        f'<article class="{severity}"><div><h4>{escape(result.title)}</h4>'
        f"<code>{escape(result.rule_id)}</code><dl>{rows}</dl></div>"
        f"{_picture(result, subject)}</article>"
    )


def _picture(result: RuleResult, subject: AvatarUnderTest) -> str:
    if not result.points and not result.parts:
        return ""
    drawn = marked_body(
        subject.vertices,
        subject.faces,
        subject.face_part,
        [PART_NAMES.index(name) for name in result.parts],
        np.array(result.points).reshape(-1, 3),
    )
    data = base64.b64encode(png_bytes(drawn, PICTURE_COLOURS)).decode("ascii")
    words = escape(f"Where {result.rule_id} is broken: {result.where or result.message}")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{words}" '
        f'width="{drawn.width}" height="{drawn.height}">'
    )


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    cells = [
        f"<tr><td><code>{escape(a)}</code></td><td>{escape(b)}</td><td>{escape(c)}</td></tr>"
        for a, b, c in rows
    ]
    if not cells:
        return ""
    return (
        f"<details><summary>{title} ({len(cells)})</summary><table>{''.join(cells)}</table>"
        "</details>"
    )


def _measure(result: RuleResult) -> str:
    return f"{result.message} (limit {result.limit})" if result.passed else result.message


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
