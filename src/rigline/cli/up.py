"""``rigline up``, ``down`` and ``status``: the local stack of a checkout."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from rigline.cli.console import ExitCode, fail, messages, results
from rigline.errors import RiglineError
from rigline.settings import load_settings

if TYPE_CHECKING:
    from rigline.local.part import Phase, Plan
    from rigline.local.stack import Seen

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

COLOURS = {
    "running": "green", "done": "green", "failed": "red", "dead": "red", "starting": "yellow",
    "stopping": "yellow",
}  # fmt: skip


def up(
    take: Annotated[
        list[str] | None,
        typer.Option("--with", help="Start this part too: inference, review.", metavar="PART"),
    ] = None,
    leave: Annotated[
        list[str] | None,
        typer.Option("--without", help="Leave this part out.", metavar="PART"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the local stack in the background, from a checkout: all that jobs and reviews need.

    Prefect's server with work pool, limits and deployments, a worker, the maintenance; the review
    app, and with --with inference a Triton server, where they are there. What runs already goes on.
    Logs, state and Prefect's data lie in RIGLINE_STACK; RIGLINE_PREFECT_PORT and the like move the
    ports. Exit code 1 when a part does not come up: then everything started here is stopped again.
    """
    chosen = {**dict.fromkeys(take or (), True), **dict.fromkeys(leave or (), False)}

    def go(plan: Plan) -> None:
        from rigline.local import stack

        for missing in plan.left_out:
            messages().print(f"{missing.name}: left out, {missing.why}", markup=False)
        if plan.host not in ("127.0.0.1", "localhost", "::1"):
            messages().print(f"Whoever reaches {plan.host} can use the stack.", style="yellow")
        with Progress() as progress:
            seen = stack.up(plan, progress.tell)
        _show(plan, seen, as_json=as_json)
        if not as_json:
            api = plan.environment["PREFECT_API_URL"]
            results().print(f"\nFor Prefect's own commands: export PREFECT_API_URL={api}")

    _planned(chosen, go)


def down(as_json: AsJson = False) -> None:
    """Stop what rigline up has started, and nothing else. Jobs are taken up where they stopped."""

    def go(plan: Plan) -> None:
        from rigline.local import stack

        with Progress() as progress:
            stopped = stack.down(plan, progress.tell)
        if as_json:
            typer.echo(json.dumps({"stopped": stopped}, indent=2))
        elif not stopped:
            typer.echo("Nothing runs.")

    _planned({}, go)


def status(as_json: AsJson = False) -> None:
    """Show what of the local stack runs: exit code 0, or 1 when nothing does or a part is dead."""

    def go(plan: Plan) -> None:
        from rigline.local import stack

        seen = stack.look(plan)
        _show(plan, seen, as_json=as_json)
        found = {str(part.health) for part in seen}
        if "running" not in found or "dead" in found:
            raise typer.Exit(int(ExitCode.FAILED))

    _planned({}, go)


def _planned(chosen: dict[str, bool], go: Callable[[Plan], None]) -> None:
    """Do something with the plan that the settings make, and end with the exit code of its end."""
    try:
        from rigline.local.parts import plan_stack

        go(plan_stack(load_settings(), chosen))
    except KeyboardInterrupt:
        fail("interrupted; what was started is stopped again.", ExitCode.FAILED)
    except RiglineError as error:
        if error.fields.get("tail"):
            messages().print(error.fields["tail"], markup=False, style="dim")
        fail(error)


class Progress:
    """Shows what becomes of each part: a live table on a terminal, elsewhere a line for each."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or messages()
        self._parts: dict[str, tuple[str, str, float]] = {}
        self._live = (
            Live(get_renderable=self._table, console=self._console, refresh_per_second=4)
            if self._console.is_terminal
            else None
        )

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def tell(self, name: str, phase: Phase, said: str) -> None:
        """Take in what has just become of a part."""
        before = self._parts.get(name)
        self._parts[name] = (str(phase), said, time.monotonic())
        if self._live is None and phase != "waiting":
            took = "" if before is None else f" after {time.monotonic() - before[2]:.1f} s"
            took = took if phase in ("running", "done", "failed", "stopped") else ""
            remark = f", {said}" if said else ""
            self._console.print(f"{name:12} {phase}{took}{remark}", markup=False)

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, (phase, said, since) in self._parts.items():
            busy = phase in ("starting", "stopping")
            elapsed = f"{time.monotonic() - since:.0f} s" if busy else said
            table.add_row(name, f"[{COLOURS.get(phase, 'dim')}]{phase}[/]", elapsed)
        return table


def _show(plan: Plan, seen: Sequence[Seen], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_as_json(plan, seen), indent=2))
        return
    table = Table("part", "state", "pid", "address", "log", box=None, pad_edge=False)
    for part in seen:
        pid = str(part.identity.pid) if part.identity and part.health == "running" else ""
        colour = COLOURS.get(str(part.health), "dim")
        table.add_row(part.name, f"[{colour}]{part.health}[/]", pid, part.address, escape(part.log))
    results().print(table)


def _as_json(plan: Plan, seen: Sequence[Seen]) -> dict[str, Any]:
    return {
        "folder": str(plan.folder),
        "prefect_api_url": plan.environment["PREFECT_API_URL"],
        **plan.about,
        "parts": [
            {
                "name": part.name,
                "state": str(part.health),
                "pid": part.identity.pid if part.identity else None,
                "address": part.address or None,
                "log": part.log or None,
            }
            for part in seen
        ],
        "left_out": {missing.name: missing.why for missing in plan.left_out},
    }
