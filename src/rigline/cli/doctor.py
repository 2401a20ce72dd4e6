"""``rigline doctor``: whether everything that the settings name is there and answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from rigline.backends import open_embedded, open_gateway
from rigline.bootstrap import load_policy, open_ledger, open_store
from rigline.cli.console import ExitCode, fail, results
from rigline.errors import RiglineError
from rigline.inference.contracts import STAGE_MODELS
from rigline.inference.gateway import Gateway
from rigline.inference.routing import EndpointState
from rigline.settings import Settings, load_settings

Health = Literal["ok", "failed", "unused"]
STYLES: dict[Health, str] = {"ok": "green", "failed": "red", "unused": "dim"}


@dataclass(frozen=True)
class Finding:
    """What was found about one thing. ``details`` are for scripts."""

    name: str
    health: Health
    said: str
    details: dict[str, Any]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the store, the policy, the ledger, the models and every inference server.

    Exit code 0 when all that the settings name is there and answers, 1 when something does not.
    """
    try:
        settings = load_settings()
    except RiglineError as error:
        fail(error)
    findings = list(_findings(settings))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.health == "failed" for finding in findings):
        raise typer.Exit(int(ExitCode.FAILED))


def _findings(settings: Settings) -> Iterator[Finding]:
    yield _checked("store", lambda: _store(settings))
    yield _checked("policy", lambda: _policy(settings))
    yield _ledger(settings)
    if settings.backend == "embedded" or settings.embedded_fallback:
        models = open_embedded(settings)
        for name in STAGE_MODELS:
            yield _checked(f"model {name}", partial(models.version, name))
    if settings.backend == "triton":
        yield from _servers(settings)


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check(), {})
    except RiglineError as error:
        return Finding(name, "failed", str(error), {})


def _store(settings: Settings) -> str:
    open_store(settings).has("0" * 64)
    return settings.store


def _policy(settings: Settings) -> str:
    policy = load_policy(settings.policy)
    return f"{policy.name} {policy.version}"


def _ledger(settings: Settings) -> Finding:
    if settings.database_file is not None and not settings.database_file.exists():
        return Finding("ledger", "unused", "no jobs yet: rigline db upgrade makes it", {})
    try:
        ledger = open_ledger(settings)
        try:
            revision = ledger.revision()
            name = ledger.name
        finally:
            ledger.close()
    except RiglineError as error:
        return Finding("ledger", "failed", str(error), {})
    if revision.up_to_date:
        return Finding("ledger", "ok", f"{name}, revision {revision.current}", {})
    return Finding("ledger", "failed", f"{name} is not up to date: rigline db upgrade", {})


def _servers(settings: Settings) -> Iterator[Finding]:
    """One finding for each server, and one for what they serve together."""
    try:
        gateway = open_gateway(settings)
    except RiglineError as error:
        yield Finding("inference", "failed", str(error), {})
        return
    try:
        gateway.probe()
        now_s, reasons = time.monotonic(), gateway.reasons()
        for state in gateway.states():
            yield _server(state, reasons[state.name], now_s)
        yield _together(gateway)
    finally:
        gateway.close()


def _server(state: EndpointState, reason: str, now_s: float) -> Finding:
    serves = sorted(state.serves)
    details = {
        "kind": str(state.kind),
        "limit": state.limit,
        "pending": state.pending,
        "ready": state.ready,
        "circuit": str(state.circuit.state(now_s)),
        "serves": {version.model: version.id for version in serves},
    }
    said = reason or ", ".join(f"{v.model} {v.id}" for v in serves)
    return Finding(f"{state.kind} {state.name}", "ok" if state.ready else "failed", said, details)


def _together(gateway: Gateway) -> Finding:
    ready = [state for state in gateway.states() if state.ready]
    served = {version.model for state in ready for version in state.serves}
    missing = sorted(set(STAGE_MODELS) - served)
    said = f"{len(ready)} of {len(gateway.states())} endpoints are ready"
    if missing:
        return Finding("inference", "failed", f"{said}; nobody serves {', '.join(missing)}", {})
    return Finding("inference", "ok", said, {})


def _show(findings: list[Finding]) -> None:
    table = Table("what", "health", "", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(
            finding.name, Text(finding.health, STYLES[finding.health]), Text(finding.said)
        )
    results().print(table)
