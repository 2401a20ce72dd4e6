"""Policies, and what they would have done, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from rigline.triage.comparison import Change
from rigline.triage.judgement import SEVERITY
from rigline.triage.policy import EVERY_JOINT, Policy, Term
from rigline.triage.simulation import JudgedAgain, Simulation

NONE: Final = "-"
STYLES: Final = {"accept": "green", "review": "yellow", "reject": "red"}


def head_line(policy: Policy) -> str:
    """The values at the head of a policy, in a line."""
    calibrated = "calibrated" if policy.calibrated else "not calibrated"
    return (
        f"{policy.name} {policy.version}, {calibrated}: "
        f"review below {policy.review_below:g}, reject below {policy.reject_below:g}, "
        f"audit {policy.audit_rate:.1%} of what is accepted"
    )


def entry_tables(policy: Policy) -> Iterator[tuple[str, Table]]:
    """A title and a table for each kind of entry that the policy has."""
    if policy.stages:
        yield "Stages", _term_table("stage", policy.stages)
    if policy.joints:
        names = {"every joint" if k == EVERY_JOINT else k: t for k, t in policy.joints.items()}
        yield "Joints", _term_table("joint", names)
    if policy.rules:
        table = _table("stage", "measure", "limit", "verdict", "reason")
        for rule in policy.rules:
            limit = f"{'above' if rule.above is not None else 'below'} {rule.limit:g}"
            _add(table, rule.stage, rule.evidence, limit, rule.verdict, rule.reason)
        yield "Rules, whatever the confidence", table
    if policy.overrides:
        table = _table("creator", "batch", "review below", "audit rate")
        for override in policy.overrides:
            limits = (override.review_below, override.audit_rate)
            _add(table, override.creator, override.batch, *limits)
        yield "Overrides, the later ones win", table
    if policy.priorities:
        table = _table("creator", "batch", "confidence below", "priority")
        for entry in policy.priorities:
            _add(table, entry.creator, entry.batch, entry.confidence_below, entry.priority)
        yield "Priorities, the largest wins", table


def change_table(changes: Iterable[Change]) -> Table:
    """Each difference as entry, field, before and after."""
    table = _table("entry", "field", "before", "after")
    for change in changes:
        added, removed = change.before is None, change.after is None
        if change.field:
            _add(table, change.entry, change.field, change.before, change.after)
        elif added:
            _add(table, change.entry, "added", None, _fields(change.after), style="green")
        elif removed:
            _add(table, change.entry, "removed", _fields(change.before), None, style="red")
    return table


def verdict_table(simulation: Simulation) -> Table:
    """How many jobs have each verdict, before and after."""
    table = _table("verdict", "before", "after")
    before, after = simulation.before, simulation.after
    for verdict in SEVERITY:
        table.add_row(Text(verdict, STYLES[verdict]), str(before[verdict]), str(after[verdict]))
    _add(table, "audited", *simulation.audits)
    return table


def changed_jobs_table(changed: Sequence[JudgedAgain]) -> Table:
    """The jobs whose verdict would be another, with the first reason."""
    table = _table("report", "before", "after", "reason")
    for one in changed:
        reasons = one.judgement.reasons
        table.add_row(
            Text(one.job.name),
            _verdict(one.job.verdict, one.job.confidence),
            _verdict(one.judgement.verdict, one.judgement.confidence),
            Text(reasons[0] if reasons else NONE),
        )
    return table


def _verdict(verdict: str, confidence: float) -> Text:
    return Text(f"{verdict} {confidence:.2f}", STYLES[verdict])


def _term_table(owner: str, terms: Mapping[str, Sequence[Term]]) -> Table:
    table = _table(owner, "measure", "curve", "good", "bad", "reason")
    for name, entries in terms.items():
        for term in entries:
            _add(table, name, term.evidence, term.curve, term.good, term.bad, term.reason)
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False)


def _add(table: Table, *cells: Any, style: str = "") -> None:
    table.add_row(*(Text(_cell(cell), style) for cell in cells))


def _cell(value: Any) -> str:
    if value is None:
        return NONE
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fields(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cell(value)}" for name, value in fields.items())
