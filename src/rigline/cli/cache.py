"""``rigline cache``: the artifacts that make a second run of the same file instant."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from rigline.bootstrap import open_ledger, open_store
from rigline.cli.console import fail
from rigline.engine.garbage import GRACE, Garbage, sweep
from rigline.errors import InvalidInput, RiglineError
from rigline.settings import Settings, load_settings

OWN_FOLDERS = ("blobs", "keys")


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all artifacts.")] = False,
    unreferenced: Annotated[
        bool, typer.Option("--unreferenced", help="List the artifacts that no result needs.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="With --unreferenced: delete them.")
    ] = False,
    grace_days: Annotated[
        int,
        typer.Option(min=1, help="With --unreferenced: pass over artifacts younger than this."),
    ] = GRACE.days,
) -> None:
    """Show where artifacts are kept and how much room they take, or delete them."""
    if delete and not unreferenced:
        fail("--delete goes with --unreferenced; --clear deletes everything.")
    if clear and unreferenced:
        fail("--clear and --unreferenced exclude each other.")
    try:
        settings = load_settings()
        store = open_store(settings)
        if unreferenced:
            grace, roots = timedelta(days=grace_days), _wanted(settings)
            _show_garbage(sweep(store, roots, grace=grace, delete=delete), delete)
        elif settings.store_folder is None:
            _show_bucket(settings.store, clear)
        else:
            _show_folder(settings.store_folder, clear)
    except RiglineError as error:
        fail(error)


def _wanted(settings: Settings) -> frozenset[str]:
    """What the ledger still needs, such as the files of jobs that wait; none without a ledger."""
    if settings.database_file is not None and not settings.database_file.exists():
        return frozenset()
    ledger = open_ledger(settings)
    try:
        with ledger.reading() as work:
            return work.jobs.wanted_artifacts()
    finally:
        ledger.close()


def _show_folder(root: Path, clear: bool) -> None:
    if clear:
        for name in OWN_FOLDERS:  # and nothing else that may lie in a folder the user named
            shutil.rmtree(root / name, ignore_errors=True)
    files = [p for name in OWN_FOLDERS for p in (root / name).rglob("*") if p.is_file()]
    size = sum(path.stat().st_size for path in files)
    typer.echo(f"{root}: {len(files):,} files, {size / 1e6:,.1f} MB")


def _show_bucket(store: str, clear: bool) -> None:
    if clear:
        raise InvalidInput(
            f"{store} may serve others too and is not cleared from here.",
            remedy="Use --unreferenced --delete, or ask the owner of the bucket.",
        )
    typer.echo(f"{store}: managed by the owner of the bucket; --unreferenced lists what can go")


def _show_garbage(garbage: Garbage, delete: bool) -> None:
    for blob in garbage.deleted if delete else garbage.found:
        typer.echo(f"{blob.sha256}  {blob.size:>14,}  {blob.modified:%Y-%m-%d %H:%M}")
    count, size, what = (
        (len(garbage.deleted), garbage.deleted_bytes, "deleted")
        if delete
        else (len(garbage.found), garbage.found_bytes, "unreferenced")
    )
    typer.echo(
        f"{count:,} artifacts, {size / 1e6:,.1f} MB {what}; "
        f"{garbage.referenced:,} in use, {garbage.young:,} too young to tell"
    )
