"""A Triton model repository as files: which models and versions it holds, and their identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rigline.errors import InvalidInput

MODEL_FILE = "model.onnx"
KERNEL_FILE = "kernel.py"
"""What a version is where it is geometry and no network."""


@dataclass(frozen=True)
class ModelFile:
    """One version of one model. ``sha256`` is that of the ONNX file or kernel."""

    name: str
    version: int
    path: Path
    sha256: str

    @property
    def id(self) -> str:
        """The version's name in records and keys."""
        return version_id(self.version, self.sha256)


def find_model(repository: Path, name: str) -> ModelFile:
    """The newest version of a model; ``InvalidInput`` when the repository does not hold it."""
    versions = _version_numbers(repository, name)
    if not versions:
        raise InvalidInput(
            f"The model repository {repository} holds no {name!r}.",
            remedy="Set RIGLINE_MODELS to a repository that does, or leave it empty.",
            model=name,
        )
    return _model_file(repository, name, versions[-1])


def find_versions(repository: Path, name: str) -> tuple[ModelFile, ...]:
    """All versions of a model that the repository holds, oldest first; perhaps none."""
    return tuple(_model_file(repository, name, v) for v in _version_numbers(repository, name))


def version_id(version: int, sha256: str) -> str:
    """The name of a version wherever it runs: its number and the beginning of its file's sha256."""
    return f"{version}-{sha256[:16]}"


def _version_numbers(repository: Path, name: str) -> list[int]:
    folders = (repository / name).glob("*")
    return sorted(int(p.name) for p in folders if p.name.isdigit() and _file_of(p).is_file())


def _file_of(version: Path) -> Path:
    kernel = version / KERNEL_FILE
    return kernel if kernel.is_file() else version / MODEL_FILE


def _model_file(repository: Path, name: str, version: int) -> ModelFile:
    path = _file_of(repository / name / str(version))
    return ModelFile(name, version, path, hashlib.sha256(path.read_bytes()).hexdigest())


def shipped_repository() -> Path:
    """The repository that came with Rigline: in the wheel, or beside the sources of a checkout."""
    packaged = Path(str(resources.files("rigline"))) / "_models_repo"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "models_repo"
