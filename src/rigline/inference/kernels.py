"""Models that are no networks: a kernel of geometry on numpy and scipy, copied into the repository.

The very file that the package runs is a version's file there, beside an adapter for Triton's python
backend; so its sha256 says what computed an answer, wherever it was computed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rigline.avatar.cage_kernel import fit_vertices
from rigline.engine.stage import Arrays
from rigline.errors import ContractViolation
from rigline.inference.contracts import CAGING
from rigline.inference.repository import KERNEL_FILE, ModelFile, find_versions

ADAPTER_FILE = "model.py"


def kernel_files(repository: Path) -> dict[Path, bytes]:
    """What the newest version of the caging model must consist of; nothing if there is none."""
    versions = find_versions(repository, CAGING)
    if not versions:
        return {}
    folder = versions[-1].path.parent
    return {folder / KERNEL_FILE: _kernel(), folder / ADAPTER_FILE: _adapter()}


def check_kernel(file: ModelFile) -> None:
    """Raise ``ContractViolation`` when a repository's kernel is not the one that runs here."""
    actual = _kernel_sha256()
    if file.sha256 != actual:
        raise ContractViolation(
            f"The kernel {file.path} has the sha256 {file.sha256}, and Rigline's own {actual}.",
            remedy="Run rigline models configure on the repository.",
            model=file.name,
        )


def run_kernel(fitted: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The caging model's outputs, one item after the other; ``ValueError`` as the kernel raises."""
    names = ("points", "part", "joints")
    items = zip(*(fitted[name] for name in names), strict=True)
    return {"vertices": np.stack([fit_vertices(*item) for item in items]).astype(np.float32)}


@cache
def _kernel_sha256() -> str:
    return hashlib.sha256(_kernel()).hexdigest()


def _kernel() -> bytes:
    return (resources.files("rigline.avatar") / "cage_kernel.py").read_bytes()


def _adapter() -> bytes:
    return (resources.files("rigline.inference.server") / "kernel_adapter.py").read_bytes()
