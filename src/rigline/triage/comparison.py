"""How two policies differ, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from rigline.triage.policy import Policy

Fields = Mapping[str, Any]

HEAD: Final = "policy"
"""The entry of the values that stand at the head of a policy."""

_LISTS: Final = ("stages", "joints", "rules", "overrides", "priorities")


@dataclass(frozen=True)
class Change:
    """One difference: a field of an entry or, when ``field`` is empty, an entry that is on one side
    only; then the other side is None, and this side holds all its fields."""

    entry: str
    field: str
    before: Any
    after: Any


def entries_of(policy: Policy) -> dict[str, Fields]:
    """The policy as a flat table: a name that people recognise, and the fields that are set.

    An entry's name holds what it is about (stage and measure; the patterns of an override), so that
    inserting one does not rename the others. Those with one name are numbered in order.
    """
    table: dict[str, Fields] = {HEAD: policy.model_dump(exclude=set(_LISTS))}
    for name, fields in _named(policy):
        key, number = name, 1
        while key in table:
            number += 1
            key = f"{name} #{number}"
        table[key] = fields
    return table


def changes_between(before: Policy, after: Policy) -> tuple[Change, ...]:
    """All differences, in the order of ``before``, then what only ``after`` has."""
    old, new = entries_of(before), entries_of(after)
    found: list[Change] = []
    for entry in dict.fromkeys((*old, *new)):
        if entry not in old or entry not in new:
            found.append(Change(entry, "", old.get(entry), new.get(entry)))
            continue
        for name in dict.fromkeys((*old[entry], *new[entry])):
            a, b = old[entry].get(name), new[entry].get(name)
            if a != b:
                found.append(Change(entry, name, a, b))
    return tuple(found)


def _named(policy: Policy) -> Iterator[tuple[str, Fields]]:
    for group, table in (("stages", policy.stages), ("joints", policy.joints)):
        for owner, terms in table.items():
            for term in terms:
                yield f"{group}.{owner}.{term.evidence}", _fields(term, "evidence")
    for rule in policy.rules:
        yield f"rules.{rule.stage}.{rule.evidence}", _fields(rule, "stage", "evidence")
    for override in policy.overrides:
        yield f"overrides {_about(override)}", _fields(override, "creator", "batch")
    for priority in policy.priorities:
        name = f"priorities {_about(priority)}"
        yield name, _fields(priority, "creator", "batch", "confidence_below")


def _fields(entry: BaseModel, *named: str) -> Fields:
    return entry.model_dump(exclude=set(named), exclude_none=True)


def _about(entry: BaseModel) -> str:
    conditions = ("creator", "batch", "confidence_below")
    values = {name: getattr(entry, name, None) for name in conditions}
    return " ".join(f"{name}={value}" for name, value in values.items() if value is not None)
