"""``rigline policy``: what a policy says, how two differ, what one would have done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.text import Text

from rigline.bootstrap import load_policy
from rigline.cli.console import ExitCode, fail, messages, results
from rigline.cli.ledger_session import opened_ledger
from rigline.cli.past_reports import find_reports, read_past_job
from rigline.cli.policy_tables import (
    change_table,
    changed_jobs_table,
    entry_tables,
    head_line,
    verdict_table,
)  # fmt: skip
from rigline.errors import InvalidInput, RiglineError
from rigline.settings import load_settings
from rigline.triage.comparison import changes_between
from rigline.triage.policy import Policy
from rigline.triage.simulation import JudgedAgain, PastJob, Simulation, simulate

SHIPPED = Path("default")
"""What the commands take for the policy that came with Rigline, unless a file is named so."""

PolicyFile = Annotated[
    Path,
    typer.Argument(metavar="POLICY", help="A policy's file, or `default` for the shipped one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

policy = typer.Typer(
    name="policy",
    help="Policies: what sends a job to a person. Written in TOML; docs/policy.md explains how.",
    no_args_is_help=True,
)


@policy.command("show")
def show_policy(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="POLICY", help="By default the policy that the settings name."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy says. Exit code: 0, or 2 when the policy cannot be used."""
    try:
        shown_policy = _policy(file) if file else load_policy(load_settings().policy)
    except RiglineError as error:
        fail(error)
    if as_json:
        typer.echo(shown_policy.model_dump_json(indent=2, exclude_none=True))
        return
    results().print(head_line(shown_policy), markup=False)
    for title, table in entry_tables(shown_policy):
        results().print(Text(f"\n{title}", "bold"))
        results().print(table)


@policy.command("diff")
def diff_policies(
    before: PolicyFile,
    after: PolicyFile,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two policies. Exit code: 0, or 2 when one cannot be used."""
    try:
        old, new = _policy(before), _policy(after)
    except RiglineError as error:
        fail(error)
    changes = changes_between(old, new)
    if as_json:
        entries = [
            {"entry": c.entry, "field": c.field or None, "before": c.before, "after": c.after}
            for c in changes
        ]
        typer.echo(json.dumps(entries, indent=2))
    elif changes:
        results().print(change_table(changes))
    else:
        results().print("The policies say the same.")
    unversioned = old.name == new.name and old.version == new.version
    if changes and unversioned:
        messages().print(
            f"Both are {old.name} {old.version}: raise the version, or verdicts of the two cannot "
            "be told apart.", style="yellow", markup=False,
        )  # fmt: skip


@policy.command("simulate")
def simulate_policy(
    file: PolicyFile,
    reports: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="REPORT",
            help="report.json files, or folders that hold them; by default the jobs of the ledger.",
        ),
    ] = None,
    creator: Annotated[
        str | None,
        typer.Option(help="Whose reports these are; of the ledger, only these jobs."),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(help="Of which batch they are; of the ledger, only this batch."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy would have done to past jobs, from stored evidence; nothing runs.

    Exit code: 0 when every report could be judged, 1 when some could not, 2 when the command is
    wrong.
    """
    try:
        candidate = _policy(file)
        found = find_reports(reports) if reports else []
    except RiglineError as error:
        fail(error)
    if reports:
        jobs, unread = _read_all(found, creator, batch)
    else:
        jobs, unread = _jobs_of_ledger(creator, batch), {}
    simulation = simulate(jobs, candidate)
    failed = {**unread, **simulation.failed}
    if as_json:
        typer.echo(json.dumps(_simulation_json(candidate, simulation, failed), indent=2))
    else:
        _print_simulation(candidate, simulation, failed)
    raise typer.Exit(int(ExitCode.FAILED if failed else ExitCode.OK))


def _policy(file: Path) -> Policy:
    return load_policy(None if file == SHIPPED and not file.exists() else file)


def _read_all(
    paths: list[Path], creator: str | None, batch: str | None
) -> tuple[list[PastJob], dict[str, str]]:
    jobs: list[PastJob] = []
    unread: dict[str, str] = {}
    with Progress(console=messages(), transient=True) as progress:
        for path in progress.track(paths, description="reading"):
            try:
                jobs.append(read_past_job(path, creator, batch))
            except InvalidInput as error:
                unread[str(path)] = str(error)
    return jobs, unread


def _jobs_of_ledger(creator: str | None, batch: str | None) -> list[PastJob]:
    with opened_ledger() as ledger:
        from rigline.db.jobs import JobFilter
        from rigline.jobs.past_jobs import past_jobs

        return list(past_jobs(ledger, JobFilter(creator=creator, batch=batch)))


def _simulation_json(
    candidate: Policy, simulation: Simulation, failed: dict[str, str]
) -> dict[str, Any]:
    before, after = simulation.audits
    return {
        "policy": {"name": candidate.name, "version": candidate.version},
        "judged": len(simulation.judged),
        "before": {**simulation.before, "audit": before},
        "after": {**simulation.after, "audit": after},
        "changed": [_change_json(one) for one in simulation.changed],
        "failed": failed,
    }


def _change_json(one: JudgedAgain) -> dict[str, Any]:
    return {
        "report": one.job.name,
        "before": {"verdict": one.job.verdict, "confidence": one.job.confidence},
        "after": {
            "verdict": one.judgement.verdict,
            "confidence": one.judgement.confidence,
            "reasons": one.judgement.reasons,
            "flagged": one.judgement.flagged,
            "flagged_joints": one.judgement.flagged_joints,
            "priority": one.judgement.priority,
        },
    }


def _print_simulation(candidate: Policy, simulation: Simulation, failed: dict[str, str]) -> None:
    results().print(head_line(candidate), markup=False)
    if simulation.judged:
        results().print(verdict_table(simulation))
    if simulation.changed:
        results().print(changed_jobs_table(simulation.changed))
    results().print(
        f"{len(simulation.changed)} of {len(simulation.judged)} verdicts would change"
        + (f"; {len(failed)} reports could not be judged" if failed else "")
    )
    for name, error in failed.items():
        messages().print(f"{name}: {error}", style="red", markup=False)
