"""``rigline cache``: the artifacts that make a second run of the same file instant."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from rigline.settings import Settings

OWN_FOLDERS = ("blobs", "keys")


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all artifacts.")] = False,
) -> None:
    """Show where artifacts are kept and how much room they take, or delete them."""
    root = Settings().store
    if clear:
        for name in OWN_FOLDERS:  # and nothing else that may lie in a folder the user named
            shutil.rmtree(root / name, ignore_errors=True)
    files = [p for name in OWN_FOLDERS for p in (root / name).rglob("*") if p.is_file()]
    size = sum(path.stat().st_size for path in files)
    typer.echo(f"{root}: {len(files):,} files, {size / 1e6:,.1f} MB")
