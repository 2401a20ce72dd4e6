"""What Rigline depends on: pinned in the lock file, and under licences that users can live with."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN_TIME = [
    *PROJECT["project"]["dependencies"],
    *(r for group in PROJECT["project"]["optional-dependencies"].values() for r in group),
]
EITHER_LICENCE = {"text-unidecode"}
"""Artistic License or GPL, as the user chooses."""


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", line) for line in lines)
    return {canonicalize_name(m[1]): m[2] for m in found if m}


def run_time_closure() -> set[str]:
    """Names of all installed packages that the product and its extras lead to."""
    pending = [Requirement(r) for r in RUN_TIME]
    seen: set[str] = set()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        environments = [{"extra": extra} for extra in (*requirement.extras, "")]
        if name in seen or not (
            requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments)
        ):
            continue
        try:
            below = requires(name) or []
        except PackageNotFoundError:
            continue
        seen.add(name)
        for text in below:
            child = Requirement(text)
            if child.marker is None or any(child.marker.evaluate(e) for e in environments):
                child.marker = None
                pending.append(child)
    return seen


def test_the_lock_file_satisfies_the_project() -> None:
    versions = locked()
    wanted = [*RUN_TIME, *PROJECT["dependency-groups"]["dev"]]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name == PROJECT["project"]["name"]:  # an extra made of others
            continue
        assert name in versions, f"{name} is not locked: run make lock"
        assert requirement.specifier.contains(versions[name], prereleases=True), requirement


def test_the_lock_file_carries_hashes_and_no_addresses() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_nothing_at_run_time_is_under_the_gpl() -> None:
    names = run_time_closure()
    assert {"numpy", "prefect", "boto3", "sqlmodel"} <= names
    for name in names - EITHER_LICENCE:
        about = metadata(name)
        stated = [about.get("License-Expression") or "", *about.get_all("Classifier", [])]
        if not stated[0]:
            stated.append(
                (about.get("License") or "").splitlines()[0] if about.get("License") else ""
            )
        licences = [s for s in stated if "GPL" in s or "General Public" in s]
        harmful = [s for s in licences if "LGPL" not in s and "Lesser" not in s]
        assert not harmful, f"{name}: {harmful}"
